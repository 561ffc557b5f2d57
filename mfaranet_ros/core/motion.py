# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measurements of the vehicle's motion, as plain values: one sample of an IMU, one of odometry."""

from __future__ import annotations

import math
from dataclasses import dataclass

Vector = tuple[float, float, float]


@dataclass(frozen=True)
class ImuSample:
    """One sample of an IMU, in the axes of its frame (REP-103: x ahead, y left, z up).

    stamp_ns: when it was measured. angular_velocity: rad/s. linear_acceleration: m/s^2, the
    specific force, +9.81 along z at rest. Values may be NaN where the sensor delivers them so.
    """

    stamp_ns: int
    angular_velocity: Vector
    linear_acceleration: Vector

    def turned(self, roll: float, pitch: float, yaw: float) -> ImuSample:
        """Return the sample in the frame in which that of the IMU has these angles in radians.

        They are about the fixed axes x, y, z in that order (REP-103).
        """
        if not (roll or pitch or yaw):
            return self
        return ImuSample(
            self.stamp_ns,
            _turned(self.angular_velocity, roll, pitch, yaw),
            _turned(self.linear_acceleration, roll, pitch, yaw),
        )


@dataclass(frozen=True)
class OdometrySample:
    """One sample of odometry.

    stamp_ns: when it was measured. speed_mps: ahead, along x of the base frame, in m/s.
    yaw_rate_radps: to the left, in rad/s.
    """

    stamp_ns: int
    speed_mps: float
    yaw_rate_radps: float


def _turned(vector: Vector, roll: float, pitch: float, yaw: float) -> Vector:
    x, y, z = vector
    sine, cosine = math.sin(roll), math.cos(roll)
    y, z = y * cosine - z * sine, y * sine + z * cosine
    sine, cosine = math.sin(pitch), math.cos(pitch)
    x, z = x * cosine + z * sine, z * cosine - x * sine
    sine, cosine = math.sin(yaw), math.cos(yaw)
    return x * cosine - y * sine, x * sine + y * cosine, z
