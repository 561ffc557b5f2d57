# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""People on foot and on bicycles, seen from in front or from behind."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.images.image import (
    KEY,
    Color,
    Image,
    Rgb,
    blank,
    cut_out,
    ellipse,
    grained,
    polygon,
)
from mfaranet_ros.scenes.images.noise import fractal

COATS: tuple[Color, ...] = (
    (28, 28, 32), (44, 46, 56), (82, 30, 32), (34, 44, 66), (62, 58, 56), (36, 40, 36),
)  # fmt: skip
BRIGHT: tuple[Color, ...] = ((150, 156, 44), (116, 34, 34), (40, 46, 60), (34, 34, 38))
"""Coats of cyclists."""

TROUSERS: tuple[Color, ...] = ((30, 34, 48), (24, 24, 26), (58, 54, 46))
SHOES: Color = (26, 24, 24)
TYRE: Color = (22, 22, 24)
SKIN: Color = (150, 116, 96)
HAIR: tuple[Color, ...] = ((34, 26, 22), (78, 58, 40), (24, 22, 22))


def _pick(chance: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return colors[int(chance.integers(0, len(colors)))]


def _darker(color: Color) -> Color:
    red, green, blue = (part * 3 // 4 for part in color)
    return red, green, blue


def walker(chance: np.random.Generator, stride: float) -> Image:
    """Return a person on foot: 256 x 96; stride: how far the feet are apart, as a share."""
    rgb = blank(256, 96, KEY)
    coat, legs, hair = _pick(chance, COATS), _pick(chance, TROUSERS), _pick(chance, HAIR)
    hem, apart = 0.5 + 0.14 * chance.random(), 0.14 + stride
    for side, color in ((-1, legs), (1, _darker(legs))):
        foot = 0.5 + side * apart
        hip = ((0.5 - side * 0.02, 0.48), (0.5 + side * 0.23, 0.48))
        polygon(rgb, (*hip, (foot + side * 0.11, 0.97), (foot - side * 0.09, 0.97)), color)
        _shoe(rgb, foot, 0.95)
        arm = ((0.5 + side * 0.28, 0.17), (0.5 + side * 0.37, 0.24), (0.5 + side * 0.44, 0.5))
        polygon(rgb, (*arm, (0.5 + side * 0.28, 0.52)), _darker(coat))
        ellipse(rgb, (0.5 + side * 0.37, 0.53), (0.05, 0.022), SKIN)
    polygon(
        rgb, ((0.4, 0.145), (0.6, 0.145), (0.8, 0.19), (0.76, hem), (0.24, hem), (0.2, 0.19)), coat
    )
    _head(rgb, hair)
    return _clothed(chance, rgb)


def rider(chance: np.random.Generator) -> Image:
    """Return a person bent over a bicycle, without it: 256 x 96; the feet are on the pedals."""
    rgb = blank(256, 96, KEY)
    coat, legs, hair = _pick(chance, BRIGHT), _pick(chance, TROUSERS), _pick(chance, HAIR)
    for side, low, color in ((-1, 0.84, legs), (1, 0.72, _darker(legs))):
        knee = 0.5 + side * 0.3
        polygon(
            rgb,
            ((0.5, 0.5), (0.5 + side * 0.24, 0.46), (knee, 0.62), (0.5 + side * 0.26, low),
             (0.5 + side * 0.12, low), (0.5 + side * 0.14, 0.64)),
            color,
        )  # fmt: skip
        _shoe(rgb, 0.5 + side * 0.19, low - 0.01)
        arm = ((0.5 + side * 0.26, 0.17), (0.5 + side * 0.46, 0.34), (0.5 + side * 0.4, 0.42))
        polygon(rgb, (*arm, (0.5 + side * 0.22, 0.3)), _darker(coat))
    polygon(
        rgb,
        ((0.38, 0.13), (0.62, 0.13), (0.8, 0.2), (0.74, 0.4), (0.72, 0.52), (0.28, 0.52),
         (0.26, 0.4), (0.2, 0.2)),
        coat,
    )  # fmt: skip
    _head(rgb, hair)
    return _clothed(chance, rgb)


def bicycle(chance: np.random.Generator) -> Image:
    """Return a bicycle from its end: 128 x 64."""
    rgb = blank(128, 64, KEY)
    polygon(rgb, ((0.02, 0.1), (0.98, 0.1), (0.98, 0.15), (0.02, 0.15)), (50, 50, 54))
    polygon(rgb, ((0.36, 0.06), (0.64, 0.06), (0.6, 0.14), (0.4, 0.14)), TYRE)
    polygon(rgb, ((0.46, 0.1), (0.54, 0.1), (0.54, 0.5), (0.46, 0.5)), (90, 92, 96))
    polygon(rgb, ((0.42, 0.36), (0.58, 0.36), (0.58, 1), (0.42, 1)), TYRE)
    polygon(rgb, ((0.38, 0.32), (0.62, 0.32), (0.6, 0.5), (0.4, 0.5)), (40, 42, 46))
    polygon(rgb, ((0.42, 0.4), (0.58, 0.4), (0.58, 0.46), (0.42, 0.46)), (190, 24, 22))
    polygon(rgb, ((0.2, 0.7), (0.8, 0.7), (0.8, 0.74), (0.2, 0.74)), (90, 92, 96))
    return cut_out(rgb)


def _shoe(rgb: Rgb, middle: float, top: float) -> None:
    left, right = middle - 0.12, middle + 0.12
    polygon(rgb, ((left, top), (right, top), (right, top + 0.05), (left, top + 0.05)), SHOES)


def _head(rgb: Rgb, hair: Color) -> None:
    polygon(rgb, ((0.43, 0.1), (0.57, 0.1), (0.57, 0.16), (0.43, 0.16)), SKIN)
    ellipse(rgb, (0.5, 0.075), (0.135, 0.068), SKIN)
    ellipse(rgb, (0.5, 0.058), (0.145, 0.055), hair)


def _clothed(chance: np.random.Generator, rgb: Rgb) -> Image:
    """Cut out, with folds; the cut must come first, for folds would change its key."""
    image = cut_out(rgb)
    noise = fractal(chance, (256, 128), 5, 1.5)[:, :96]
    light = (40 - np.abs(np.arange(96) - 40)).astype(np.int32)[None, :]
    return Image(grained(image.rgb, noise // 2 + light, 0.4), image.mask)
