# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Feeds IMU and odometry of the vehicle to the estimate of its tilt."""

from __future__ import annotations

from typing import Any

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.geometry.attitude_source import AttitudeSource
from mfaranet_ros.pipeline.decode_motion import imu_sample, odometry_sample

QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)


class MotionInput:
    """Subscribes to `imu` and `odom` for as long as it is open; each is optional."""

    def __init__(self, node: Node, source: AttitudeSource, config: GroundConfig) -> None:
        self._node = node
        self._source = source
        self._config = config
        self._subscriptions = [
            node.create_subscription(Imu, 'imu', self._take_imu, QOS),
            node.create_subscription(Odometry, 'odom', self._take_odometry, QOS),
        ]

    def _take_imu(self, message: Any) -> None:
        config = self._config
        sample = imu_sample(message).turned(config.imu_roll, config.imu_pitch, config.imu_yaw)
        self._source.filter.add_imu(sample)

    def _take_odometry(self, message: Any) -> None:
        self._source.filter.add_odometry(odometry_sample(message))

    def close(self) -> None:
        """Destroy the subscriptions."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
