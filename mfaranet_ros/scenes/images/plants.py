# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Trees, bare and in leaf, and hedges."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.images.image import Color, Image, Mask, stroke
from mfaranet_ros.scenes.images.noise import fractal, shaded

SIZE = 256

BARK: Color = (66, 58, 50)
TWIGS: Color = (92, 80, 66)
LEAVES: tuple[Color, ...] = ((62, 68, 36), (46, 58, 34), (84, 84, 46))
HEDGE: Color = (48, 56, 34)


def _branch(
    chance: np.random.Generator, ink: NDArray[np.uint8], x: float, y: float, turn: float,
    length: float, width: float,
) -> None:  # fmt: skip
    """Draw a branch and, from its end, thinner ones; turn: radians from straight up."""
    end = x + length * math.sin(turn), y - length * math.cos(turn)
    stroke(ink, (x, y), end, width)
    if length < 9:
        return
    for _ in range(3 if width > 3 else 2):
        bend = turn + 1.3 * (float(chance.random()) - 0.5) + 0.1 * (end[0] - SIZE / 2) / SIZE
        _branch(chance, ink, *end, bend, length * (0.62 + 0.22 * chance.random()), width * 0.66)


def _wood(chance: np.random.Generator) -> Mask:
    """Return trunk and branches: bool (SIZE, SIZE), the foot of the trunk in the middle."""
    ink = np.zeros((SIZE, SIZE), np.uint8)
    _branch(chance, ink, SIZE / 2, SIZE - 1, 0.0, SIZE * 0.27, 9)
    return ink.astype(bool)


def bare(chance: np.random.Generator) -> Image:
    """Return a tree in winter, its crown a haze of twigs."""
    wood = _wood(chance)
    row, column = np.mgrid[:SIZE, :SIZE]
    noise = fractal(chance, (SIZE, SIZE), 4, 1.35)
    away = ((column - SIZE / 2) / (SIZE * 0.47)) ** 2 + ((row - SIZE * 0.36) / (SIZE * 0.36)) ** 2
    near = cv2.blur(wood.astype(np.uint8) * 255, (13, 13))
    twigs = (noise + near // 2 > 40 + np.clip(away, 0, 2) * 55) & (away < 1.1)
    rgb = shaded(TWIGS, noise + fractal(chance, (SIZE, SIZE), 7, 1.5), 0.3)
    rgb[wood] = shaded(BARK, fractal(chance, (SIZE, SIZE), 3, 1.3), 0.4)[wood]
    return Image(rgb, wood | twigs)


def leafy(chance: np.random.Generator, color: Color) -> Image:
    """Return a tree in leaf, lit from above, with gaps through which the sky is seen."""
    row, column = np.mgrid[:SIZE, :SIZE]
    rough = fractal(chance, (SIZE, SIZE), 5, 1.5)
    away = ((column - SIZE / 2) / (SIZE * 0.46)) ** 2 + ((row - SIZE * 0.37) / (SIZE * 0.35)) ** 2
    crown = (rough < 150 * (0.92 - away)) & (away < 1.06)
    crown &= fractal(chance, (SIZE, SIZE), 3, 1.2) > -70 - 40 * (1 - away)
    trunk = _wood(chance) & (row > SIZE * 0.55)
    lumps = fractal(chance, (SIZE, SIZE), 5, 1.6)
    light = (60 - row * 140 // SIZE).astype(np.int32)
    rgb = shaded(color, lumps + rough // 2 + light, 0.5)
    bark = trunk & ~crown
    rgb[bark] = BARK
    return Image(rgb, crown | trunk)


def hedge(chance: np.random.Generator) -> Image:
    """Return a clipped hedge."""
    light = (50 - np.arange(64)[:, None] * 2).astype(np.int32)
    return Image(shaded(HEDGE, fractal(chance, (64, 256), 4, 1.3) + light, 0.5))
