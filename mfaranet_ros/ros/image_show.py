# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Plays images, a video or the synthetic scene as a camera would publish them.

It publishes `image` (or `image/compressed`), `camera_info` and, for images with labels, `truth`.
An image is read and converted right after the one before was sent, so that it is ready when it is
due; it is stamped with the node's clock when it is sent.
"""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.calibration_file import (
    check_size,
    nominal_camera_info,
    read_calibration,
)
from mfaranet_ros.data.image_sources import ImageCursor, Source, SourceImage
from mfaranet_ros.data.playback_clock import Pace
from mfaranet_ros.data.synthetic_source import SceneSource, ground_settings, mounting
from mfaranet_ros.pipeline import encode, messages
from mfaranet_ros.ros.conversions import message_class, to_message
from mfaranet_ros.ros.player_config import PlayerConfig
from mfaranet_ros.ros.scene_sensors import SceneSensors

QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Reliable, so that subscribers of both kinds match."""

LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
BASE_FRAME = 'base_link'
JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class Prepared:
    """The messages of one image, complete but for the stamp."""

    messages: tuple[tuple[Any, Any], ...]
    has_ground_truth: bool
    index: int = 0

    def publish(self, stamp: Any) -> None:
        """Publish the messages of one image with this stamp."""
        for publisher, message in self.messages:
            message.header.stamp = stamp
            publisher.publish(message)


