# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera model of a CameraInfo: projection of points and rays of pixels.

Images are taken as the camera delivers them (`image_raw`): K and D describe them, R and P
(which describe rectified images) are not used. For a rectified image give a CameraInfo whose
K is that of P and whose D is zero.

Pixels are (u, v), (0, 0) the centre of the first one. The optical frame is that of REP-103: x to
the right, y down, z into the scene.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfaranet_ros.core.errors import CalibrationError, UnknownNameError
from mfaranet_ros.core.frame import MessageLike

Floats = NDArray[np.float64]

COEFFICIENTS = {
    'pinhole': (0,),
    'plumb_bob': (4, 5, 8),
    'rational_polynomial': (8, 12, 14),
    'equidistant': (4,),
}
"""The distortion models with their numbers of coefficients; `pinhole` has no distortion.

The perspective models are one formula, OpenCV's: with 8 coefficients it is a quotient, with
12 it has a thin prism, with 14 a tilted sensor.
"""

ALIASES = {'fisheye': 'equidistant', 'none': 'pinhole'}
"""Other names of distortion models that drivers write."""

_SYNONYMS = {
    'radtan': 'plumb_bob',
    'radialtangential': 'plumb_bob',
    'brownconrady': 'plumb_bob',
    'opencv': 'plumb_bob',
    'kannalabrandt': 'equidistant',
    'kannalabrandt4': 'equidistant',
    'equi': 'equidistant',
    'opencvfisheye': 'equidistant',
    'thinprism': 'rational_polynomial',
    'fullopencv': 'rational_polynomial',
    'ideal': 'none',
    'perspective': 'pinhole',
}
"""What Kalibr, COLMAP, librealsense and others call the same models, for suggestions."""

_USUAL = {'plumb_bob': 5, 'rational_polynomial': 8, 'equidistant': 4}

_WIDEST_RAD = {'equidistant': math.pi}
_WIDEST_PERSPECTIVE_RAD = math.radians(89)
_PROFILE_STEPS = 4096


