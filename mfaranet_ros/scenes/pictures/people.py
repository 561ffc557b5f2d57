"""People on foot and on bicycles, seen from in front or from behind."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.pictures.noise import fractal
from mfaranet_ros.scenes.pictures.picture import (
    KEY,
    Color,
    Picture,
    blank,
    cut_out,
    ellipse,
    grained,
    polygon,
)

COATS: tuple[Color, ...] = (
    (28, 28, 32), (44, 46, 56), (70, 32, 30), (34, 44, 66), (84, 78, 68), (52, 58, 46),
)  # fmt: skip
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
    coat, legs = _pick(chance, COATS), _pick(chance, TROUSERS)
    polygon(rgb, ((0.3, 0.46), (0.5, 0.5), (0.46, 0.7), (0.42, 0.88), (0.3, 0.88)), legs)
    polygon(rgb, ((0.7, 0.46), (0.5, 0.5), (0.54, 0.66), (0.56, 0.8), (0.7, 0.8)), _darker(legs))
    polygon(rgb, ((0.26, 0.16), (0.74, 0.16), (0.72, 0.5), (0.28, 0.5)), coat)
    polygon(rgb, ((0.27, 0.17), (0.2, 0.36), (0.16, 0.46), (0.3, 0.42)), _darker(coat))
    polygon(rgb, ((0.73, 0.17), (0.8, 0.36), (0.84, 0.46), (0.7, 0.42)), _darker(coat))
    ellipse(rgb, (0.5, 0.09), (0.13, 0.07), SKIN)
    ellipse(rgb, (0.5, 0.07), (0.14, 0.06), _pick(chance, HAIR))
    return _clothed(chance, rgb)


def bicycle(chance: np.random.Generator) -> Picture:
    """Return a bicycle from its end: 128 x 64."""
    rgb = blank(128, 64, KEY)
    polygon(rgb, ((0.44, 0.3), (0.56, 0.3), (0.56, 1), (0.44, 1)), (26, 26, 28))
    polygon(rgb, ((0.1, 0.06), (0.9, 0.06), (0.9, 0.12), (0.1, 0.12)), (60, 60, 64))
    polygon(rgb, ((0.46, 0.02), (0.54, 0.02), (0.54, 0.5), (0.46, 0.5)), (70, 40, 40))
    polygon(rgb, ((0.3, 0.72), (0.7, 0.72), (0.7, 0.76), (0.3, 0.76)), (40, 40, 42))
    return cut_out(rgb)


def _clothed(chance: np.random.Generator, rgb: np.ndarray) -> Picture:
    """Cut out, with folds; the cut must come first, for folds would change its key."""
    picture = cut_out(rgb)
    noise = fractal(chance, (256, 128), 5, 1.5)[:, :96]
    return Picture(grained(picture.rgb, noise, 0.35), picture.mask)
