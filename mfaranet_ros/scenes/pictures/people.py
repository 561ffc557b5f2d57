"""People on foot and on bicycles, seen from in front or from behind."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.pictures.noise import fractal
from mfaranet_ros.scenes.pictures.picture import (
    KEY,
    Color,
    Picture,
    Rgb,
    blank,
    cut_out,
    ellipse,
    grained,
    polygon,
)

COATS: tuple[Color, ...] = (
    (28, 28, 32), (44, 46, 56), (82, 30, 32), (34, 44, 66), (62, 58, 56), (36, 40, 36),
)  # fmt: skip
BRIGHT: tuple[Color, ...] = ((186, 196, 40), (150, 34, 34), (40, 46, 60), (34, 34, 38))
"""Coats of cyclists."""

TROUSERS: tuple[Color, ...] = ((30, 34, 48), (24, 24, 26), (58, 54, 46))
SKIN: Color = (150, 116, 96)
HAIR: tuple[Color, ...] = ((34, 26, 22), (78, 58, 40), (24, 22, 22))


def _pick(chance: np.random.Generator, colors: tuple[Color, ...]) -> Color:
    return colors[int(chance.integers(0, len(colors)))]


def _darker(color: Color) -> Color:
    red, green, blue = (part * 3 // 4 for part in color)
    return red, green, blue


def walker(chance: np.random.Generator, stride: float) -> Picture:
    """Return a person on foot: 256 x 96; stride: how far the feet are apart, as a share."""
    rgb = blank(256, 96, KEY)
    coat, legs, hair = _pick(chance, COATS), _pick(chance, TROUSERS), _pick(chance, HAIR)
    apart = 0.1 + stride
    polygon(rgb, ((0.36, 0.5), (0.52, 0.5), (0.5 - apart + 0.1, 1), (0.5 - apart - 0.1, 1)), legs)
    polygon(
        rgb, ((0.48, 0.5), (0.64, 0.5), (0.5 + apart + 0.1, 1), (0.5 + apart - 0.1, 1)),
        _darker(legs),
    )  # fmt: skip
    polygon(rgb, ((0.3, 0.17), (0.7, 0.17), (0.72, 0.56), (0.28, 0.56)), coat)
    polygon(rgb, ((0.24, 0.2), (0.34, 0.17), (0.3, 0.52), (0.17, 0.52)), _darker(coat))
    polygon(rgb, ((0.66, 0.17), (0.76, 0.2), (0.83, 0.52), (0.7, 0.52)), _darker(coat))
    ellipse(rgb, (0.5, 0.09), (0.13, 0.07), SKIN)
    ellipse(rgb, (0.5, 0.065), (0.14, 0.055), hair)
    return _clothed(chance, rgb)


def rider(chance: np.random.Generator) -> Picture:
    """Return a person on a bicycle, without it: 256 x 96; the feet hang above the ground."""
    rgb = blank(256, 96, KEY)
    coat, legs = _pick(chance, BRIGHT), _pick(chance, TROUSERS)
    polygon(rgb, ((0.32, 0.48), (0.5, 0.48), (0.47, 0.7), (0.44, 0.9), (0.3, 0.9)), legs)
    polygon(rgb, ((0.68, 0.48), (0.5, 0.48), (0.53, 0.64), (0.56, 0.8), (0.7, 0.8)), _darker(legs))
    polygon(rgb, ((0.28, 0.17), (0.72, 0.17), (0.64, 0.42), (0.7, 0.52), (0.3, 0.52)), coat)
    polygon(rgb, ((0.28, 0.17), (0.2, 0.32), (0.22, 0.44), (0.34, 0.38)), _darker(coat))
    polygon(rgb, ((0.72, 0.17), (0.8, 0.32), (0.78, 0.44), (0.66, 0.38)), _darker(coat))
    polygon(rgb, ((0.28, 0.17), (0.42, 0.13), (0.58, 0.13), (0.72, 0.17)), coat)
    ellipse(rgb, (0.5, 0.09), (0.13, 0.07), SKIN)
    ellipse(rgb, (0.5, 0.07), (0.14, 0.06), _pick(chance, HAIR))
    return _clothed(chance, rgb)


def bicycle(chance: np.random.Generator) -> Picture:
    """Return a bicycle from its end: 128 x 64."""
    rgb = blank(128, 64, KEY)
    polygon(rgb, ((0.43, 0.34), (0.57, 0.34), (0.57, 1), (0.43, 1)), (26, 26, 28))
    polygon(rgb, ((0.42, 0.36), (0.58, 0.36), (0.58, 0.44), (0.42, 0.44)), (150, 24, 22))
    polygon(rgb, ((0.1, 0.06), (0.9, 0.06), (0.9, 0.12), (0.1, 0.12)), (60, 60, 64))
    polygon(rgb, ((0.46, 0.02), (0.54, 0.02), (0.54, 0.5), (0.46, 0.5)), (70, 40, 40))
    polygon(rgb, ((0.3, 0.72), (0.7, 0.72), (0.7, 0.76), (0.3, 0.76)), (40, 40, 42))
    return cut_out(rgb)


def _clothed(chance: np.random.Generator, rgb: Rgb) -> Picture:
    """Cut out, with folds; the cut must come first, for folds would change its key."""
    picture = cut_out(rgb)
    noise = fractal(chance, (256, 128), 5, 1.5)[:, :96]
    light = (40 - np.abs(np.arange(96) - 40)).astype(np.int32)[None, :]
    return Picture(grained(picture.rgb, noise // 2 + light, 0.4), picture.mask)
