# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Subscribes to the camera: image and camera_info, and what the middleware reports of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mfaranet_ros.ros.compatibility import (
    HAS_MESSAGE_INFO,
    SubscriptionEventCallbacks,
    with_message_info,
)
from mfaranet_ros.ros.endpoints import node_of, type_name, unusable_publishers
from mfaranet_ros.ros.sequence import Gaps

TRANSPORTS = {'raw': (Image, ''), 'compressed': (CompressedImage, '/compressed')}
"""The message type of each `input.transport`, and what follows the topic `image`."""

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


class CameraInput:
    """Subscribes to a camera for as long as it is open.

    prefix: what precedes the names `image` and `camera_info`, such as `front/`.
    on_image(message), on_camera_info(message): the messages as they come.
    on_lost(count): images that were published but never arrived, by their sequence numbers.
    """

    def __init__(
        self,
        node: Node,
        transport: str,
        prefix: str = '',
        *,
        on_image: Callable[[Any], None],
        on_camera_info: Callable[[Any], None],
        on_lost: Callable[[int], None],
    ) -> None:
        self._node = node
        self._on_image = on_image
        self._on_lost = on_lost
        self._gaps = Gaps(lambda: self.publishers == 1)
        self._transport = transport
        self._base = str(node.resolve_topic_name(f'{prefix}image'))
        image_type, suffix = TRANSPORTS[transport]
        topic = self._base + suffix
        self._on_camera_info = on_camera_info
        self._latched: Any = None
        self._image = self._subscribe(image_type, topic, with_message_info(self._receive))
        try:
            topic = f'{prefix}camera_info'
            self._camera_info = self._subscribe(CameraInfo, topic, on_camera_info)
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
            event_callbacks=SubscriptionEventCallbacks(use_default_callbacks=False),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    @property
    def topic(self) -> str:
        """Full name of the image topic."""
        return str(self._image.topic_name)

    @property
    def publishers(self) -> int:
        """How many publishers the image topic has."""
        return int(self._node.count_publishers(self.topic))

    def missing_publisher(self) -> str:
        """Return that nobody publishes the image, with what may be meant instead, or ''."""
        if self.publishers:
            return ''
        for transport, (_, suffix) in TRANSPORTS.items():
            other = self._base + suffix
            if other != self.topic and self._node.count_publishers(other):
                return (
                    f'no publisher on {self.topic}, but {other} is published: set '
                    f'input.transport to {transport}'
                )
        return f'no publisher on {self.topic}'

    def unusable(self) -> list[str]:
        """Return a sentence for each publisher that this node cannot hear."""
        problems = []
        for subscription in (self._image, self._camera_info):
            topic = subscription.topic_name
            for publisher, policy in unusable_publishers(self._node, topic):
                problems.append(
                    f'{publisher} as a publisher of {topic} offers {policy} that does not fit '
                    'what this node asks for: change it there, or here by '
                    f'qos_overrides.{topic}.subscription.*'
                )
        return problems + self._foreign_types()

    def uncounted(self) -> str:
        """Return why images that get lost on the way are not counted, or ''."""
        if not HAS_MESSAGE_INFO:
            return (
                'lost images are not counted: rclpy of this distribution has no sequence numbers'
            )
        if not self._gaps.supported:
            return 'lost images are not counted: the middleware has no sequence numbers'
        return ''

    def _foreign_types(self) -> list[str]:
        """Return a sentence for each publisher of another message type on the image topic."""
        own = TRANSPORTS[self._transport][0]
        problems = []
        for end in self._node.get_publishers_info_by_topic(self.topic):
            if end.topic_type == type_name(own):
                continue
            advice = f'remap {self.topic} to a topic of {type_name(own)}'
            for transport, (message_type, suffix) in TRANSPORTS.items():
                if end.topic_type == type_name(message_type):
                    advice = f'set input.transport to {transport}'
                    if self._base + suffix != self.topic:
                        advice += f' and remap {self._base + suffix} to {self.topic}'
            problems.append(
                f'{node_of(end)} publishes {end.topic_type} on {self.topic}, but '
                f'input.transport = {self._transport} asks for {type_name(own)}: {advice}'
            )
        return problems

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
