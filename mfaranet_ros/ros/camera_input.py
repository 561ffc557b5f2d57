# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Subscribes to the camera: image and camera_info, and what the middleware reports of them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.ros.compatibility import (
    HAS_MESSAGE_INFO,
    SubscriptionEventCallbacks,
    with_message_info,
)
from mfaranet_ros.ros.conversions import message_class
from mfaranet_ros.ros.endpoints import node_of, unusable_publishers
from mfaranet_ros.ros.sequence import Gaps

if TYPE_CHECKING:
    from mfaranet_ros.ros.video_input import VideoInput

TRANSPORTS = {
    'raw': ('sensor_msgs/msg/Image', ''),
    'compressed': ('sensor_msgs/msg/CompressedImage', '/compressed'),
    'video': ('sensor_msgs/msg/CompressedImage', '/compressed'),
    'ffmpeg': ('ffmpeg_image_transport_msgs/msg/FFMPEGPacket', '/ffmpeg'),
    'foxglove': ('foxglove_msgs/msg/CompressedVideo', '/foxglove'),
}
"""The message type of each `input.transport`, and what follows the topic `image`."""

VIDEO = ('video', 'ffmpeg', 'foxglove')
"""The transports that bring the packets of a video."""

VIDEO_DEPTH = 30
"""The packets that the middleware keeps while the executor is busy: each one is needed."""

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


def _installed(type_of_images: str, transport: str) -> Any:
    try:
        return message_class(type_of_images)
    except (ImportError, AttributeError) as error:
        package = type_of_images.partition('/')[0]
        raise ConfigError(
            f'input.transport = {transport} needs {package}, which is not installed: '
            f'apt install ros-$ROS_DISTRO-{package.replace("_", "-")}, or choose another transport'
        ) from error


class CameraInput:
    """Subscribes to a camera for as long as it is open.

    prefix: what precedes the names `image` and `camera_info`, such as `front/`.
    on_message(message): an image or a packet of a video as it comes, before anything is done.
    on_image(message), on_camera_info(message): the messages as they come.
    on_lost(count): images that were published but never arrived, by their sequence numbers.
    on_error(error): a picture of a video that is left out. Of a video, frames are passed to
    on_image, and both are called from the thread that decodes.
    video_device: what decodes video, cpu or cuda; ConfigError where that is not possible.
    """

    def __init__(
        self,
        node: Node,
        transport: str,
        prefix: str = '',
        *,
        on_message: Callable[[Any], None],
        on_image: Callable[[Any], None],
        on_camera_info: Callable[[Any], None],
        on_lost: Callable[[int], None],
        on_error: Callable[[Exception], None],
        video_device: str = 'cpu',
    ) -> None:
        self._node = node
        self._on_message = on_message
        self._on_image = on_image
        self._on_lost = on_lost
        self._gaps = Gaps(lambda: self.publishers == 1)
        self._transport = transport
        self._base = str(node.resolve_topic_name(f'{prefix}image'))
        type_of_images, suffix = TRANSPORTS[transport]
        topic = self._base + suffix
        self._on_camera_info = on_camera_info
        self._latched: Any = None
        image_type = _installed(type_of_images, transport)
        self._video: VideoInput | None = None
        if transport in VIDEO:
            # Here, because FFmpeg is loaded for videos only.
            from mfaranet_ros.ros.video_input import open_video

            self._video = open_video(on_image, on_error, video_device)
        depth = 1 if self._video is None else VIDEO_DEPTH
        receive = with_message_info(self._receive)
        self._image = self._subscribe(image_type, topic, receive, depth)
        try:
            topic = f'{prefix}camera_info'
            self._camera_info = self._subscribe(CameraInfo, topic, on_camera_info)
        except Exception:
            node.destroy_subscription(self._image)
            if self._video is not None:
                self._video.close()
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

    def _subscribe(
        self, message_type: Any, topic: str, callback: Callable[..., None], depth: int = 1
    ) -> Any:
        qos = copy.copy(NEWEST_BEST_EFFORT)  # rclpy writes the overrides into it
        qos.depth = depth
        return self._node.create_subscription(
            message_type,
            topic,
            callback,
            qos,
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
            if end.topic_type == own:
                continue
            advice = f'remap {self.topic} to a topic of {own}'
            for transport, (message_type, suffix) in TRANSPORTS.items():
                if end.topic_type == message_type:
                    advice = f'set input.transport to {transport}'
                    if self._base + suffix != self.topic:
                        advice += f' and remap {self._base + suffix} to {self.topic}'
                    break  # images before video, which has the same type
            problems.append(
                f'{node_of(end)} publishes {end.topic_type} on {self.topic}, but '
                f'input.transport = {self._transport} asks for {own}: {advice}'
            )
        return problems

    def _receive(self, message: Any, info: Any) -> None:
        if missed := self._gaps.missed(info):
            self._on_lost(missed)
            if self._video is not None:
                self._video.lost()
        self._on_message(message)
        if self._video is None:
            self._on_image(message)
        else:
            self._video.put(message)

    def close(self) -> int:
        """Unsubscribe; return how many packets of a video were taken and not decoded."""
        left = 0 if self._video is None else self._video.close()
        if self._latched is not None:
            self._node.destroy_subscription(self._latched)
        self._node.destroy_subscription(self._camera_info)
        self._node.destroy_subscription(self._image)
        return left
