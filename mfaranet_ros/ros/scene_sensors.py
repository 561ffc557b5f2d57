# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishes IMU, odometry and TF of the synthetic scene beside its images."""

from __future__ import annotations

from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy

from mfaranet_ros.data.synthetic_sensors import IMU, ODOMETRY, TF, SensorMessages
from mfaranet_ros.ros.conversions import message_class, to_message
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

QOS = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)

TYPES = {
    IMU: 'sensor_msgs/msg/Imu',
    ODOMETRY: 'nav_msgs/msg/Odometry',
    TF: 'tf2_msgs/msg/TFMessage',
}


class SceneSensors:
    """The sensors of a scene that is played; what is not installed is left out."""

    def __init__(self, node: Any, scene: SyntheticScene) -> None:
        self._scene = scene
        self._messages = SensorMessages(scene)
        self._publishers: dict[str, Any] = {}
        for topic, type_name in TYPES.items():
            try:
                kind = message_class(type_name)
            except ImportError:
                node.get_logger().info(f'{topic} is not published: {type_name} is not installed')
                continue
            self._publishers[topic] = node.create_publisher(kind, topic, QOS)

    def publish(self, index: int, stamp: Any) -> None:
        """Publish what was measured since the image before.

        index: of the image that follows. stamp: of that image, to which those of the
        measurements relate as in the scene.
        """
        time_ns = self._scene.stamp_ns(index)
        start_ns = stamp.sec * 10**9 + stamp.nanosec - time_ns
        for topic, value, _ in self._messages.until(time_ns, start_ns):
            if topic in self._publishers:
                self._publishers[topic].publish(to_message(value))
