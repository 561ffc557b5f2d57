# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One image on a surface, and how to draw on it.

OpenCV draws no two slanted edges alike from version to version, and the scene must be the same
everywhere; hence lines and areas of our own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Image:
    """rgb: uint8 (H, W, 3), first row on top. mask: bool (H, W), what is there; None: all."""

    rgb: Rgb
    mask: Mask | None = None

    def mirrored(self) -> Image:
        """Return it with left and right exchanged."""
        mask = None if self.mask is None else np.ascontiguousarray(self.mask[:, ::-1])
        return Image(np.ascontiguousarray(self.rgb[:, ::-1]), mask)


def blank(height: int, width: int, color: Color) -> Rgb:
    """Return an image of one colour: uint8 (height, width, 3)."""
    return np.full((height, width, 3), color, np.uint8)


def rectangle(
    rgb: NDArray[np.uint8], left: int, top: int, width: int, height: int, color: Color
) -> None:
    """Fill a rectangle of rgb, uint8 (H, W, 3), given in pixels and clipped to the image."""
    rgb[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = color


def polygon(rgb: NDArray[np.uint8], corners: Iterable[tuple[float, float]], color: Color) -> None:
    """Fill a polygon of rgb, uint8 (H, W, 3); corners are given in shares of width and height."""
    height, width = rgb.shape[:2]
    points = [(round(x * (width - 1) * 8), round(y * (height - 1) * 8)) for x, y in corners]
    top = max(min(y for _, y in points) // 8, 0)
    rows = np.arange(top, min(max(y for _, y in points) // 8 + 1, height))[:, None] * 8
    columns = np.arange(width)[None, :] * 8
    inside = np.zeros((len(rows), width), np.bool_)
    for (x, y), (to_x, to_y) in zip(points, points[1:] + points[:1], strict=True):
        if y != to_y:
            sign = 1 if to_y > y else -1
            left = sign * ((columns - x) * (to_y - y) - (rows - y) * (to_x - x)) < 0
            inside ^= left & ((rows >= y) != (rows >= to_y))
    rgb[top : top + len(rows)][inside] = color


def ellipse(
    rgb: NDArray[np.uint8], middle: tuple[float, float], radii: tuple[float, float], color: Color
) -> None:
    """Fill an ellipse of rgb, uint8 (H, W, 3), given in shares of width and height."""
    height, width = rgb.shape[:2]
    x = (np.arange(width) - middle[0] * (width - 1)) / max(1.0, radii[0] * width)
    y = (np.arange(height) - middle[1] * (height - 1)) / max(1.0, radii[1] * height)
    rgb[(x * x)[None, :] + (y * y)[:, None] <= 1] = color


def disc(rgb: NDArray[np.uint8], middle: tuple[int, int], radius: int, color: Color) -> None:
    """Fill a circle of rgb, uint8 (H, W, 3), given in pixels."""
    height, width = rgb.shape[:2]
    x, y = np.arange(width) - middle[0], np.arange(height) - middle[1]
    rgb[(x * x)[None, :] + (y * y)[:, None] <= radius * radius] = color


def stroke(
    ink: NDArray[np.uint8], start: tuple[float, float], end: tuple[float, float], width: float,
    color: int | Color = 1,
) -> None:  # fmt: skip
    """Draw a line with round ends into ink, uint8 (H, W) or (H, W, 3), given in pixels."""
    (x, y), (to_x, to_y) = start, end
    reach = max(width / 2, 0.5)
    first_x, first_y = (max(int(min(ends) - reach), 0) for ends in ((x, to_x), (y, to_y)))
    last_x, last_y = (int(max(ends) + reach) + 2 for ends in ((x, to_x), (y, to_y)))
    part = ink[first_y:last_y, first_x:last_x]
    if not part.size:
        return
    across = (np.arange(part.shape[1]) + (first_x - x))[None, :]
    down = (np.arange(part.shape[0]) + (first_y - y))[:, None]
    run, rise = to_x - x, to_y - y
    along = np.clip((across * run + down * rise) / max(run * run + rise * rise, 1e-9), 0, 1)
    away_x, away_y = across - along * run, down - along * rise
    part[away_x * away_x + away_y * away_y <= reach * reach] = color


KEY: Color = (255, 0, 255)
"""Where a cut-out is drawn on this colour, there is nothing."""


def cut_out(rgb: Rgb) -> Image:
    """Return what is drawn in rgb, uint8 (H, W, 3), on KEY; the rest gets its mean colour."""
    mask = (rgb != np.array(KEY, np.uint8)).any(axis=-1)
    mean = rgb[mask].astype(np.int64).sum(axis=0) // max(1, int(mask.sum()))
    filled = np.where(mask[..., None], rgb, mean.astype(np.uint8))
    return Image(filled, mask)


def grained(rgb: Rgb, noise: NDArray[np.int32], strength: float) -> Rgb:
    """Return an image, uint8 (H, W, 3), lightened and darkened by noise, int32 (H, W) or more."""
    part = noise[: rgb.shape[0], : rgb.shape[1], None].astype(np.float32)
    gain = 1 + part * np.float32(strength / 128)
    return np.asarray(np.clip(rgb * gain, 0, 255), np.uint8)
