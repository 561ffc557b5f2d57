"""One picture on a surface, and helpers to draw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Color = tuple[int, int, int]
Rgb = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Picture:
    """rgb: uint8 (H, W, 3), first row on top. mask: bool (H, W), what is there; None: all."""

    rgb: Rgb
    mask: Mask | None = None

    def mirrored(self) -> Picture:
        """Return it with left and right exchanged."""
        mask = None if self.mask is None else np.ascontiguousarray(self.mask[:, ::-1])
        return Picture(np.ascontiguousarray(self.rgb[:, ::-1]), mask)


def blank(height: int, width: int, color: Color) -> Rgb:
    """Return a picture of one colour."""
    return np.full((height, width, 3), color, np.uint8)


def rectangle(
    rgb: NDArray[np.uint8], left: int, top: int, width: int, height: int, color: Color
) -> None:
    """Fill a rectangle, in pixels; what lies outside the picture is left out."""
    rgb[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = color


def polygon(rgb: NDArray[np.uint8], corners: Iterable[tuple[float, float]], color: Color) -> None:
    """Fill a polygon whose corners are given in shares of width and height."""
    height, width = rgb.shape[:2]
    points = [(round(x * (width - 1)), round(y * (height - 1))) for x, y in corners]
    cv2.fillPoly(rgb, [np.array(points, np.int32)], color)


def ellipse(
    rgb: NDArray[np.uint8], middle: tuple[float, float], radii: tuple[float, float], color: Color
) -> None:
    """Fill an ellipse given in shares of width and height."""
    height, width = rgb.shape[:2]
    center = (round(middle[0] * (width - 1)), round(middle[1] * (height - 1)))
    axes = (max(1, round(radii[0] * width)), max(1, round(radii[1] * height)))
    cv2.ellipse(rgb, center, axes, 0, 0, 360, color, -1)


KEY: Color = (255, 0, 255)
"""Where a cut-out is drawn on this colour, there is nothing."""


def cut_out(rgb: Rgb) -> Picture:
    """Return what is drawn on a ground of KEY; beyond its rim its colours go on for a while."""
    mask = (rgb != np.array(KEY, np.uint8)).any(axis=-1)
    mean = rgb[mask].astype(np.int64).sum(axis=0) // max(1, int(mask.sum()))
    filled = np.where(mask[..., None], rgb, mean.astype(np.uint8))
    return Picture(filled, mask)


def grained(rgb: Rgb, noise: NDArray[np.int32], strength: float) -> Rgb:
    """Return a picture made lighter and darker by noise of its size."""
    part = noise[: rgb.shape[0], : rgb.shape[1], None].astype(np.float32)
    gain = 1 + part * np.float32(strength / 128)
    return np.asarray(np.clip(rgb * gain, 0, 255), np.uint8)