@dataclass(frozen=True)
class CameraModel:
    """A calibrated camera for one image size, compared by value.

    width, height, fx, fy, cx, cy: in pixels.
    distortion: one of COEFFICIENTS; coefficients: in the order of CameraInfo.d and OpenCV.
    Raises CalibrationError for values that describe no camera.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: str = 'pinhole'
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if min(self.width, self.height) <= 0:
            raise CalibrationError(
                f'camera calibration for {self.width}x{self.height} pixels: the size must be '
                'positive, set width and height in the CameraInfo'
            )
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.coefficients)
        if not np.isfinite(numbers).all():
            raise CalibrationError(
                f'camera calibration {numbers} has values that are not finite: calibrate again'
            )
        if min(self.fx, self.fy) <= 0:
            raise CalibrationError(
                f'focal length fx = {self.fx:g}, fy = {self.fy:g}: must be positive, '
                'calibrate the camera and publish its CameraInfo'
            )
        _check_coefficients(self.distortion, len(self.coefficients))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.height, self.width

    def check_size(self, height: int, width: int) -> None:
        """Raise CalibrationError unless this is the calibration of images of this size."""
        if (height, width) != self.size:
            raise CalibrationError(
                f'the image is {width}x{height} but its CameraInfo is for '
                f'{self.width}x{self.height}: publish the CameraInfo of this image '
                '(with its binning and region of interest)'
            )

    def scaled_to(self, height: int, width: int) -> CameraModel:
        """Return the camera of the same image resized to this size, edge to edge."""
        if (height, width) == self.size:
            return self
        x, y = width / self.width, height / self.height
        return dataclasses.replace(
            self,
            width=width,
            height=height,
            fx=self.fx * x,
            fy=self.fy * y,
            cx=(self.cx + 0.5) * x - 0.5,
            cy=(self.cy + 0.5) * y - 0.5,
        )

    def inside(self, pixels: Floats) -> NDArray[np.bool_]:
        """Return which pixels (N, 2) lie in the image, outer half pixels included: bool (N,)."""
        corner = np.array((self.width, self.height)) - 0.5
        return np.asarray(((pixels >= -0.5) & (pixels < corner)).all(axis=-1))

    def project(self, points: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the pixels of points of the optical frame, and which of them are valid.

        points: (N, 3) in any unit. pixels: float64 (N, 2), NaN where not valid, and not limited
        to the image. valid: bool (N,), whether the point is in front of the camera and not so
        far to the side that the distortion would fold it back into the image.
        """
        points = np.asarray(points, np.float64).reshape(-1, 3)
        across = np.hypot(points[:, 0], points[:, 1])
        angles = np.arctan2(across, points[:, 2])
        valid = (angles <= self._profile[0][-1]) & np.isfinite(points).all(axis=1)
        valid &= (across > 0) | (points[:, 2] > 0)
        plane = np.full((len(points), 2), np.nan)
        if self.distortion == 'equidistant':
            radii = self._radii(angles[valid])
            scale = radii / np.where(across[valid] > 0, across[valid], 1)
            plane[valid] = points[valid, :2] * scale[:, None]
        else:
            plane[valid] = self._distort(points[valid, :2] / points[valid, 2:])
        return plane * (self.fx, self.fy) + (self.cx, self.cy), valid

    def rays(self, pixels: ArrayLike) -> Floats:
        """Return the directions of pixels, the inverse of `project`.

        pixels: (N, 2), fractions allowed. Returns unit vectors (N, 3), optical frame, NaN for
        a pixel that no light reaches within the valid domain of the distortion.
        """
        pixels = np.asarray(pixels, np.float64).reshape(-1, 2)
        plane = (pixels - (self.cx, self.cy)) / (self.fx, self.fy)
        radii = np.hypot(plane[:, 0], plane[:, 1])
        angles = np.interp(radii, self._profile[1], self._profile[0], right=np.nan)
        if self.distortion == 'equidistant':
            angles = self._solve_angles(angles, radii)
        away = plane / np.where(radii > 0, radii, 1)[:, None]
        if self.distortion == 'equidistant':
            return np.column_stack((away * np.sin(angles)[:, None], np.cos(angles)))
        flat = plane
        if self.coefficients:
            flat = self._undistort(np.tan(angles)[:, None] * away, plane)
        result = np.column_stack((flat, np.ones(len(flat))))
        return np.asarray(result / np.linalg.norm(result, axis=1, keepdims=True))

    @cached_property
    def _profile(self) -> tuple[Floats, Floats]:
        """Angles from the optical axis, and their radii in the image at focal length 1.

        It ends where the radius stops growing: beyond, the distortion model is not valid.
        """
        widest = _WIDEST_RAD.get(self.distortion, _WIDEST_PERSPECTIVE_RAD)
        angles = np.linspace(0, widest, _PROFILE_STEPS, dtype=np.float64)
        radii = self._radii(angles)
        falling = np.flatnonzero(~(np.diff(radii) > 0))
        end = int(falling[0]) + 1 if len(falling) else len(angles)
        return angles[:end], radii[:end]

    def _radii(self, angles: Floats) -> Floats:
        """Return the radii that light from these angles has, tangential distortion apart."""
        if self.distortion == 'equidistant':
            gain = np.polyval((*self.coefficients[::-1], 1.0), angles**2)
            return np.asarray(angles * gain)
        along_x = np.column_stack((np.tan(angles), 0 * angles))
        with np.errstate(all='ignore'):
            return np.asarray(self._without_tangential._distort(along_x)[:, 0])

    @cached_property
    def _without_tangential(self) -> CameraModel:
        k = self.coefficients
        return dataclasses.replace(self, coefficients=(*k[:2], 0.0, 0.0, *k[4:8]) if k else ())

    def _solve_angles(self, angles: Floats, radii: Floats) -> Floats:
        """Return the angles whose radii these are, by Newton's method from near angles."""
        powers = np.arange(9, 0, -2)
        slopes = np.array((*self.coefficients[::-1], 1.0)) * powers
        for _ in range(20):
            step = (self._radii(angles) - radii) / np.polyval(slopes, angles**2)
            angles = angles - step
            if not np.fmax.reduce(np.abs(step), axis=None, initial=0.0) > 1e-14:
                break
        return angles

    def _distort(self, flat: Floats) -> Floats:
        """Return where points (N, 2) of the plane z = 1 appear at focal length 1.

        The formula of OpenCV's projectPoints, without the derivatives that it also computes.
        """
        if not self.coefficients:
            return flat
        given = (*self.coefficients, *(0.0,) * 14)[:14]
        k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tilt_x, tilt_y = given
        x, y = flat.T
        s, xy = x * x + y * y, 2 * x * y
        gain = (1 + s * (k1 + s * (k2 + s * k3))) / (1 + s * (k4 + s * (k5 + s * k6)))
        u = x * gain + p1 * xy + p2 * (s + 2 * x * x) + s * (s1 + s * s2)
        v = y * gain + p2 * xy + p1 * (s + 2 * y * y) + s * (s3 + s * s4)
        if not (tilt_x or tilt_y):
            return np.column_stack((u, v))
        tilted = np.column_stack((u, v, np.ones_like(u))) @ _tilt(tilt_x, tilt_y).T
        return np.asarray(tilted[:, :2] / tilted[:, 2:])

    def _undistort(self, flat: Floats, wanted: Floats) -> Floats:
        """Return the points that `_distort` moves to the wanted ones, by Newton's method.

        flat: near solutions (N, 2), NaN where there is none; so is the result.
        """
        h = 1e-6
        with np.errstate(all='ignore'):
            for _ in range(50):
                error = self._distort(flat) - wanted
                if not np.fmax.reduce(np.abs(error), axis=None, initial=0.0) > 1e-12:
                    break
                (a, c), (b, d) = (
                    ((self._distort(flat + step) - self._distort(flat - step)) / (2 * h)).T
                    for step in ((h, 0.0), (0.0, h))
                )
                x, y = error.T / (a * d - b * c)
                flat = flat - np.column_stack((d * x - b * y, a * y - c * x))
            solved = np.abs(self._distort(flat) - wanted).max(axis=1) < 1e-9
        return np.where(solved[:, None], flat, np.nan)


