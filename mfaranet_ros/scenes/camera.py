# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera of the scene: its calibration, its mounting, and the rays of its pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import CalibrationError, UnknownNameError
from mfaranet_ros.scenes.optics import MODELS, Optics

Floats = NDArray[np.float64]

LARGEST_PX = 8192
LOWEST_M = 0.1
"""Least height of the camera above the ground."""

_BODY_FROM_OPTICAL = ((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0))

_GRAIN = 2.0**-40
"""Rounding of rays: mathematical libraries differ between machines in smaller digits."""

_PROBES = 33


@dataclass(frozen=True)
class SceneCamera:
    """A camera on the ego car; the defaults are those of the demo.

    width, height, fx, fy, cx, cy: in pixels; fy is fx where it is 0, and the principal point is
    the middle of the image where it is not a number. model, coefficients: as in CameraInfo.
    x, y, z: in base_link (REP-105), in metres; the ego car itself is not drawn.
    roll, pitch, yaw: of the camera body about the fixed axes x, y, z in that order (REP-103), in
    radians; positive pitch looks down.
    Raises CalibrationError for values that describe no camera, or one that sees no ground.
    """

    width: int = 480
    height: int = 360
    fx: float = 470.0
    fy: float = 0.0
    cx: float = math.nan
    cy: float = math.nan
    model: str = 'plumb_bob'
    coefficients: tuple[float, ...] = ()
    x: float = 0.5
    y: float = 0.0
    z: float = 1.4
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0

    def __post_init__(self) -> None:
        for name, value in (
            ('fy', self.fy or self.fx),
            ('cx', (self.width - 1) / 2 if math.isnan(self.cx) else self.cx),
            ('cy', (self.height - 1) / 2 if math.isnan(self.cy) else self.cy),
            ('coefficients', tuple(float(value) for value in self.coefficients)),
        ):
            object.__setattr__(self, name, value)
        self._check()
        self._check_sees_ground()

    @property
    def k(self) -> Floats:
        """The camera matrix: float64 (3, 3)."""
        return np.array(((self.fx, 0, self.cx), (0, self.fy, self.cy), (0, 0, 1)), np.float64)

    @property
    def d(self) -> Floats:
        """The distortion coefficients as in CameraInfo, float64 (n,); zeros for a pinhole."""
        return np.array(self.coefficients or (0.0,) * 5, np.float64)

    @property
    def rotation(self) -> Floats:
        """The rotation from the optical frame to base_link: float64 (3, 3)."""
        (sr, cr), (sp, cp), (sy, cy) = (
            (math.sin(angle), math.cos(angle)) for angle in (self.roll, self.pitch, self.yaw)
        )
        about_x = np.array(((1, 0, 0), (0, cr, -sr), (0, sr, cr)))
        about_y = np.array(((cp, 0, sp), (0, 1, 0), (-sp, 0, cp)))
        about_z = np.array(((cy, -sy, 0), (sy, cy, 0), (0, 0, 1)))
        return _rounded(about_z @ about_y @ about_x @ np.array(_BODY_FROM_OPTICAL))

    def rays(self) -> Floats:
        """Return the direction of each pixel: float64 (height, width, 3), unit length, base_link.

        NaN for pixels that no light reaches.
        """
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = np.column_stack((columns.ravel(), rows.ravel()))
        return self.rays_of(pixels).reshape(self.height, self.width, 3)

    def rays_of(self, pixels: NDArray[np.generic]) -> Floats:
        """Return the directions of pixels (N, 2), column and row: float64 (N, 3)."""
        points = (pixels - np.array((self.cx, self.cy))) / np.array((self.fx, self.fy))
        x, y, z = _rounded(Optics(self.model, self.coefficients).rays(points)).T
        r = self.rotation
        return np.column_stack([r[i, 0] * x + r[i, 1] * y + r[i, 2] * z for i in range(3)])

    def _check(self) -> None:
        for name in ('width', 'height'):
            value = getattr(self, name)
            if type(value) is not int or not 2 <= value <= LARGEST_PX:
                raise CalibrationError(f'{name} = {value!r}: must be 2 to {LARGEST_PX} px')
        numbers = {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if field.name not in ('width', 'height', 'model', 'coefficients')
        }
        for name, value in (*numbers.items(), *(('coefficients', v) for v in self.coefficients)):
            if not math.isfinite(value):
                raise CalibrationError(f'{name} = {value}: must be a finite number')
        if min(self.fx, self.fy) <= 0:
            raise CalibrationError(
                f'focal length fx = {self.fx:g}, fy = {self.fy:g}: must be above 0 px'
            )
        if self.z < LOWEST_M:
            raise CalibrationError(
                f'z = {self.z:g}: the camera must be at least {LOWEST_M:g} m above the ground'
            )
        if self.model not in MODELS:
            raise CalibrationError(str(UnknownNameError('distortion model', self.model, MODELS)))
        allowed = MODELS[self.model]
        if len(self.coefficients) not in allowed:
            raise CalibrationError(
                f'{len(self.coefficients)} distortion coefficients for {self.model}: '
                f'it has {" or ".join(map(str, allowed))}'
            )

    def _check_sees_ground(self) -> None:
        """Look along some pixels, those at the rim among them."""
        columns = np.linspace(0, self.width - 1, _PROBES)
        rows = np.linspace(0, self.height - 1, _PROBES)
        pixels = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)
        if not (self.rays_of(pixels)[:, 2] < 0).any():
            raise CalibrationError(
                f'the camera sees no ground with roll = {self.roll:g}, pitch = {self.pitch:g} '
                f'rad and this calibration: positive pitch looks down'
            )


def _rounded(values: Floats) -> Floats:
    return np.asarray(np.rint(values / _GRAIN) * _GRAIN)
