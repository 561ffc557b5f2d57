# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sides of cars, vans and buses. What is dark below a car is drawn as part of it."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.images.image import (
    KEY,
    Color,
    Image,
    Rgb,
    blank,
    cut_out,
    disc,
    ellipse,
    grained,
    polygon,
    rectangle,
)
from mfaranet_ros.scenes.images.noise import fractal

PAINTS: tuple[Color, ...] = (
    (38, 40, 46), (150, 153, 158), (196, 198, 200), (46, 58, 92), (120, 28, 30), (78, 82, 88),
    (20, 21, 24), (60, 84, 74),
)  # fmt: skip
"""Colours of cars: black, silver, white, blue, red, grey, black, green."""

SHADE: Color = (16, 16, 18)
TYRE: Color = (24, 24, 26)
RIM: Color = (120, 122, 126)
GLASS: Color = (44, 50, 58)
LAMP: Color = (222, 222, 214)
TAIL: Color = (150, 24, 22)
PLATE: Color = (206, 200, 150)

BONNET, NOSE = 0.27, 0.17
"""Share of a car's length that is its bonnet, and of its waist by which that slopes."""

VAN_NOSE, VAN_SCREEN = 0.1, 0.44
"""Share of a van's length that its screen leans back, and of its height that it takes."""


def _lit(rgb: Rgb, color: Color, top: int, bottom: int) -> None:
    """Fill rows with a colour that is lighter above: the sky is mirrored in it."""
    rows = np.linspace(1.25, 0.72, bottom - top, dtype=np.float32)[:, None, None]
    shade = np.clip(rows * np.array(color, np.float32), 0, 255).astype(np.uint8)
    rgb[top:bottom] = shade


