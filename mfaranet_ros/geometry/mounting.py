# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The mounting of the camera: the pose of its optical frame in the base frame."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import CalibrationError

Floats = NDArray[np.float64]

LOWEST_M = 0.01
"""Least height of a camera above the ground."""

NEAR_RAD, NEAR_M = math.radians(6.0), 0.1
"""Poses that differ by less share the tables of the ground."""

_BODY_FROM_OPTICAL = np.array(((0.0, 0.0, 1.0), (-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)))


@dataclass(frozen=True)
class MountingPose:
    """The pose of the optical frame in the base frame, whose origin is on the ground; by value.

    position_m: x, y, z of the camera. rotation: nine numbers, row by row, of the matrix that
    turns directions of the optical frame into directions of the base frame.
    Raises CalibrationError for a camera that is not above the ground.
    """

    position_m: tuple[float, float, float]
    rotation: tuple[float, ...]

    def __post_init__(self) -> None:
        if not np.isfinite((*self.position_m, *self.rotation)).all():
            raise CalibrationError(
                f'mounting pose {self.position_m}, {self.rotation}: all values must be finite, '
                'correct ground.x to ground.yaw or the transform in TF'
            )
        if self.position_m[2] < LOWEST_M:
            raise CalibrationError(
                f'the camera is {self.position_m[2]:g} m above the ground: must be at least '
                f'{LOWEST_M:g} m, correct ground.z, or in TF the base frame, which lies on the '
                'ground'
            )

    @classmethod
    def from_xyz_rpy(
        cls, x: float, y: float, z: float, roll: float, pitch: float, yaw: float
    ) -> MountingPose:
        """Return the pose of a camera body (x where it looks, y left, z up) in the base frame.

        x, y, z in metres; roll, pitch and yaw in radians about the fixed axes x, y, z in that
        order (REP-103). All zero: it looks straight ahead. Positive pitch looks down.
        """
        (sr, sp, sy), (cr, cp, cy) = (
            [function(angle) if math.isfinite(angle) else math.nan for angle in (roll, pitch, yaw)]
            for function in (math.sin, math.cos)
        )
        body = np.array(
            (
                (cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr),
                (sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr),
                (-sp, cp * sr, cp * cr),
            )
        )
        return cls._of((x, y, z), body @ _BODY_FROM_OPTICAL)

    @classmethod
    def from_transform(
        cls, translation: Sequence[float], quaternion: Sequence[float]
    ) -> MountingPose:
        """Return the pose from a transform base frame <- optical frame, as TF gives it.

        translation: x, y, z in metres. quaternion: x, y, z, w, of any length but zero.
        """
        x, y, z, w = quaternion
        square = x * x + y * y + z * z + w * w
        if not square > 0 or not math.isfinite(square):
            raise CalibrationError(
                f'rotation {tuple(quaternion)} of the optical frame: must be a quaternion '
                '(x, y, z, w) of length 1, correct the transform in TF'
            )
        vector = np.array((x, y, z))
        cross = np.array(((0, -z, y), (z, 0, -x), (-y, x, 0)))
        rotation = (w * w - vector @ vector) * np.eye(3)
        rotation += 2 * np.outer(vector, vector) + 2 * w * cross
        return cls._of(translation, rotation / square)

    @classmethod
    def _of(cls, position: Sequence[float], rotation: Floats) -> MountingPose:
        x, y, z = (float(value) for value in position)
        return cls((x, y, z), tuple(rotation.ravel().tolist()))

    def to_camera(self, points: Floats) -> Floats:
        """Return points (N, 3) of the base frame in the optical frame, in metres."""
        return _times(points - self.position_m, self._matrix)

    def rotate_to_camera(self, directions: Floats) -> Floats:
        """Return directions (N, 3) of the base frame in the optical frame."""
        return _times(directions, self._matrix)

    def tilted(self, roll_rad: float, pitch_rad: float) -> MountingPose:
        """Return the pose in the frame on the road against which the base frame is tilted.

        roll_rad, pitch_rad: of the base frame about its origin, roll first (REP-103: positive
        pitch is nose down). Raises CalibrationError for a camera that is then not above it.
        """
        (sr, sp), (cr, cp) = (
            [function(angle) for angle in (roll_rad, pitch_rad)]
            for function in (math.sin, math.cos)
        )
        turn = np.array(((cp, sp * sr, sp * cr), (0.0, cr, -sr), (-sp, cp * sr, cp * cr)))
        return self._of((turn @ self.position_m).tolist(), turn @ self._matrix)

    def is_near(self, other: MountingPose) -> bool:
        """Return whether another pose differs by a tilt and a move of the vehicle's body only."""
        cosine = (float((self._matrix * other._matrix).sum()) - 1) / 2
        return (
            cosine > math.cos(NEAR_RAD) and math.dist(self.position_m, other.position_m) < NEAR_M
        )

    def to_base(self, directions: Floats) -> Floats:
        """Return directions (N, 3) of the optical frame in the base frame."""
        return _times(directions, self._matrix.T)

    @property
    def _matrix(self) -> Floats:
        return np.array(self.rotation).reshape(3, 3)


def _times(rows: Floats, matrix: Floats) -> Floats:
    """Return rows (N, 3) times a matrix (3, 3), several times faster than BLAS for this shape."""
    x, y, z = rows.T[:, :, None]
    return np.asarray(x * matrix[0] + y * matrix[1] + z * matrix[2])
