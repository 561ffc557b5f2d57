# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Coarse logits -> labels and confidence, at the size of the camera image.

The published networks enlarge their logits four times (bilinear, corners aligned) and take the
largest. Here the same bilinear surface is read off where the pixels of the mask lie, so that a
mask of camera size is interpolated from logits, never from labels, whatever was resized or
padded. To interpolate is to multiply by a sparse matrix for the columns and one for the rows;
both are cut into small dense blocks. Rows are processed in bands that fit a CPU's cache, so the
logits never exist at full resolution as a whole. On a GPU with Triton one kernel does it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from mfaranet_ros.backends.kernels import why_no_kernels
from mfaranet_ros.core.frame import Geometry
from mfaranet_ros.pipeline.sampling import interpolation_blocks

_BAND_VALUES = {'cpu': 1_250_000, 'cuda': 20_000_000}
"""Full-resolution logits per band, by device; many small launches slow down a GPU."""

_COLUMNS = 128
"""Columns that one dense block interpolates."""


def postprocess(
    logits: torch.Tensor, geometry: Geometry, *, resolution: str, with_confidence: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Return the labels, and if wanted the confidence, of a frame on the host.

    logits: (1, C, ceil(h/4), ceil(w/4)) of any float type, C up to 255, all finite, for the
        network input (h, w) of the geometry.
    resolution: 'camera', or 'network' for the part of the network input that holds the image.

    labels: uint8 (H, W), the class with the largest logit; of equal ones the lowest.
    confidence: uint8 (H, W), the softmax probability of that class times 255, rounded.
    """
    size = geometry.mask_size(resolution)
    compute = _in_bands if why_no_kernels(logits.device) else _in_one_pass
    with torch.inference_mode():
        host = _to_host(compute(logits[0], geometry, size, with_confidence))
    return host[0], host[1] if with_confidence else None


def _to_host(result: torch.Tensor) -> NDArray[np.uint8]:
    if result.device.type == 'cpu':
        return result.numpy()
    # Into page-locked memory, which the array keeps: several times faster.
    host = torch.empty_like(result, device='cpu', pin_memory=True)
    host.copy_(result)
    return host.numpy()


def _in_one_pass(
    logits: torch.Tensor, geometry: Geometry, size: tuple[int, int], with_confidence: bool
) -> torch.Tensor:
    from mfaranet_ros.backends.kernels.labels import label_pixels

    rows, columns = (_neighbours(axis, logits.device) for axis in _axes(logits, geometry, size))
    return label_pixels(logits, rows, columns, with_confidence=with_confidence)


def _in_bands(
    logits: torch.Tensor, geometry: Geometry, size: tuple[int, int], with_confidence: bool
) -> torch.Tensor:
    result = logits.new_empty((2 if with_confidence else 1, *size), dtype=torch.uint8)
    for rows, band in _bands(logits.float(), geometry, size):
        peak = band.amax(0)
        result[0, rows] = _lowest_equal(band, peak)
        if with_confidence:
            result[1, rows] = (255 / band.sub_(peak).exp_().sum(0)).round_()
    return result


def _lowest_equal(band: torch.Tensor, peak: torch.Tensor) -> torch.Tensor:
    # On a CPU several times faster than argmax, which takes one value after the other.
    classes = len(band)
    ranks = torch.arange(classes, 0, -1, dtype=torch.uint8, device=band.device)
    hits = (band == peak).view(torch.uint8).mul_(ranks.view(classes, 1, 1))
    return classes - hits.amax(0)


def _bands(
    logits: torch.Tensor, geometry: Geometry, size: tuple[int, int]
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the interpolated logits (C, rows, W) with the rows of the mask they are for."""
    classes, coarse_height, coarse_width = logits.shape
    device = logits.device
    budget = _BAND_VALUES.get(device.type, _BAND_VALUES['cpu'])
    height, width = _axes(logits, geometry, size)
    flat = logits.reshape(classes * coarse_height, coarse_width)
    wide = flat.new_empty((len(flat), size[1]))
    for block in _blocks(width, _COLUMNS, device):
        torch.mm(flat[:, block.source], block.weights.T, out=wide[:, block.target])
    wide = wide.view(classes, coarse_height, size[1])
    for block in _blocks(height, max(1, budget // (classes * size[1])), device):
        yield block.target, torch.matmul(block.weights, wide[:, block.source])


@dataclass(frozen=True)
class _Axis:
    """One axis of the interpolation; all sizes in pixels.

    mask: of the result; content: the image within the network input; input: the network input;
    coarse: of the logits.
    """

    mask: int
    content: int
    input: int
    coarse: int

    def positions(self) -> NDArray[np.float32]:
        """Return where the centre of each mask pixel lies in the logits, in logit pixels.

        Resizing an image keeps its edges in place (pixel i covers i to i + 1), enlarging logits
        keeps the centres of its corners in place. The last step is computed in float32 as torch
        does it, so that an unresized mask is torch's to the last bit of its weights.
        """
        pixel = (np.arange(self.mask) + 0.5) * (self.content / self.mask) - 0.5
        pixel = np.clip(pixel, 0, self.content - 1).astype(np.float32)
        scale = np.float32(self.coarse - 1) / np.float32(max(self.input - 1, 1))
        positions: NDArray[np.float32] = pixel * scale
        return positions

    def neighbours(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the logit before each mask pixel, and the pixel's share of the one after it."""
        positions = self.positions()
        lower = np.minimum(positions.astype(np.int64), self.coarse - 1)
        return lower, (positions - lower).astype(np.float32)


def _axes(logits: torch.Tensor, geometry: Geometry, size: tuple[int, int]) -> tuple[_Axis, _Axis]:
    """Return how the rows and the columns of logits (C, h, w) lie under a mask of this size."""
    rows, columns = (
        _Axis(size[i], geometry.content[i], geometry.input[i], logits.shape[1 + i]) for i in (0, 1)
    )
    return rows, columns


@lru_cache(maxsize=16)
def _neighbours(axis: _Axis, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the neighbours of an axis on a device, int32 and float32."""
    lower, share = axis.neighbours()
    return torch.from_numpy(lower.astype(np.int32)).to(device), torch.from_numpy(share).to(device)


@dataclass(frozen=True, eq=False)
class _Block:
    """A block of sampling.py on a device."""

    target: slice
    source: slice
    weights: torch.Tensor


@lru_cache(maxsize=16)
def _blocks(axis: _Axis, length: int, device: torch.device) -> tuple[_Block, ...]:
    """Return the matrix that interpolates an axis, in blocks of `length` mask pixels."""
    return tuple(
        _Block(each.target, each.source, torch.from_numpy(each.weights).to(device))
        for each in interpolation_blocks(*axis.neighbours(), axis.coarse, length)
    )