def _tilt(x: float, y: float) -> Floats:
    """Return the homography (3, 3) of a sensor tilted by these angles in radians (Scheimpflug)."""
    about_x = np.array(((1, 0, 0), (0, math.cos(x), math.sin(x)), (0, -math.sin(x), math.cos(x))))
    about_y = np.array(((math.cos(y), 0, -math.sin(y)), (0, 1, 0), (math.sin(y), 0, math.cos(y))))
    turned = about_y @ about_x
    a, b, c = turned[:, 2]
    return np.asarray(np.array(((c, 0, -a), (0, c, -b), (0, 0, 1))) @ turned)


def read_camera_info(message: MessageLike) -> CameraModel:
    """Return the camera that a CameraInfo-like message describes.

    The size is that of the image: the region of interest, divided by the binning. An empty
    distortion model, and perspective models without or with zero coefficients, are a pinhole.
    Raises CalibrationError for a message that describes no camera.
    """
    k = np.asarray(message.k, np.float64).reshape(-1)
    if len(k) != 9 or not k.any():
        raise CalibrationError(
            f'CameraInfo.k is {"all zero" if len(k) == 9 else f"of {len(k)} values"}: the camera '
            'is not calibrated, calibrate it and publish its 3x3 matrix'
        )
    if k[1] != 0:
        raise CalibrationError(
            f'CameraInfo.k has a skew of {k[1]:g}: must be 0, calibrate without skew'
        )
    distortion, coefficients = _read_distortion(message)
    roi = message.roi
    x, y, width, height = 0, 0, int(message.width), int(message.height)
    if roi.width and roi.height:
        x, y, width, height = (int(v) for v in (roi.x_offset, roi.y_offset, roi.width, roi.height))
    full = CameraModel(
        width, height, float(k[0]), float(k[4]), float(k[2] - x), float(k[5] - y),
        distortion, coefficients,
    )  # fmt: skip
    columns, rows = max(1, int(message.binning_x)), max(1, int(message.binning_y))
    return full.scaled_to(height // rows, width // columns)


def _read_distortion(message: MessageLike) -> tuple[str, tuple[float, ...]]:
    name = str(message.distortion_model)
    coefficients = tuple(float(value) for value in message.d)
    known = [*COEFFICIENTS, *ALIASES]
    if name and name not in known:
        raise CalibrationError(str(UnknownNameError('distortion model', name, known, _SYNONYMS)))
    model = ALIASES.get(name, name)
    if not any(coefficients) and model != 'equidistant':
        return 'pinhole', ()
    if model in ('', 'pinhole'):
        raise CalibrationError(
            f'CameraInfo.d = {coefficients} but distortion_model is {name or "empty"}: name the '
            f'model, choose from {", ".join(sorted(_USUAL))}'
        )
    # Some drivers fill d up with zeros.
    least = min(len(coefficients), _USUAL[model])
    counts = [n for n in COEFFICIENTS[model] if n >= least and not any(coefficients[n:])]
    return model, coefficients[: counts[0]] if counts else coefficients


def _check_coefficients(distortion: str, count: int) -> None:
    if distortion not in COEFFICIENTS:
        raise CalibrationError(str(UnknownNameError('distortion model', distortion, COEFFICIENTS)))
    allowed = COEFFICIENTS[distortion]
    if count not in allowed:
        raise CalibrationError(
            f'{count} distortion coefficients for the model {distortion}: it has '
            f'{" or ".join(map(str, allowed))}, correct d or distortion_model of the CameraInfo'
        )
