# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which pixels may show a patch, for any camera: never too few, and hardly too many.

It affects only the amount of computation, never the result, so it may use sines and cosines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.patches import Patches
from mfaranet_ros.scenes.view import Ints, Singles, View

BLOCKS = 24
"""Approximate number of rows and columns of blocks that the image is divided into."""

_MARGIN_RAD = 1e-3
_STEEP = 20
"""Where slopes are steeper, blocks may hold the zenith and look in every direction."""


@dataclass(frozen=True, eq=False)
class Blocks:
    """Blocks of pixels, and between which directions each looks: (rows, columns) each.

    middle, reach: azimuth in rad and how far it goes to either side; low, high: slopes.
    """

    edge: tuple[int, int]
    size: tuple[int, int]
    middle: Singles
    reach: Singles
    low: Singles
    high: Singles

    @classmethod
    def of(cls, view: View, edge: tuple[int, int]) -> Blocks:
        """Divide the image of a view; edge: height and width of a block in pixels."""
        flat = np.sqrt(view.x * view.x + view.y * view.y)
        slopes = _blocks(view.z / np.maximum(flat, np.float32(1e-6)), edge)
        azimuths = _blocks(np.arctan2(view.y, view.x), edge)
        middle = azimuths[:, :, azimuths.shape[2] // 2]
        reach = np.abs(_wrapped(azimuths - middle[:, :, None])).max(axis=2)
        reach += np.float32(_MARGIN_RAD)
        reach[np.abs(slopes).max(axis=2) > _STEEP] = math.pi
        return cls(edge, view.size, middle, reach, slopes.min(axis=2), slopes.max(axis=2))

    def rectangles(self, bounds: Bounds) -> Ints:
        """Return first row, end row, first and end column of what is seen: (M, 4), or zeros."""
        middle, reach, low, high = (value[:, None, None] for value in bounds.directions)
        seen = np.abs(_wrapped(self.middle - middle)) <= self.reach + reach
        seen &= self.low <= high
        seen &= self.high >= low
        ends = [
            np.minimum(end * edge, size)
            for axis, edge, size in zip((2, 1), self.edge, self.size, strict=True)
            for end in _ends(np.any(seen, axis=axis))
        ]
        return np.stack(ends, axis=1)


@dataclass(frozen=True)
class Finder:
    """Finds the pixels that show a patch, by blocks, by rows and by columns of the image."""

    divisions: tuple[Blocks, ...]

    @classmethod
    def of(cls, view: View) -> Finder:
        """Divide the image of a view."""
        height, width = view.size
        blocks = max(4, math.ceil(height / BLOCKS)), max(4, math.ceil(width / BLOCKS))
        edges = blocks, (1, width), (height, 1)
        return cls(tuple(Blocks.of(view, edge) for edge in edges))

    def extents(self, patches: Patches, eye: tuple[float, float, float]) -> tuple[Ints, Singles]:
        """Return within which pixels patches are seen, and how near they come at most.

        The first is (M, 4): first row, end row, first column and end column, empty where a patch
        is not in the image. The second is in metres, (M,), and rather too near than too far.
        """
        bounds = Bounds.of(patches, eye)
        found = np.stack([division.rectangles(bounds) for division in self.divisions])
        first, end = found[:, :, ::2].max(axis=0), found[:, :, 1::2].min(axis=0)
        empty = (end <= first).any(axis=1, keepdims=True)
        end = np.where(empty, first, end)
        return np.stack((first[:, 0], end[:, 0], first[:, 1], end[:, 1]), axis=1), bounds.nearest


def _blocks(values: Singles, edge: tuple[int, int]) -> Singles:
    """Return the values of each block: (rows, columns, pixels); the last ones are repeated."""
    height, width = values.shape
    pad = [(0, -size % step) for size, step in zip((height, width), edge, strict=True)]
    padded = np.pad(values, pad, mode='edge')
    rows, columns = padded.shape[0] // edge[0], padded.shape[1] // edge[1]
    split = padded.reshape(rows, edge[0], columns, edge[1])
    return np.asarray(split.transpose(0, 2, 1, 3).reshape(rows, columns, -1))


def _ends(seen: NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Return the first True of each row, and one past the last; 0 and 0 where there is none."""
    any_seen = seen.any(axis=1)
    first = np.argmax(seen, axis=1) * any_seen
    end = (seen.shape[1] - np.argmax(seen[:, ::-1], axis=1)) * any_seen
    return first.astype(np.int32), end.astype(np.int32)


def _wrapped(angle: Singles) -> Singles:
    """Return angles between -pi and pi."""
    return np.asarray(angle - np.float32(2 * math.pi) * np.rint(angle / np.float32(2 * math.pi)))


@dataclass(frozen=True, eq=False)
class Bounds:
    """Between which directions patches are seen, and their least distance along the ground: (M,).

    directions: azimuth (middle, and how far it goes to either side) and slope (low, high).
    """

    directions: tuple[Singles, Singles, Singles, Singles]
    nearest: Singles

    @classmethod
    def of(cls, patches: Patches, eye: tuple[float, float, float]) -> Bounds:
        """Find the bounds of patches as seen from the eye; they are rather too wide."""
        corner = patches.corner - eye
        across = patches.across * patches.size_m[:, :1]
        up = patches.up * patches.size_m[:, 1:]
        corners = np.stack((corner, corner + across, corner + across + up, corner + up))
        x, y, z = corners.transpose(2, 0, 1).astype(np.float32)
        azimuth = np.arctan2(y, x)
        middle = np.arctan2(y.sum(axis=0), x.sum(axis=0))
        reach = np.abs(_wrapped(azimuth - middle)).max(axis=0) + np.float32(_MARGIN_RAD)
        nearest = np.maximum(_nearest(x, y), np.float32(1e-3))
        farthest = np.sqrt(x * x + y * y).max(axis=0)
        top, bottom = z.max(axis=0), z.min(axis=0)
        high = top / np.where(top > 0, nearest, farthest) + np.float32(_MARGIN_RAD)
        low = bottom / np.where(bottom < 0, nearest, farthest) - np.float32(_MARGIN_RAD)
        return cls((middle, reach, low, high), nearest)


def _nearest(x: Singles, y: Singles) -> Singles:
    """Return how near the edges of quadrilaterals (4, M) come to the origin, seen from above."""
    next_x, next_y = np.roll(x, -1, 0), np.roll(y, -1, 0)
    along_x, along_y = next_x - x, next_y - y
    length = along_x * along_x + along_y * along_y
    part = -(x * along_x + y * along_y) / np.maximum(length, np.float32(1e-9))
    part = np.clip(part, 0, 1)
    at_x, at_y = x + part * along_x, y + part * along_y
    return np.asarray(np.sqrt(at_x * at_x + at_y * at_y).min(axis=0))
