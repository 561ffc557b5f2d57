# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The image of the street from above: asphalt, lines, kerbs, pavements and what is beside them.

One period of the road, SPAN_M long; rows run across it from its left to its right side.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.images.image import Color, Rgb, disc, stroke
from mfaranet_ros.scenes.images.noise import Ints, fractal, shaded
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.road import HALF_ROAD_M, LANE_M, kinds_at

TEXELS_PER_M = 64
COLUMNS, ROWS = 2048, 1280
SPAN_M = COLUMNS / TEXELS_PER_M
HALF_WIDTH_M = ROWS / TEXELS_PER_M / 2

ASPHALT: Color = (82, 86, 92)
SLABS: Color = (122, 120, 116)
GRASS: Color = (74, 80, 46)
KERB: Color = (148, 146, 141)
PAINT: Color = (205, 205, 200)

KERB_M = 0.15
SLAB_M = (0.75, 0.6)
_JOINT = 0.75
"""How bright the joints between slabs are, as a share."""


def street(chance: np.random.Generator) -> Rgb:
    """Return the image: uint8 (ROWS, COLUMNS, 3)."""
    fine = fractal(chance, (ROWS, COLUMNS), 7, 1.05)
    coarse = fractal(chance, (ROWS, COLUMNS), 8, 1.9)
    offset = HALF_WIDTH_M - (np.arange(ROWS) + 0.5) / TEXELS_PER_M
    along = (np.arange(COLUMNS) + 0.5) / TEXELS_PER_M
    rgb = _asphalt(chance, offset, fine, coarse)
    kinds = kinds_at(along[None, :], np.repeat(offset[:, None], COLUMNS, axis=1))
    _lay(rgb, kinds == Kind.GRASS, shaded(GRASS, fine + coarse, 0.45))
    _lay(rgb, kinds == Kind.PAVEMENT, _pavement(chance, along, offset, fine, coarse))
    worn = (coarse[..., None] > 60) | (fine[..., None] > 90)
    paint = np.where(worn, (rgb.astype(np.int32) + PAINT) >> 1, shaded(PAINT, fine, 0.12))
    _lay(rgb, kinds == Kind.MARKING, paint.astype(np.uint8))
    return rgb


def _lay(rgb: Rgb, where: NDArray[np.bool_], other: Rgb) -> None:
    np.copyto(rgb, other, where=where[..., None])


def _asphalt(
    chance: np.random.Generator, offset: NDArray[np.float64], fine: Ints, coarse: Ints
) -> Rgb:
    """Return asphalt with worn wheel tracks, mended places, cracks and covers."""
    away = np.abs(np.abs(offset) - LANE_M)
    track = np.clip(1 - np.abs(away - 0.75) / 0.45, 0, 1)
    oil = np.clip(1 - away / 0.5, 0, 1)
    gutter = np.clip(1 - (HALF_ROAD_M - np.abs(offset)) / 0.35, 0, 1)
    wear = (16 * track - 12 * oil - 38 * gutter).astype(np.int32)[:, None]
    rgb = shaded(ASPHALT, fine + (coarse >> 2) + wear, 0.24)
    for _ in range(7):
        left, top = (int(chance.integers(0, size)) for size in (COLUMNS, ROWS))
        width, height = (int(value) for value in chance.integers(40, 260, 2))
        part = rgb[top : top + height // 2, left : left + width]
        part[:] = (part * np.float32(0.84 + 0.2 * chance.random())).astype(np.uint8)
    for _ in range(26):
        _crack(chance, rgb)
    for _ in range(3):
        middle = (
            int(chance.integers(100, COLUMNS - 100)),
            int(ROWS / 2 + chance.integers(-250, 250)),
        )
        disc(rgb, middle, 22, (44, 45, 48))
        disc(rgb, middle, 18, (60, 60, 62))
    return rgb


def _crack(chance: np.random.Generator, rgb: Rgb) -> None:
    start = chance.integers(0, (COLUMNS, ROWS), 2)
    steps = chance.integers(-24, 25, (12, 2))
    steps[:, int(chance.integers(0, 2))] += 14
    points = np.cumsum(np.vstack((start, steps)), axis=0).tolist()
    for (x, y), end in itertools.pairwise(points):
        stroke(rgb, (x, y), (end[0], end[1]), 1.2, (60, 64, 69))


def _pavement(
    chance: np.random.Generator,
    along: NDArray[np.float64],
    offset: NDArray[np.float64],
    fine: Ints,
    coarse: Ints,
) -> Rgb:
    """Return slabs with joints, each of its own tone, behind kerb stones."""
    behind = np.abs(offset) - HALF_ROAD_M
    row = np.floor(behind / SLAB_M[1]).astype(np.int64)
    column = np.floor((along[None, :] + (row % 2)[:, None] * SLAB_M[0] / 2) / SLAB_M[0])
    tones = chance.integers(-16, 17, (64, 64), np.int32)
    tone = tones[row[:, None] % 64, column.astype(np.int64) % 43]
    rgb = shaded(SLABS, fine // 2 + coarse // 2 + tone, 0.25)
    across = (behind / SLAB_M[1]) % 1 < 0.03
    down = ((along[None, :] + (row % 2)[:, None] * SLAB_M[0] / 2) / SLAB_M[0]) % 1 < 0.022
    joints = across[:, None] | down
    rgb[joints] = (rgb[joints] * np.float32(_JOINT)).astype(np.uint8)
    stones = shaded(KERB, fine // 2 + coarse // 3, 0.22)
    stones[:, along % 1.0 < 0.02] = (70, 70, 70)
    kerb = (behind >= 0) & (behind < KERB_M)
    rgb[kerb] = stones[kerb]
    return rgb
