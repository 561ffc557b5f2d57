# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Subscribes to the camera: image and camera_info, and what the middleware reports of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mfaranet_ros.ros.sequence import Gaps

NEWEST_BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Matches every kind of publisher; the newest frame is the only one of interest."""


LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


def _is_latched(publisher: Any) -> bool:
    qos = publisher.qos_profile
    durability, reliability = LATCHED.durability, LATCHED.reliability
    return bool(qos.durability == durability and qos.reliability == reliability)


def policy_name(event: Any) -> str:
    """Return the policy that does not fit, as the QoS overrides call it."""
    return str(qos_policy_name_from_kind(event.last_policy_kind)).lower()


class CameraInput:
    """Subscribes to a camera for as long as it is open.

    on_image(message), on_camera_info(message): the messages as they come.
    on_lost(count): images that were published but never arrived, by their sequence numbers.
    on_incompatible(text): a publisher offers a QoS that does not fit what is asked for.
    """

    def __init__(
        self,
        node: Node,
        transport: str,
        *,
        on_image: Callable[[Any], None],
        on_camera_info: Callable[[Any], None],
        on_lost: Callable[[int], None],
        on_incompatible: Callable[[str], None],
    ) -> None:
        self._node = node
        self._on_image = on_image
        self._on_lost = on_lost
        self._on_incompatible = on_incompatible
        self._gaps = Gaps(lambda: self.publishers == 1)
        image_type, topic = Image, node.resolve_topic_name('image')
        if transport == 'compressed':
            image_type, topic = CompressedImage, topic + '/compressed'
        self._on_camera_info = on_camera_info
        self._latched: Any = None
        self._image = self._subscribe(image_type, topic, self._receive)
        try:
            self._camera_info = self._subscribe(CameraInfo, 'camera_info', on_camera_info)
        except Exception:
            node.destroy_subscription(self._image)
            raise

    def take_latched_camera_info(self) -> None:
        """Ask for a CameraInfo that was published before, where a publisher keeps it.

        Asking everybody would draw a QoS warning from each publisher that keeps none.
        """
        topic = self._camera_info.topic_name
        publishers = self._node.get_publishers_info_by_topic(topic)
        if self._latched is None and any(map(_is_latched, publishers)):
            self._latched = self._node.create_subscription(
                CameraInfo, topic, self._on_camera_info, LATCHED
            )

    def _subscribe(self, message_type: Any, topic: str, callback: Callable[..., None]) -> Any:
        return self._node.create_subscription(
            message_type,
            topic,
            callback,
            copy.copy(NEWEST_BEST_EFFORT),  # rclpy writes the overrides into it
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=lambda event: self._on_incompatible(
                    f'a publisher of {topic} offers {policy_name(event)} that '
                    'does not fit what this node asks for: change it there, or here by '
                    f'qos_overrides.{topic}.subscription.*'
                )
            ),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    @property
    def topic(self) -> str:
        return str(self._image.topic_name)

    @property
    def publishers(self) -> int:
        """How many publishers the image topic has."""
        return int(self._node.count_publishers(self.topic))

    def _receive(self, message: Any, info: Any) -> None:
        if missed := self._gaps.missed(info):
            self._on_lost(missed)
        self._on_image(message)

    def close(self) -> None:
        """Unsubscribe."""
        if self._latched is not None:
            self._node.destroy_subscription(self._latched)
        self._node.destroy_subscription(self._camera_info)
        self._node.destroy_subscription(self._image)
