# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fronts, sides and roofs of houses."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.images.image import Color, Image, Rgb, grained, rectangle
from mfaranet_ros.scenes.images.noise import fractal, shaded

SIZE = 256
"""Height and width of a front, in texels."""

BRICK: tuple[Color, ...] = ((118, 84, 68), (138, 118, 92), (104, 90, 80))
RENDER: tuple[Color, ...] = ((176, 172, 160), (150, 146, 138), (128, 128, 130))
GLASS: Color = (38, 42, 48)
FRAME: Color = (196, 196, 190)
DOORS: tuple[Color, ...] = ((40, 60, 50), (88, 30, 30), (34, 40, 70), (30, 30, 32))
SIGNS: tuple[Color, ...] = ((92, 24, 30), (28, 50, 44), (30, 36, 76), (60, 58, 54), (24, 24, 26))


def bricks(chance: np.random.Generator, color: Color) -> Rgb:
    """Return a brick wall: uint8 (SIZE, SIZE, 3)."""
    tone = chance.integers(-60, 60, (SIZE // 4, SIZE // 8), np.int32)
    tone = np.repeat(np.repeat(tone, 4, 0), 8, 1)
    tone[::8] = np.roll(tone[::8], 4, 1)
    noise = fractal(chance, (SIZE, SIZE), 6, 1.5)
    tone[3::4] += 30
    return shaded(color, tone // 2 + noise // 2, 0.3)


def rendered(chance: np.random.Generator, color: Color) -> Rgb:
    """Return a plastered wall, dirtier towards the ground: uint8 (SIZE, SIZE, 3)."""
    noise = fractal(chance, (SIZE, SIZE), 7, 1.6)
    dirt = np.clip(np.arange(SIZE) - SIZE * 3 // 4, 0, 40).astype(np.int32)[:, None]
    return shaded(color, noise - dirt, 0.2)


def _window(
    chance: np.random.Generator, rgb: Rgb, left: int, top: int, width: int, height: int
) -> None:
    rectangle(rgb, left - 3, top - 3, width + 6, height + 7, FRAME)
    rectangle(rgb, left - 4, top + height + 3, width + 8, 4, (150, 148, 142))
    glass = np.array(GLASS) + int(chance.integers(-14, 40))
    rectangle(rgb, left, top, width, height, tuple(np.clip(glass, 10, 255).tolist()))
    if chance.random() < 0.6:
        curtain = int(chance.integers(90, 170))
        rectangle(rgb, left, top, width, height // 3, (curtain, curtain, curtain - 8))
    rectangle(rgb, left, top + height // 2, width, 2, FRAME)
    rectangle(rgb, left + width // 2, top, 2, height, FRAME)


def _upper_floors(chance: np.random.Generator, rgb: Rgb, floors: int, columns: int) -> int:
    """Draw the windows above the ground floor; return the row where the ground floor begins."""
    storey = SIZE // floors
    wide, high = SIZE // columns * 2 // 5, storey * 3 // 5
    for floor in range(floors - 1):
        for column in range(columns):
            left = SIZE * (2 * column + 1) // (2 * columns) - wide // 2
            _window(chance, rgb, left, floor * storey + storey // 5, wide, high)
    return storey * (floors - 1)


def home(chance: np.random.Generator, wall: Rgb, floors: int) -> Image:
    """Return the front of a terraced house with a door; wall: uint8 (H, W, 3)."""
    columns = int(chance.integers(2, 4))
    top = _upper_floors(chance, wall, floors, columns)
    storey = SIZE - top
    door = DOORS[int(chance.integers(0, len(DOORS)))]
    rectangle(wall, 22, SIZE - storey * 3 // 4, 44, storey, FRAME)
    rectangle(wall, 27, SIZE - storey * 7 // 10, 34, storey, door)
    for left in (100, 180):
        _window(chance, wall, left, top + storey // 4, 50, storey // 2)
    rectangle(wall, 0, 0, SIZE, 7, (120, 118, 112))
    return Image(grained(wall, fractal(chance, (SIZE, SIZE), 3, 1.0), 0.08))


def shop(chance: np.random.Generator, wall: Rgb, floors: int) -> Image:
    """Return the front of a house with a shop on its ground floor; wall: uint8 (H, W, 3)."""
    top = _upper_floors(chance, wall, floors, int(chance.integers(2, 5)))
    storey = SIZE - top
    sign = SIGNS[int(chance.integers(0, len(SIGNS)))]
    rectangle(wall, 0, top, SIZE, storey, tuple(part // 2 for part in sign))  # type: ignore[arg-type]
    rectangle(wall, 4, top + 3, SIZE - 8, storey // 5, sign)
    for left in range(40, 200, 14):
        height = int(chance.integers(4, max(5, storey // 9)))
        rectangle(wall, left, top + storey // 9, 9, height, (190, 188, 178))
    glass = shaded((34, 37, 42), fractal(chance, (SIZE, SIZE), 5, 1.4), 0.9)
    for left, width in ((10, 88), (104, 40), (150, 96)):
        low, high = top + storey * 3 // 10, SIZE - storey // 10
        wall[low:high, left : left + width] = glass[low:high, left : left + width]
        for _ in range(5):
            grey, hue = int(chance.integers(40, 150)), chance.integers(-22, 30, 3)
            spot = tuple(grey + int(value) for value in hue)
            x = left + int(chance.integers(0, width - 14))
            y = int(chance.integers(low, high - 12))
            rectangle(wall, x, y, 12, 10, spot)  # type: ignore[arg-type]
    return Image(grained(wall, fractal(chance, (SIZE, SIZE), 3, 1.0), 0.08))


def office(chance: np.random.Generator, wall: Rgb, floors: int) -> Image:
    """Return the front of a newer building with bands of windows; wall: uint8 (H, W, 3)."""
    storey = SIZE // floors
    for floor in range(floors):
        for column in range(6):
            left, top = column * SIZE // 6 + 5, floor * storey + storey // 4
            tone = int(chance.integers(-12, 50))
            color = (46 + tone, 52 + tone, 60 + tone)
            rectangle(wall, left, top, SIZE // 6 - 9, storey * 11 // 20, color)
    return Image(grained(wall, fractal(chance, (SIZE, SIZE), 4, 1.3), 0.1))


def side(chance: np.random.Generator, wall: Rgb) -> Image:
    """Return a wall, uint8 (H, W, 3), without windows."""
    return Image(grained(wall, fractal(chance, (SIZE, SIZE), 7, 1.7), 0.25))


def roof(chance: np.random.Generator, color: Color) -> Image:
    """Return slates or tiles, in rows."""
    size = SIZE // 2
    tone = chance.integers(-40, 40, (size // 4, size // 4), np.int32)
    tone = np.repeat(np.repeat(tone, 4, 0), 4, 1)
    tone[3::4] -= 40
    return Image(shaded(color, tone + fractal(chance, (size, size), 6, 1.6), 0.25))
