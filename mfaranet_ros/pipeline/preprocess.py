# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frame -> network input: upload, colour order, resize, normalise, precision, layout.

The camera's raw bytes are uploaded once, as uint8; the rest happens on the device, on a GPU with
Triton in one pass.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mfaranet_ros.backends.kernels import why_no_kernels
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame, Geometry

_ORDER = {
    'rgb8': None,
    'bgr8': (2, 1, 0),
    'rgba8': (0, 1, 2),
    'bgra8': (2, 1, 0),
    'mono8': (0, 0, 0),
}
"""The channels of a frame that are red, green and blue; None: in this order already."""


class Preprocess:
    """Turns frames into normalised network input, and says how the two relate.

    mean, std: of red, green and blue, for values in 0..1 (they come with the weights).
    input_size: (height, width) of the network input in pixels. Both 0: the camera's size. One 0:
        it follows the camera's aspect ratio. Both given: the image is scaled to fit, keeping
        its aspect ratio, and padded right or below with the mean, which is 0 once normalised.
    device, dtype: of the tensor; both are the backend's.

    Raises ConfigError for a mean, std, size or dtype that is out of range.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        input_size: tuple[int, int],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        sound = all(map(math.isfinite, (*mean, *std))) and all(value > 0 for value in std)
        if len(mean) != 3 or len(std) != 3 or not sound:
            raise ConfigError(
                f'mean {tuple(mean)}, std {tuple(std)}: must be three numbers each, std above 0; '
                f'correct them in the weights file'
            )
        if min(input_size) < 0:
            raise ConfigError(f'input size {input_size}: must be 0 or more pixels')
        if not dtype.is_floating_point:
            raise ConfigError(f'input dtype {dtype}: must be a floating point type')
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.input_size = input_size
        self.device = device
        self.dtype = dtype
        self._gain = 1 / (255 * np.asarray(std, np.float64))
        self._offset = -np.asarray(mean, np.float64) / np.asarray(std, np.float64)
        self._rows: tuple[torch.Tensor, torch.Tensor] | None = None
        self._staging: _Staging | None = _Staging() if device.type == 'cuda' else None

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> tuple[torch.Tensor, Geometry]:
        """Return the network input (1, 3, h, w), channels_last, and its geometry."""
        geometry = self.geometry(*frame.size)
        raw = self._upload(frame.pixels)
        if not why_no_kernels(self.device):
            return self._in_one_pass(raw, frame.encoding, geometry), geometry
        image = _reorder(raw, frame.encoding)  # (H, W, 3) uint8
        if geometry.content != geometry.camera:
            image = _resize(image, geometry.content)
        return self._normalise(image, geometry), geometry

    def geometry(self, height: int, width: int) -> Geometry:
        """Return how a camera image of this height and width will stand in the input."""
        camera = height, width
        wanted = self.input_size
        if wanted == (0, 0):
            return Geometry(camera, camera, camera)
        scale = min(size / given for size, given in zip(wanted, camera, strict=True) if size)
        scaled = [max(1, round(scale * given)) for given in camera]
        content = min(scaled[0], wanted[0] or scaled[0]), min(scaled[1], wanted[1] or scaled[1])
        return Geometry(camera, content, (wanted[0] or content[0], wanted[1] or content[1]))

    def join(self, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return one batch of inputs that are of one size."""
        return torch.cat(list(inputs))

    def _upload(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        if self._staging is not None:
            return self._staging.upload(pixels, self.device)
        if not pixels.flags.writeable or min(pixels.strides) < 0:
            pixels = pixels.copy()  # torch accepts neither
        return torch.from_numpy(pixels)

    def _in_one_pass(self, raw: torch.Tensor, encoding: str, geometry: Geometry) -> torch.Tensor:
        from mfaranet_ros.backends.kernels.image import normalise_image

        order = _ORDER[encoding] or (0, 1, 2)
        return normalise_image(
            raw, geometry, order, self._gain.tolist(), self._offset.tolist(), self.dtype
        )

    def _normalise(self, image: torch.Tensor, geometry: Geometry) -> torch.Tensor:
        # Whole rows at a time: constants repeated to the length of a row are several times
        # faster on a CPU than broadcasting over three channels.
        height, width = geometry.content
        gain, offset = self._constants(width)
        rows = torch.addcmul(offset, image.reshape(height, 3 * width).float(), gain)
        if geometry.input == geometry.content:
            padded = rows.to(self.dtype).view(1, height, width, 3)
        else:
            padded = rows.new_zeros((1, *geometry.input, 3), dtype=self.dtype)
            padded[0, :height, :width] = rows.view(height, width, 3)
        return padded.permute(0, 3, 1, 2)  # (1, 3, h, w), in memory (1, h, w, 3)

    def _constants(self, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        if self._rows is None or len(self._rows[0]) != 3 * width:
            gain, offset = (
                torch.from_numpy(np.tile(values, width)).to(self.device, torch.float32)
                for values in (self._gain, self._offset)
            )
            self._rows = gain, offset
        return self._rows


class _Staging:
    """A page-locked host buffer, from which the copy to the device needs no second host copy."""

    def __init__(self) -> None:
        self._buffer: torch.Tensor | None = None
        self._uploaded: torch.cuda.Event | None = None

    def upload(self, pixels: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
        if self._uploaded is not None:
            self._uploaded.synchronize()  # the previous frame may still be in transfer
        if self._buffer is None or self._buffer.shape != pixels.shape:
            self._buffer = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True)
        np.copyto(self._buffer.numpy(), pixels)
        result = self._buffer.to(device, non_blocking=True)
        with torch.cuda.device(device):
            self._uploaded = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._uploaded.record()
        return result


def _reorder(pixels: torch.Tensor, encoding: str) -> torch.Tensor:
    order = _ORDER[encoding]
    if order is None:
        return pixels
    return torch.stack([pixels[..., channel] for channel in order], dim=-1)


def _resize(image: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    # A CPU has a fast uint8 kernel, which rounds; CUDA has float kernels only.
    planes = image.permute(2, 0, 1)[None]
    planes = planes if image.device.type == 'cpu' else planes.float()
    resized = F.interpolate(planes, size, mode='bilinear', antialias=True)
    return resized[0].permute(1, 2, 0)
