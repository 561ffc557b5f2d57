# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Camera bytes -> network input in one pass: colour order, resize, normalise, precision, layout.

A resized pixel is the sum over a window of the camera's, weighed by a triangle as wide as the
scale, as torch's bilinear interpolation with antialiasing has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import triton
import triton.language as tl
from torch import Tensor

from mfaranet_ros.backends.kernels import FUSED
from mfaranet_ros.core.frame import Geometry

_PIXELS = 256
"""How many pixels of a row one program computes."""


def normalise_image(
    pixels: Tensor,
    geometry: Geometry,
    order: Sequence[int],
    gain: Sequence[float],
    offset: Sequence[float],
    dtype: torch.dtype,
) -> Tensor:
    """Return the network input (1, 3, h, w), channels_last, of an image with this geometry.

    pixels: uint8 (H, W, channels). order: which of its channels are red, green and
    blue. gain, offset: what makes of each of them, 0..255, the normalised value. Padding is 0.
    """
    pixels = pixels.contiguous()
    height, width = geometry.input
    result = torch.empty((1, height, width, 3), dtype=dtype, device=pixels.device)
    windows = [
        _windows(camera, content, pixels.device)
        for camera, content in zip(geometry.camera, geometry.content, strict=True)
    ]
    with torch.cuda.device_of(pixels):
        _normalise[height, triton.cdiv(width, _PIXELS)](
            pixels, geometry.camera[1], pixels.shape[2], *order, *gain, *offset,
            *(value for axis in windows for value in (axis.first, axis.weights, axis.taps)),
            *geometry.content, result, width, block=_PIXELS, **FUSED,
        )  # fmt: skip
    return result.permute(0, 3, 1, 2)


@dataclass(frozen=True, eq=False)
class _Windows:
    """What the pixels of one axis of a resized image are made of.

    first: int32 (n,), the first camera pixel of each. weights: float32 (n, taps), of it and those
    that follow; 0 behind the last.
    """

    first: Tensor
    weights: Tensor

    @property
    def taps(self) -> int:
        return self.weights.shape[1]


@lru_cache(maxsize=16)
def _windows(source: int, target: int, device: torch.device) -> _Windows:
    """Return the windows of an axis of `source` pixels, `target` once it is resized."""
    scale = source / target
    reach = max(scale, 1.0)
    centres = (np.arange(target) + 0.5) * scale
    first = np.maximum((centres - reach + 0.5).astype(np.int64), 0)
    after = np.minimum((centres + reach + 0.5).astype(np.int64), source)
    places = first[:, None] + np.arange((after - first).max())
    weights = np.maximum(1 - np.abs(places + 0.5 - centres[:, None]) / reach, 0)
    weights *= places < after[:, None]
    weights /= weights.sum(axis=1, keepdims=True)
    weights = weights[:, : np.flatnonzero(weights.any(axis=0))[-1] + 1]
    return _Windows(
        torch.from_numpy(first.astype(np.int32)).to(device),
        torch.from_numpy(np.ascontiguousarray(weights, np.float32)).to(device),
    )


# The size of the camera may change between two frames: none is made a special case.
@triton.jit(
    do_not_specialize=[
        'row_pixels', 'channels', 'red_at', 'green_at', 'blue_at', 'row_taps', 'column_taps',
        'content_height', 'content_width', 'width',
    ]
)  # fmt: skip
def _normalise(
    pixels, row_pixels, channels, red_at, green_at, blue_at,
    red_gain, green_gain, blue_gain, red_offset, green_offset, blue_offset,
    row_first, row_weights, row_taps, column_first, column_weights, column_taps,
    content_height, content_width, result, width, block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    columns = tl.program_id(1) * block + tl.arange(0, block)
    inside = columns < tl.where(row < content_height, content_width, 0)
    source = tl.minimum(row, content_height - 1)  # for a row of padding any will do
    top = tl.load(row_first + source)
    left = tl.load(column_first + columns, mask=inside, other=0)

    red = tl.zeros((block,), tl.float32)
    green = tl.zeros((block,), tl.float32)
    blue = tl.zeros((block,), tl.float32)
    for i in range(row_taps):
        down = tl.load(row_weights + source * row_taps + i)
        for j in range(column_taps):
            right = tl.load(column_weights + columns * column_taps + j, mask=inside, other=0.0)
            weight = down * right
            used = weight > 0  # so nothing is read behind the last row or column
            pixel = pixels + ((top + i) * row_pixels + left + j) * channels
            red += weight * tl.load(pixel + red_at, mask=used, other=0).to(tl.float32)
            green += weight * tl.load(pixel + green_at, mask=used, other=0).to(tl.float32)
            blue += weight * tl.load(pixel + blue_at, mask=used, other=0).to(tl.float32)

    red = tl.where(inside, red * red_gain + red_offset, 0.0)
    green = tl.where(inside, green * green_gain + green_offset, 0.0)
    blue = tl.where(inside, blue * blue_gain + blue_offset, 0.0)
    kind = result.dtype.element_ty
    to = result + (row * width + columns) * 3
    tl.store(to, red.to(kind), mask=columns < width)
    tl.store(to + 1, green.to(kind), mask=columns < width)
    tl.store(to + 2, blue.to(kind), mask=columns < width)