class ImageShow:
    """Publishes the images of a source one by one, at their rate.

    player: the node; it calls `begin` once there are subscribers, and its `end` is called.
    Raises SourceError or CalibrationError for what cannot be played.
    """

    def __init__(self, player: Any, source: Source) -> None:
        self._player = player
        self.config: PlayerConfig = player.config
        self._source = source
        self._cursor = ImageCursor(source, loop=self.config.loop)
        self._rate_hz = self.config.rate_hz or source.rate_hz
        self._calibration = (
            read_calibration(self.config.calibration)
            if self.config.calibration
            else source.camera_info
        )
        self._sent = self._ground_truths = 0
        self._last_stamp_ns = 0
        self._paced_by = self._make_clock()
        self._pace = Pace(self._rate_hz)
        self._create_publishers()
        first = self._cursor.next()
        if self._calibration is not None and first is not None:
            check_size(self._calibration, *first.size, first.name)
        self._next = self._prepare(first)

    def _make_clock(self) -> Any:
        """Return the clock of the pace: steady, or the simulated time where that is in use."""
        if self._player.get_parameter('use_sim_time').value:
            return self._player.get_clock()
        return Clock(clock_type=ClockType.STEADY_TIME)

    def _create_publishers(self) -> None:
        image_type, topic = Image, self._player.resolve_topic_name('image')
        if self.config.transport == 'compressed':
            image_type, topic = CompressedImage, topic + '/compressed'
        self.image = self._create(image_type, topic)
        has_camera = self._calibration is not None or self.config.hfov_deg > 0
        self._camera_info = self._create(CameraInfo, 'camera_info') if has_camera else None
        self._ground_truth = (
            self._create(Image, 'truth') if self._source.has_ground_truth else None
        )
        self._sensors: SceneSensors | None = None
        if isinstance(self._source, SceneSource):
            self._publish_mounting(self._source)
            if self._source.scene.options.sensors:
                self._sensors = SceneSensors(self._player, self._source.scene)

    def _publish_mounting(self, source: SceneSource) -> None:
        """Publish the mounting of the camera on /tf_static; log it where tf2_msgs is missing."""
        camera = source.scene.camera
        header = encode.header(self._player.get_clock().now().nanoseconds, BASE_FRAME)
        try:
            transforms = message_class('tf2_msgs/msg/TFMessage')
        except ImportError:
            values = ' '.join(f'{name}:={v:g}' for name, v in ground_settings(camera).items())
            self._player.get_logger().info(f'the camera is at {values}')
            return
        publisher = self._player.create_publisher(transforms, '/tf_static', LATCHED)
        publisher.publish(to_message(mounting(camera, header, self.config.frame_id)))

    def _create(self, message_type: Any, topic: str) -> Any:
        options = QoSOverridingOptions.with_default_policies()
        qos = copy.copy(QOS)  # rclpy writes the overrides into it
        return self._player.create_publisher(
            message_type, topic, qos, qos_overriding_options=options
        )

    # -- what the player asks ---------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return self._source.name

    @property
    def awaited(self) -> str:
        """What it waits for before the first image, besides subscribers of the image."""
        return ''

    def describe(self) -> str:
        """Return what will be played, and on which topic."""
        camera = 'none' if self._camera_info is None else 'as calibrated'
        if self._camera_info is not None and self._calibration is None:
            camera = f'nominal, {self.config.hfov_deg:g} deg wide'
        return (
            f'{self.name} at {self._rate_hz:g} Hz on {self.image.topic_name}, '
            f'camera_info: {camera}'
        )

    @property
    def events(self) -> str:
        """What went wrong so far without ending the playback."""
        if not self._cursor.skipped and not self._pace.missed:
            return ''
        return f'{self._cursor.skipped} images skipped, {self._pace.missed} moments missed'

    @property
    def summary(self) -> str:
        """What was played, for the log at the end."""
        return (
            f'{self._sent} images sent, {self._cursor.skipped} skipped, '
            f'{self._pace.missed} moments missed'
        )

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """What the diagnostics show."""
        return (
            ('rate_hz', f'{self._rate_hz:g}'),
            ('images_sent', str(self._sent)),
            ('truths_sent', str(self._ground_truths)),
            ('images_skipped', str(self._cursor.skipped)),
            ('moments_missed', str(self._pace.missed)),
        )

    def begin(self) -> None:
        """Start playing."""
        self._began_ns = self._paced_by.now().nanoseconds
        self._player.call_every(1.0 / self._rate_hz, self._tick, clock=self._paced_by)

    def close(self) -> None:
        """Publishers end with the node."""

    # -- one image ------------------------------------------------------------------------

    def _tick(self) -> None:
        now_ns = self._paced_by.now().nanoseconds
        if self._pace.tick(now_ns):
            self._play_one(now_ns)

    def _play_one(self, now_ns: int) -> None:
        duration_ns = self.config.duration_s * 1e9
        if self._next is None or 0 < duration_ns <= now_ns - self._began_ns:
            self._player.end()
            return
        stamp = self._stamp()
        if self._sensors is not None:
            self._sensors.publish(self._next.index, stamp)
        self._next.publish(stamp)
        self._sent += 1
        self._ground_truths += self._next.has_ground_truth
        try:
            self._next = self._prepare(self._cursor.next())
        except MfaranetError as error:
            self._player.fail(error)

    def _prepare(self, image: SourceImage | None) -> Prepared | None:
        if image is None:
            return None
        header = encode.header(0, self.config.frame_id)
        values = [(self.image, self._image_value(image, header))]
        if self._camera_info is not None:
            # First, so that the image finds its calibration there.
            calibration = self._calibration or nominal_camera_info(
                *image.size, self.config.hfov_deg
            )
            value = dataclasses.replace(calibration, header=header)
            values.insert(0, (self._camera_info, value))
        if self._ground_truth is not None and image.ground_truth is not None:
            values.append((self._ground_truth, encode.mono8(header, image.ground_truth)))
        return Prepared(
            tuple((publisher, to_message(value)) for publisher, value in values),
            has_ground_truth=image.ground_truth is not None,
            index=image.number,
        )

    def _image_value(self, image: SourceImage, header: messages.Header) -> Any:
        frame = Frame(image.pixels, image.encoding, 0, self.config.frame_id)
        if self.config.transport == 'raw':
            return encode.image(frame)
        if image.file is None:
            return encode.compressed_image(frame, 'jpeg', JPEG_QUALITY)
        return messages.CompressedImage(header, image.format, np.frombuffer(image.file, np.uint8))

    def _stamp(self) -> Any:
        """Return the time of the node's clock, later than any stamp before.

        Only a clock that was set back by more than an image's interval takes stamps back with it.
        """
        now = self._player.get_clock().now()
        behind_ns = self._last_stamp_ns - now.nanoseconds
        if 0 <= behind_ns < 1e9 / self._rate_hz:
            stamp = encode.header(self._last_stamp_ns + 1, '').stamp
            self._last_stamp_ns += 1
            return to_message(stamp)
        if behind_ns > 0:
            self._player.get_logger().warning(f'the clock was set back by {behind_ns / 1e9:.3f} s')
        self._last_stamp_ns = now.nanoseconds
        return now.to_msg()
