# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera of the scene: its calibration, its mounting, and the rays of its pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache

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
        return _rounded(self._body @ np.array(_BODY_FROM_OPTICAL))

    @property
    def _body(self) -> Floats:
        """The rotation from the camera's body to base_link: float64 (3, 3)."""
        return _about_z(self.yaw) @ _about_y(self.pitch) @ _about_x(self.roll)

    def turned(self, pitch: float) -> SceneCamera:
        """Return this camera pitched further down on its mount, by an angle in radians."""
        if not pitch:
            return self
        return self._placed((self.x, self.y, self.z), self._body @ _about_y(pitch))

    def tilted(self, roll: float, pitch: float) -> SceneCamera:
        """Return this camera in the frame against which base_link has a roll and a pitch."""
        if not (roll or pitch):
            return self
        turn = _about_y(pitch) @ _about_x(roll)
        return self._placed((turn @ (self.x, self.y, self.z)).tolist(), turn @ self._body)

    def _placed(self, position: Sequence[float], body: Floats) -> SceneCamera:
        """Return this camera at a position, with the rotation of its body in base_link."""
        x, y, z = position
        pitch = math.asin(max(-1.0, min(1.0, -float(body[2, 0]))))
        roll = math.atan2(float(body[2, 1]), float(body[2, 2]))
        yaw = math.atan2(float(body[1, 0]), float(body[0, 0]))
        return replace(self, x=x, y=y, z=z, roll=roll, pitch=pitch, yaw=yaw)

    def rays(self) -> Floats:
        """Return the direction of each pixel: float64 (height, width, 3), unit length, base_link.

        NaN for pixels that no light reaches.
        """
        optics = Optics(self.model, self.coefficients)
        lens = (self.cx, self.cy), (self.fx, self.fy)
        optical = _optical_rays(optics, (self.height, self.width), *lens)
        return self._to_base(optical).reshape(self.height, self.width, 3)

    def rays_of(self, pixels: NDArray[np.generic]) -> Floats:
        """Return the directions of pixels (N, 2), column and row: float64 (N, 3)."""
        points = (pixels - np.array((self.cx, self.cy))) / np.array((self.fx, self.fy))
        return self._to_base(_rounded(Optics(self.model, self.coefficients).rays(points)))

    def _to_base(self, optical: Floats) -> Floats:
        x, y, z = optical.T
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


@lru_cache(maxsize=2)
def _optical_rays(
    optics: Optics,
    size: tuple[int, int],
    middle: tuple[float, float],
    focal: tuple[float, float],
) -> Floats:
    """Return the directions of all pixels in the optical frame, row by row: (N, 3), read-only.

    They take most of the time of a view, and do not change when the camera is tilted.
    """
    columns, rows = np.meshgrid(np.arange(size[1]), np.arange(size[0]))
    pixels = np.column_stack((columns.ravel(), rows.ravel()))
    rays = _rounded(optics.rays((pixels - np.array(middle)) / np.array(focal)))
    rays.flags.writeable = False
    return rays


def _about_x(angle: float) -> Floats:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array(((1, 0, 0), (0, cosine, -sine), (0, sine, cosine)))


def _about_y(angle: float) -> Floats:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array(((cosine, 0, sine), (0, 1, 0), (-sine, 0, cosine)))


def _about_z(angle: float) -> Floats:
    sine, cosine = math.sin(angle), math.cos(angle)
    return np.array(((cosine, -sine, 0), (sine, cosine, 0), (0, 0, 1)))


def _rounded(values: Floats) -> Floats:
    return np.asarray(np.rint(values / _GRAIN) * _GRAIN)
