# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Lens distortion: where light that falls on a point of the sensor comes from.

The formulas of CameraInfo and OpenCV. OpenCV's own undistortPoints is not used: it stops after
five steps, up to 0.2 px away from the ray; the tests hold the rays to its projectPoints, which is
exact. `pipeline/camera.py` is tested against this, and shares no code with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MODELS = {'plumb_bob': (0, 4, 5), 'rational_polynomial': (8,), 'equidistant': (4,)}
"""The distortion models of CameraInfo with their numbers of coefficients."""

_KNOTS = 8192
_STEPS = 12
_SOLVED = 1e-10
_WIDEST_RAD = math.radians(88.5)
"""Of perspective models; further to the side the plane they are written in ends."""


@dataclass(frozen=True)
class Optics:
    """A lens of focal length 1; model and coefficients as in CameraInfo."""

    model: str
    coefficients: tuple[float, ...]

    def rays(self, points: Floats) -> Floats:
        """Return unit vectors (N, 3) of the optical frame; NaN where no light can come from.

        points: (N, 2) on the sensor. There is no light beyond the radius at which the distortion
        begins to fold the image.
        """
        if self.model == 'equidistant':
            return self._fisheye(points)
        x, y = points.T
        if self.coefficients and any(self.coefficients):
            x, y = self._flat(x, y)
        length = np.sqrt(x * x + y * y + 1)
        return np.column_stack((x / length, y / length, 1 / length))

    def _fisheye(self, points: Floats) -> Floats:
        x, y = points.T
        radius = np.sqrt(x * x + y * y)
        angle = np.linspace(0, math.pi, _KNOTS)
        angle, bent = _rising(angle, self._bent(angle))
        known = np.interp(radius, bent, angle, right=np.nan)
        k = (1.0, *self.coefficients)
        for _ in range(_STEPS):
            square = known * known
            slope = sum((2 * n + 1) * c * square**n for n, c in enumerate(k))
            known = known - (self._bent(known) - radius) / slope
        share = np.sin(known) / np.where(radius > 0, radius, 1)
        return np.column_stack((x * share, y * share, np.cos(known)))

    def _bent(self, angle: Floats) -> Floats:
        """Return the radius on the sensor of light from an angle to the optical axis."""
        k1, k2, k3, k4 = self.coefficients
        s = angle * angle
        return angle * (1 + s * (k1 + s * (k2 + s * (k3 + s * k4))))

    def _flat(self, wanted_x: Floats, wanted_y: Floats) -> tuple[Floats, Floats]:
        """Return the points of the plane z = 1 that are seen at points of the sensor.

        By Newton's method, from where they would be without tangential distortion.
        """
        flat = np.tan(np.linspace(0, _WIDEST_RAD, _KNOTS))
        with np.errstate(all='ignore'):
            flat, bent = _rising(flat, flat * self._gain(flat * flat)[0])
            radius = np.sqrt(wanted_x * wanted_x + wanted_y * wanted_y)
            share = np.interp(radius, bent, flat, right=np.nan) / np.where(radius > 0, radius, 1)
            x, y = wanted_x * share, wanted_y * share
            for _ in range(_STEPS):
                off_x, off_y, (xx, xy, yy) = self._forward(x, y)
                off_x, off_y = off_x - wanted_x, off_y - wanted_y
                area = xx * yy - xy * xy
                x, y = x - (yy * off_x - xy * off_y) / area, y - (xx * off_y - xy * off_x) / area
            off_x, off_y, _ = self._forward(x, y)
            solved = np.maximum(np.abs(off_x - wanted_x), np.abs(off_y - wanted_y)) < _SOLVED
            solved &= x * x + y * y <= flat[-1] * flat[-1] * 1.05
        return np.where(solved, x, np.nan), np.where(solved, y, np.nan)

    def _gain(self, s: Floats) -> tuple[Floats, Floats]:
        """Return the radial distortion at the square s of a radius, and its derivative in s."""
        k1, k2, _, _, k3, k4, k5, k6 = (*self.coefficients, *(0.0,) * 8)[:8]
        top, bottom = 1 + s * (k1 + s * (k2 + s * k3)), 1 + s * (k4 + s * (k5 + s * k6))
        top_slope = k1 + s * (2 * k2 + s * 3 * k3)
        bottom_slope = k4 + s * (2 * k5 + s * 3 * k6)
        return top / bottom, (top_slope * bottom - top * bottom_slope) / (bottom * bottom)

    def _forward(self, x: Floats, y: Floats) -> tuple[Floats, Floats, tuple[Floats, ...]]:
        """Return where points of the plane are seen, and the derivatives xx, xy and yy."""
        p1, p2 = self.coefficients[2:4]
        s = x * x + y * y
        gain, slope = self._gain(s)
        seen_x = x * gain + 2 * p1 * x * y + p2 * (s + 2 * x * x)
        seen_y = y * gain + p1 * (s + 2 * y * y) + 2 * p2 * x * y
        xx = gain + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x
        xy = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
        yy = gain + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x
        return seen_x, seen_y, (xx, xy, yy)


def _rising(values: Floats, bent: Floats) -> tuple[Floats, Floats]:
    """Return both up to where the second stops rising."""
    falling = np.flatnonzero(~(np.diff(bent) > 0))
    end = int(falling[0]) + 1 if len(falling) else len(values)
    return values[:end], bent[:end]