def body_side(chance: np.random.Generator, color: Color) -> Image:
    """Return the side below the windows, its front to the right: 64 x 256."""
    rgb = blank(64, 256, color)
    _lit(rgb, color, 0, 64)
    dark = tuple(part // 2 for part in color)
    rectangle(rgb, 0, 30, 256, 2, dark)  # type: ignore[arg-type]
    for column in (96, 160):
        rectangle(rgb, column, 2, 1, 44, dark)  # type: ignore[arg-type]
    rectangle(rgb, 246, 14, 10, 7, LAMP)
    rectangle(rgb, 0, 10, 8, 10, TAIL)
    _wheels(rgb, (50, 206), 45, 18)
    polygon(rgb, ((1 - BONNET + 0.02, 0), (1, 0), (1, NOSE - 0.03)), KEY)
    return cut_out(rgb)


def body_front(chance: np.random.Generator, color: Color) -> Image:
    """Return the front below the windscreen: 64 x 128."""
    rgb = blank(64, 128, color)
    _lit(rgb, color, 0, 64)
    rectangle(rgb, 34, 14, 60, 9, (26, 26, 28))
    rectangle(rgb, 30, 34, 68, 8, (30, 30, 32))
    rectangle(rgb, 46, 25, 36, 8, (206, 206, 200))
    for left in (5, 99):
        ellipse(rgb, ((left + 12) / 128, 0.27), (0.09, 0.1), LAMP)
    return Image(_on_wheels(rgb))


def body_rear(chance: np.random.Generator, color: Color) -> Image:
    """Return the rear below the window: 64 x 128."""
    rgb = blank(64, 128, color)
    _lit(rgb, color, 0, 64)
    rectangle(rgb, 44, 12, 40, 10, PLATE)
    rectangle(rgb, 4, 32, 120, 2, tuple(part * 2 // 3 for part in color))  # type: ignore[arg-type]
    for left in (4, 108):
        rectangle(rgb, left, 4, 16, 18, TAIL)
    return Image(_on_wheels(rgb))


def _on_wheels(rgb: Rgb) -> Rgb:
    rectangle(rgb, 0, 50, 128, 14, SHADE)
    for left in (6, 102):
        rectangle(rgb, left, 48, 20, 16, TYRE)
    return rgb


def cabin_side(chance: np.random.Generator, color: Color) -> Image:
    """Return the windows of one side, with pillars: 32 x 128."""
    rgb = blank(32, 128, GLASS)
    _lit(rgb, (60, 66, 74), 0, 32)
    rectangle(rgb, 0, 0, 128, 4, color)
    for left, width in ((0, 9), (60, 6), (121, 7)):
        rectangle(rgb, left, 0, width, 32, tuple(part * 3 // 4 for part in color))  # type: ignore[arg-type]
    return Image(rgb)


def screen(chance: np.random.Generator, color: Color) -> Image:
    """Return a windscreen or rear window with its frame: 32 x 64."""
    rgb = blank(32, 64, GLASS)
    _lit(rgb, (88, 98, 110), 0, 32)
    rectangle(rgb, 12, 18, 14, 14, (26, 28, 32))
    rectangle(rgb, 38, 18, 14, 14, (26, 28, 32))
    rectangle(rgb, 0, 0, 64, 3, color)
    for left in (0, 60):
        rectangle(rgb, left, 0, 4, 32, color)
    return Image(rgb)


def lid(chance: np.random.Generator, color: Color) -> Image:
    """Return a bonnet or a roof, in which the sky is mirrored: 32 x 32."""
    light = tuple((part * 2 + 200) // 3 for part in color)
    return Image(grained(blank(32, 32, light), fractal(chance, (32, 32), 4), 0.08))  # type: ignore[arg-type]


def van_side(chance: np.random.Generator, color: Color) -> Image:
    """Return the whole side of a van, its front to the right: 96 x 256."""
    rgb = blank(96, 256, color)
    _lit(rgb, color, 0, 96)
    polygon(rgb, ((0.79, 0.14), (0.91, 0.14), (0.95, 0.42), (0.79, 0.42)), GLASS)
    dark = tuple(part * 2 // 3 for part in color)
    for left in (62, 128, 196):
        rectangle(rgb, left, 8, 1, 70, dark)  # type: ignore[arg-type]
    rectangle(rgb, 0, 56, 256, 4, dark)  # type: ignore[arg-type]
    _wheels(rgb, (46, 212), 79, 16)
    polygon(rgb, ((1 - VAN_NOSE + 0.008, 0), (1, 0), (1, VAN_SCREEN - 0.03)), KEY)
    return cut_out(rgb)


def van_front(chance: np.random.Generator, color: Color) -> Image:
    """Return the front of a van or a bus, below its roof: 128 x 128."""
    rgb = _end(color)
    polygon(rgb, ((0.08, 0.12), (0.92, 0.12), (0.97, 0.45), (0.03, 0.45)), GLASS)
    polygon(rgb, ((0.09, 0.13), (0.91, 0.13), (0.93, 0.26), (0.07, 0.26)), (92, 102, 112))
    rectangle(rgb, 34, 66, 60, 12, (28, 28, 30))
    rectangle(rgb, 46, 86, 36, 8, (206, 206, 200))
    for left in (6, 104):
        rectangle(rgb, left, 66, 18, 13, LAMP)
    return Image(rgb)


def van_rear(chance: np.random.Generator, color: Color) -> Image:
    """Return the rear of a van or a bus, with two doors: 128 x 128."""
    rgb = _end(color)
    for left in (12, 68):
        rectangle(rgb, left, 16, 48, 36, GLASS)
        rectangle(rgb, left, 16, 48, 12, (84, 92, 100))
    rectangle(rgb, 63, 6, 2, 96, tuple(part // 2 for part in color))  # type: ignore[arg-type]
    rectangle(rgb, 48, 84, 32, 9, PLATE)
    for left in (2, 118):
        rectangle(rgb, left, 58, 8, 30, TAIL)
    return Image(rgb)


def _end(color: Color) -> Rgb:
    rgb = blank(128, 128, color)
    _lit(rgb, color, 0, 128)
    rectangle(rgb, 0, 98, 128, 12, (34, 34, 36))
    rectangle(rgb, 0, 110, 128, 18, SHADE)
    for left in (8, 98):
        rectangle(rgb, left, 104, 22, 24, TYRE)
    return rgb


def _wheels(rgb: Rgb, middles: tuple[int, int], row: int, radius: int) -> None:
    rectangle(rgb, 0, row + radius // 3, rgb.shape[1], rgb.shape[0], SHADE)
    for middle in middles:
        disc(rgb, (middle, row), radius + 2, SHADE)
        disc(rgb, (middle, row), radius, TYRE)
        disc(rgb, (middle, row), radius * 2 // 3, RIM)
        disc(rgb, (middle, row), radius // 4, TYRE)


def bus_side(chance: np.random.Generator, color: Color) -> Image:
    """Return the side of a bus, a band of windows: 96 x 256."""
    rgb = blank(96, 256, color)
    _lit(rgb, color, 0, 96)
    rectangle(rgb, 0, 60, 256, 5, (210, 208, 200))
    rectangle(rgb, 0, 16, 256, 34, GLASS)
    rectangle(rgb, 0, 18, 256, 10, (84, 94, 104))
    for left in range(0, 256, 32):
        rectangle(rgb, left, 16, 3, 34, color)
    _wheels(rgb, (46, 212), 82, 13)
    return Image(rgb)
