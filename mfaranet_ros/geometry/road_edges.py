# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The pitch of a camera against the road from the edges of the road in its label image.

Seen with the right pitch, both edges are parallel on the ground, whatever the width, the offset
and the bend of the road; with a wrong one they spread or meet. So the pitch is solved together
with the two offsets and a common course of the edges, by robust least squares in pixels. Roll is
not observed this way, and parallel edges say nothing about an upward or downward bend ahead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.labels import Role
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose

Floats = NDArray[np.float64]
Bytes = NDArray[np.uint8]

ROWS = 360
"""Number of image rows in which edges are looked for."""

LONGEST_M = 60.0
"""Edges farther away are not used."""

LEAST_EDGES = 8
"""Least number of edges on each side."""

_STEPS = 8
_COURSE_STEPS = 3
_FINE_RAD = 1e-7
_DERIVATIVE_RAD = 1e-5
_HUBER_PX = 1.0
_WORST_PX = 2.5
"""Largest typical residual of edges that are those of one road."""

_WIDEST_RAD = math.radians(6.0)
_LEAST_PX = 0.3
"""Standard deviation of an edge that is known to a whole pixel."""

_CORRELATION = 4.0
"""By how much fewer edges are independent of each other than there are."""

_FLOOR_RAD = math.radians(0.05)
"""What bends that are not modelled add."""


@dataclass(frozen=True)
class PitchSeen:
    """The pitch of the base frame that an image shows, with its standard deviation, in radians."""

    pitch_rad: float
    std_rad: float


def see_pitch(
    labels: Bytes, roles: Bytes, camera: CameraModel, pose: MountingPose
) -> PitchSeen | None:
    """Return the pitch of the base frame against the road, None where the image does not show it.

    labels: uint8 (H, W) class ids. roles: uint8 (256,). camera: of the labels. pose: of the
    camera for a vehicle at rest; the pitch turns it about the origin of the base frame.
    """
    left, right = _edges(labels, roles)
    sides = np.repeat((0, 1), (len(left), len(right)))
    directions = pose.to_base(camera.rays(np.concatenate((left, right))))
    known = np.isfinite(directions).all(axis=1)
    fit = _Fit(directions[known], sides[known], np.array(pose.position_m), camera.fx)
    return fit.solve()


def _edges(labels: Bytes, roles: Bytes) -> tuple[Floats, Floats]:
    """Return the pixels (N, 2) between road and other ground, of the left and the right edge."""
    height = len(labels)
    rows = np.unique(np.linspace(height * 0.3, height - 1, ROWS).astype(np.int64))
    kinds = np.zeros(256, np.uint8)
    kinds[roles == Role.DRIVABLE] = 1
    kinds[roles == Role.GROUND] = 2
    seen = cv2.LUT(labels[rows], kinds)
    pairs = seen[:, :-1] * 3 + seen[:, 1:]
    result = []
    for step, flip in ((7, False), (5, True)):
        there = pairs == step
        found = np.flatnonzero(there.any(axis=1))
        column = (
            there.shape[1] - 1 - there[found, ::-1].argmax(axis=1)
            if flip
            else there[found].argmax(axis=1)
        )
        result.append(np.column_stack((column + 0.5, rows[found])).astype(np.float64))
    return result[0], result[1]


@dataclass(frozen=True, eq=False)
class _Fit:
    """Edges on two sides of a road, and the pitch for which they are parallel.

    directions: float64 (N, 3), of the edges in the base frame. sides: (N,), 0 left, 1 right.
    """

    directions: Floats
    sides: NDArray[np.int64]
    position_m: Floats
    focal_px: float

    def solve(self) -> PitchSeen | None:
        """Return the pitch by Gauss-Newton steps with Huber's weights."""
        pitch = 0.0
        for _ in range(_STEPS):
            place = self._ground(pitch)
            use = self._usable(place)
            counts = np.bincount(self.sides[use], minlength=2)
            if counts.min() < LEAST_EDGES:
                return None
            jacobian, residuals = self._linear(pitch, place, use)
            weights = np.ones(len(residuals))
            for _ in range(3):
                system = jacobian * np.sqrt(weights)[:, None]
                solved = np.linalg.lstsq(system, residuals * np.sqrt(weights), rcond=None)[0]
                left = np.abs(residuals - jacobian @ solved)
                weights = np.minimum(1.0, _HUBER_PX / np.maximum(left, 1e-9))
            pitch -= float(solved[0])
            if not abs(pitch) < _WIDEST_RAD:
                return None
            if abs(solved[0]) < _FINE_RAD:
                break
        typical_px = 1.48 * float(np.median(left))
        if typical_px > _WORST_PX:
            return None
        spread_px = max(typical_px, _LEAST_PX)
        normal = (jacobian * weights[:, None]).T @ jacobian
        variance = float(np.linalg.pinv(normal)[0, 0]) * spread_px**2 * _CORRELATION
        return PitchSeen(pitch, math.sqrt(variance + _FLOOR_RAD**2))

    def _ground(self, pitch: float) -> Floats:
        """Return x and y (N, 2) of the edges from the point under the camera, for a pitch."""
        sine, cosine = math.sin(pitch), math.cos(pitch)
        turn = np.array(((cosine, 0.0, sine), (0.0, 1.0, 0.0), (-sine, 0.0, cosine)))
        x, y, z = (self.directions @ turn.T).T
        height_m = float(turn[2] @ self.position_m)
        with np.errstate(divide='ignore', invalid='ignore'):
            far = np.where(z < 0, -height_m / z, np.nan)
        return np.column_stack((x * far, y * far))

    def _usable(self, place: Floats) -> NDArray[np.bool_]:
        with np.errstate(invalid='ignore'):
            return np.asarray((place[:, 0] > 1.0) & (place[:, 0] < LONGEST_M))

    def _linear(
        self, pitch: float, place: Floats, use: NDArray[np.bool_]
    ) -> tuple[Floats, Floats]:
        """Return the derivatives of the lateral residuals in pixels, by pitch and course first."""
        x, y = place[use].T
        gain = self.focal_px / np.hypot(x, y)
        moved = self._ground(pitch + _DERIVATIVE_RAD)[use]
        powers = np.column_stack((x, (x / 10) ** 2, (x / 10) ** 3))
        sides = np.column_stack((self.sides[use] == 0, self.sides[use] == 1)).astype(np.float64)
        slope = np.zeros(len(x))
        for _ in range(_COURSE_STEPS):
            # Edges are parallel along the normal of the road, not along y.
            shape = np.column_stack((sides * np.hypot(1, slope)[:, None], powers))
            course = np.linalg.lstsq(shape * gain[:, None], y * gain, rcond=None)[0]
            slope = course[2] + course[3] * x / 50 + course[4] * 3 * x**2 / 1000
        by_pitch = (moved[:, 1] - y) / _DERIVATIVE_RAD
        by_range = (moved[:, 0] - x) / _DERIVATIVE_RAD
        derivative = by_pitch - slope * by_range
        jacobian = np.column_stack((derivative, shape)) * gain[:, None]
        return jacobian, y * gain
