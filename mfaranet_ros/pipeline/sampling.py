# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the pixels of a mask lie in the output of a network, along one axis; NumPy only.

A mask pixel is found in the image within the input, then in the input, then in the output. To
interpolate is to multiply by a sparse matrix for the columns and one for the rows; both are cut
into small dense blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import Geometry
from mfaranet_ros.core.specification import Size

_BLOCK = 64
"""Mask pixels that one dense block interpolates."""

_BAND_VALUES = 400_000
"""Interpolated scores that are held at a time: they fit into the cache of a CPU core."""


@dataclass(frozen=True)
class Axis:
    """One axis; all lengths in pixels.

    mask: of the result; content: the image within the input, which begins at `offset`; input: the
    whole input; output: what the network gave. interpolation: as in `Head`.
    """

    mask: int
    content: int
    offset: int
    input: int
    output: int
    interpolation: str

    @property
    def is_plain(self) -> bool:
        """Whether each mask pixel is one pixel of the output."""
        return self.mask == self.content and self.input == self.output

    def nearest(self) -> NDArray[np.intp]:
        """Return the output pixel of each mask pixel, as OpenCV and torch choose the nearest."""
        inside = np.arange(self.mask) * self.content // self.mask
        return (inside + self.offset) * self.output // self.input

    def neighbours(self) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Return the output pixel before each mask pixel, and its share of the one after it."""
        if self.interpolation == 'nearest':
            return self.nearest(), np.zeros(self.mask)
        inside = (np.arange(self.mask) + 0.5) * (self.content / self.mask) - 0.5
        pixel = np.clip(inside, 0, self.content - 1) + self.offset
        if self.interpolation == 'align_corners':
            position = pixel * ((self.output - 1) / max(self.input - 1, 1))
        else:
            position = (pixel + 0.5) * (self.output / self.input) - 0.5
        position = np.clip(position, 0, self.output - 1)
        lower = np.minimum(position.astype(np.intp), self.output - 1)
        return lower, position - lower


def axes(
    geometry: Geometry, mask: Size, output: tuple[int, ...], interpolation: str
) -> tuple[Axis, Axis]:
    """Return how the rows and the columns of a mask lie in an output of this height and width."""
    rows, columns = (
        Axis(
            mask[i],
            geometry.content[i],
            geometry.offset[i],
            geometry.input[i],
            output[i],
            interpolation,
        )
        for i in (0, 1)
    )
    return rows, columns


def sample_bands(
    scores: NDArray[np.float32], rows: Axis, columns: Axis
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the rows of the mask and the scores (C, rows, W) there; the caller may change them.

    scores: (C, h, w).
    """
    step = max(1, _BAND_VALUES // (len(scores) * columns.mask))
    if rows.is_plain and columns.is_plain:
        image = scores[
            :,
            rows.offset : rows.offset + rows.mask,
            columns.offset : columns.offset + columns.mask,
        ]
        for start in range(0, rows.mask, step):
            band = slice(start, min(start + step, rows.mask))
            yield band, image[:, band].copy()
        return
    channels, height, width = scores.shape
    flat = np.ascontiguousarray(scores).reshape(channels * height, width)
    wide = np.empty((channels * height, columns.mask), np.float32)
    for block in _blocks(columns, _BLOCK):
        np.matmul(flat[:, block.source], block.weights.T, out=wide[:, block.target])
    wide = wide.reshape(channels, height, columns.mask)
    for block in _blocks(rows, min(step, _BLOCK)):
        yield block.target, np.matmul(block.weights, wide[:, block.source])


@dataclass(frozen=True, eq=False)
class Block:
    """Dense weights (mask pixels, output pixels) of a stretch of one axis."""

    target: slice
    source: slice
    weights: NDArray[np.float32]


@lru_cache(maxsize=32)
def _blocks(axis: Axis, length: int) -> tuple[Block, ...]:
    return interpolation_blocks(*axis.neighbours(), axis.output, length)


def interpolation_blocks(
    lower: NDArray[np.integer[Any]], share: NDArray[np.floating[Any]], output: int, length: int
) -> tuple[Block, ...]:
    """Return the matrix that interpolates an axis, in blocks of `length` mask pixels.

    lower, share: of each mask pixel the output pixel before it, and its share of the one after
    it. output: pixels of the output.
    """
    upper = np.minimum(lower + 1, output - 1)
    blocks = []
    for start in range(0, len(lower), length):
        target = slice(start, min(start + length, len(lower)))
        first, last = int(lower[target][0]), int(upper[target][-1])
        weights = np.zeros((target.stop - start, last + 1 - first), np.float32)
        index = np.arange(target.stop - start)
        weights[index, lower[target] - first] += 1 - share[target]
        weights[index, upper[target] - first] += share[target]
        blocks.append(Block(target, slice(first, last + 1), weights))
    return tuple(blocks)
