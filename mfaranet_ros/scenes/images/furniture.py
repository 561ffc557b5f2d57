# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What towns put up beside their roads: poles, signs, lights, fences and walls."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.images.image import (
    KEY,
    Color,
    Image,
    blank,
    cut_out,
    ellipse,
    grained,
    rectangle,
)
from mfaranet_ros.scenes.images.noise import fractal, shaded

METAL: Color = (78, 82, 84)
DARK: Color = (34, 36, 38)


def pole(chance: np.random.Generator) -> Image:
    """Return a pole, lit from one side: 64 x 8."""
    rows = np.array((0.8, 1.0, 1.2, 1.3, 1.15, 0.9, 0.7, 0.6), np.float32)[None, :, None]
    return Image((blank(64, 8, METAL) * rows).astype(np.uint8))


def round_sign(chance: np.random.Generator) -> Image:
    """Return a round sign with a red rim: 64 x 64."""
    rgb = blank(64, 64, KEY)
    ellipse(rgb, (0.5, 0.5), (0.48, 0.48), (168, 26, 30))
    ellipse(rgb, (0.5, 0.5), (0.36, 0.36), (214, 214, 210))
    rectangle(rgb, 22, 26, 8, 14, DARK)
    rectangle(rgb, 34, 26, 8, 14, DARK)
    return cut_out(rgb)


def board_sign(chance: np.random.Generator, color: Color) -> Image:
    """Return a rectangular sign with a white rim and writing: 64 x 64."""
    rgb = blank(64, 64, (210, 210, 206))
    rectangle(rgb, 4, 4, 56, 56, color)
    for top in (14, 28, 42):
        rectangle(rgb, 12, top, int(chance.integers(20, 42)), 5, (214, 214, 210))
    return Image(rgb)


def sign_back(chance: np.random.Generator) -> Image:
    """Return the back of a sign: 16 x 16."""
    return Image(blank(16, 16, (96, 98, 100)))


def traffic_light(chance: np.random.Generator) -> Image:
    """Return a traffic light that shows green, with its pole below: 128 x 32."""
    rgb = blank(128, 32, DARK)
    for top, color in ((0.17, (70, 22, 20)), (0.47, (70, 52, 20)), (0.79, (60, 226, 150))):
        ellipse(rgb, (0.5, top), (0.3, 0.09), color)
    rectangle(rgb, 0, 0, 32, 3, (90, 90, 86))
    return Image(rgb)


def railing(chance: np.random.Generator) -> Image:
    """Return a fence of upright bars: 64 x 256."""
    rgb = blank(64, 256, KEY)
    for left in range(0, 256, 10):
        rectangle(rgb, left, 4, 5, 60, DARK)
    for top in (6, 52):
        rectangle(rgb, 0, top, 256, 6, (44, 46, 48))
    for left in range(0, 256, 64):
        rectangle(rgb, left, 0, 10, 64, (40, 42, 44))
    return cut_out(rgb)


def boards(chance: np.random.Generator) -> Image:
    """Return a wooden fence: 64 x 256."""
    tone = np.repeat(chance.integers(-60, 60, (1, 32), np.int32), 8, 1)
    rgb = shaded((92, 76, 60), tone + fractal(chance, (64, 256), 5), 0.35)
    rgb[:, ::8] = (40, 34, 28)
    return Image(rgb)


def garden_wall(chance: np.random.Generator, color: Color) -> Image:
    """Return a low brick wall with a coping: 64 x 256."""
    tone = chance.integers(-60, 60, (16, 32), np.int32)
    tone = np.repeat(np.repeat(tone, 4, 0), 8, 1)
    tone[3::4] += 30
    rgb = shaded(color, tone // 2 + fractal(chance, (64, 256), 5), 0.35)
    rectangle(rgb, 0, 0, 256, 5, (140, 138, 132))
    return Image(grained(rgb, fractal(chance, (64, 256), 6, 1.7), 0.2))
