# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages of IMU and odometry -> samples."""

from __future__ import annotations

from mfaranet_ros.core.frame import MessageLike, stamp_of
from mfaranet_ros.core.motion import ImuSample, OdometrySample


def imu_sample(message: MessageLike) -> ImuSample:
    """Return the sample of a sensor_msgs/Imu-like message."""
    rates, forces = message.angular_velocity, message.linear_acceleration
    return ImuSample(
        stamp_of(message),
        (rates.x, rates.y, rates.z),
        (forces.x, forces.y, forces.z),
    )


def odometry_sample(message: MessageLike) -> OdometrySample:
    """Return the sample of a nav_msgs/Odometry-like message."""
    twist = message.twist.twist
    return OdometrySample(stamp_of(message), float(twist.linear.x), float(twist.angular.z))
