# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishers for the topics of a bag; those of the camera have the player's names."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mfaranet_ros.data.bags.playback import LATCHED_AT_MOST, BagPlayback, is_latched
from mfaranet_ros.data.bags.reader import BagMessage
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.ros.conversions import message_class

RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=LATCHED_AT_MOST,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class BagPublishers:
    """Publishes messages of a recording as the bytes that were recorded.

    image: the publisher of the camera's images. not_installed: topics whose types are not
    installed, which are left out. count: of the messages published so far.
    """

    def __init__(self, player: Any, recording: BagPlayback) -> None:
        self._player = player
        self.not_installed: list[str] = []
        self.count = 0
        camera, image = recording.camera, player.resolve_topic_name('image')
        if camera.transport != 'raw':
            image += f'/{camera.transport}'
        self.image = self._create(camera.image, image, RELIABLE)
        self._publishers = {camera.image.name: self.image}
        if camera.info is not None:
            qos = LATCHED if is_latched(camera.info) else RELIABLE
            info = self._create(camera.info, 'camera_info', qos)
            self._publishers[camera.info.name] = info
        for topic in recording.others:
            qos = LATCHED if is_latched(topic) else RELIABLE
            try:
                self._publishers[topic.name] = self._create(topic, topic.name, qos)
            except (ImportError, AttributeError):
                self.not_installed.append(f'{topic.name} ({topic.type})')
                recording.leave_out(topic)

    def _create(self, topic: Topic, name: str, qos: QoSProfile) -> Any:
        return self._player.create_publisher(message_class(topic.type), name, qos)

    def publish(self, message: BagMessage) -> None:
        """Publish a recorded message as its bytes."""
        self._publishers[message.topic.name].publish(bytes(message.raw))
        self.count += 1
