# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measurements of the vehicle's motion, as plain values: one sample of an IMU, one of odometry."""

from __future__ import annotations

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


@dataclass(frozen=True)
class OdometrySample:
    """One sample of odometry.

    stamp_ns: when it was measured. speed_mps: ahead, along x of the base frame, in m/s.
    yaw_rate_radps: to the left, in rad/s.
    """

    stamp_ns: int
    speed_mps: float
    yaw_rate_radps: float
