"""The node `player`: recorded pictures as a camera would publish them.

It publishes `image` (or `image/compressed`), `camera_info` and, where the pictures have labels,
`truth`. A picture is read and converted while the one before is on its way, so that it goes out
at its moment; it is stamped with the node's clock at that moment.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mfaranet_ros.errors import MfaranetError
from mfaranet_ros.frame import Frame
from mfaranet_ros.pipeline import encode, messages
from mfaranet_ros.pipeline.monitor import Level
from mfaranet_ros.pipeline.status import Status
from mfaranet_ros.playback.calibration_file import (
    check_size,
    nominal_camera_info,
    read_calibration,
)
from mfaranet_ros.playback.pace import Pace
from mfaranet_ros.playback.sources import Picture, Reel
from mfaranet_ros.ros.conversions import to_message
from mfaranet_ros.ros.diagnostics import DiagnosticsPublisher
from mfaranet_ros.ros.logs import forward_logs
from mfaranet_ros.ros.parameters import Parameters, refuse_unknown
from mfaranet_ros.ros.player_config import PlayerConfig, open_source

QOS = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
"""Reliable, so that subscribers of both kinds match."""

WATCH_PERIOD_S = 0.05
SETTLE_S = 0.5
"""From the first sign of a subscriber to the first picture; both sides must know each other."""

LINGER_S = 1.0
"""From the last picture to the end, so that the middleware can deliver it."""

REMIND_S = 10.0

JPEG_QUALITY = 95


@dataclass(frozen=True, eq=False)
class Prepared:
    """The messages of one picture, which lack nothing but the stamp."""

    messages: tuple[tuple[Any, Any], ...]
    has_truth: bool

    def publish(self, stamp: Any) -> None:
        for publisher, message in self.messages:
            message.header.stamp = stamp
            publisher.publish(message)


class PlayerNode(Node):
    """Plays once it is listened to, and ends the process by finish(0) when it is through.

    Raises ConfigError, SourceError or CalibrationError for what cannot be played.
    """

    def __init__(self, finish: Callable[[int], None], **node_arguments: Any) -> None:
        super().__init__('player', **node_arguments)
        self._finish = finish
        self.config = Parameters(self, PlayerConfig()).config
        refuse_unknown(self)
        self._logs = forward_logs(self.get_logger())
        self._source = open_source(self.config)
        self._reel = Reel(self._source, loop=self.config.loop)
        self._rate_hz = self.config.rate_hz or self._source.rate_hz
        self._calibration = (
            read_calibration(self.config.calibration) if self.config.calibration else None
        )
        self._state = 'waiting'
        self._problem = ''
        self._sent = self._truths = 0
        self._last_stamp_ns = 0
        self._paced_by = self._make_clock()
        self._pace = Pace(self._rate_hz)
        self._timer: Any = None
        self._create_publishers()
        first = self._reel.next()
        if self._calibration is not None and first is not None:
            check_size(self._calibration, *first.size, first.name)
        self._next = self._prepare(first)
        self._diagnostics = DiagnosticsPublisher(self, self._report)

    def _make_clock(self) -> Any:
        """Return the clock of the pace: steady, or the simulated time where that is in use."""
        if self.get_parameter('use_sim_time').value:
            return self.get_clock()
        return Clock(clock_type=ClockType.STEADY_TIME)

    def _create_publishers(self) -> None:
        image_type, topic = Image, self.resolve_topic_name('image')
        if self.config.transport == 'compressed':
            image_type, topic = CompressedImage, topic + '/compressed'
        self._image = self._create(image_type, topic)
        has_camera = self._calibration is not None or self.config.hfov_deg > 0
        self._camera_info = self._create(CameraInfo, 'camera_info') if has_camera else None
        self._truth = self._create(Image, 'truth') if self._source.has_truth else None

    def _create(self, message_type: Any, topic: str) -> Any:
        options = QoSOverridingOptions.with_default_policies()
        qos = copy.copy(QOS)  # rclpy writes the overrides into it
        return self.create_publisher(message_type, topic, qos, qos_overriding_options=options)

    # -- from waiting to the end ------------------------------------------------------------

    def start(self) -> None:
        """Wait until someone listens."""
        camera = 'none' if self._camera_info is None else 'as calibrated'
        if self._camera_info is not None and self._calibration is None:
            camera = f'nominal, {self.config.hfov_deg:g} deg wide'
        self.get_logger().info(
            f'{self._source.name} at {self._rate_hz:g} Hz on {self._image.topic_name}, '
            f'camera_info: {camera}'
        )
        self._waits = 0
        self._after(WATCH_PERIOD_S, self._watch_for_subscribers)

    def _after(self, seconds: float, do: Callable[[], None], clock: Any = None) -> None:
        """Call something periodically, instead of what was called so far."""
        if self._timer is not None:
            self._timer.cancel()
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(seconds, do, clock=clock or steady)

    def _watch_for_subscribers(self) -> None:
        found, wanted = self._image.get_subscription_count(), self.config.wait_for_subscribers
        if found >= wanted:
            self._after(SETTLE_S if wanted else WATCH_PERIOD_S, self._begin)
            return
        if self._waits % round(REMIND_S / WATCH_PERIOD_S) == 0:
            self.get_logger().info(
                f'waiting for subscribers of {self._image.topic_name}: {found} of {wanted}'
            )
        self._waits += 1

    def _begin(self) -> None:
        self._state = 'playing'
        self._began_ns = self._paced_by.now().nanoseconds
        self._after(1.0 / self._rate_hz, self._tick, clock=self._paced_by)

    def _tick(self) -> None:
        now_ns = self._paced_by.now().nanoseconds
        if self._pace.tick(now_ns) and self._state == 'playing':
            self._play_one(now_ns)

    def _play_one(self, now_ns: int) -> None:
        duration_ns = self.config.duration_s * 1e9
        if self._next is None or 0 < duration_ns <= now_ns - self._began_ns:
            self._end('through')
            return
        self._next.publish(self._stamp())
        self._sent += 1
        self._truths += self._next.has_truth
        try:
            self._next = self._prepare(self._reel.next())
        except MfaranetError as error:
            self._fail(error)

    def _end(self, state: str) -> None:
        self._state = state
        self._after(LINGER_S, lambda: self._finish(0))
        self.get_logger().info(
            f'{state}: {self._sent} pictures sent, {self._reel.skipped} skipped, '
            f'{self._pace.missed} moments missed'
        )
        self._diagnostics.publish()

    def _fail(self, error: MfaranetError) -> None:
        self._state, self._problem = 'failed', str(error)
        self.get_logger().error(f'{error}')
        self._diagnostics.publish()
        self._finish(1)

    def close(self) -> None:
        """Free what the player holds; publishers end with the node."""
        self._logs.close()

    # -- one picture ------------------------------------------------------------------------

    def _prepare(self, picture: Picture | None) -> Prepared | None:
        if picture is None:
            return None
        header = encode.header(0, self.config.frame_id)
        values = [(self._image, self._image_value(picture, header))]
        if self._camera_info is not None:
            # First, so that the picture finds its calibration there.
            calibration = self._calibration or nominal_camera_info(
                *picture.size, self.config.hfov_deg
            )
            value = dataclasses.replace(calibration, header=header)
            values.insert(0, (self._camera_info, value))
        if self._truth is not None and picture.truth is not None:
            values.append((self._truth, encode.mono8(header, picture.truth)))
        return Prepared(
            tuple((publisher, to_message(value)) for publisher, value in values),
            has_truth=picture.truth is not None,
        )

    def _image_value(self, picture: Picture, header: messages.Header) -> Any:
        frame = Frame(picture.pixels, picture.encoding, 0, self.config.frame_id)
        if self.config.transport == 'raw':
            return encode.image(frame)
        if picture.file is None:
            return encode.compressed_image(frame, 'jpeg', JPEG_QUALITY)
        return messages.CompressedImage(
            header, picture.format, np.frombuffer(picture.file, np.uint8)
        )

    def _stamp(self) -> Any:
        """Return the present time of the node's clock, later than any stamp before.

        Only a clock that was set back by more than a picture's interval takes stamps back with it.
        """
        now = self.get_clock().now()
        behind_ns = self._last_stamp_ns - now.nanoseconds
        if 0 <= behind_ns < 1e9 / self._rate_hz:
            stamp = encode.header(self._last_stamp_ns + 1, '').stamp
            self._last_stamp_ns += 1
            return to_message(stamp)
        if behind_ns > 0:
            self.get_logger().warning(f'the clock was set back by {behind_ns / 1e9:.3f} s')
        self._last_stamp_ns = now.nanoseconds
        return now.to_msg()

    # -- diagnostics ------------------------------------------------------------------------

    def _report(self) -> Iterable[Status]:
        skipped, missed = self._reel.skipped, self._pace.missed
        level, text = Level.OK, self._state
        if self._state == 'failed':
            level, text = Level.ERROR, self._problem
        elif skipped or missed:
            level = Level.WARN
            text += f': {skipped} pictures skipped, {missed} moments missed'
        values = (
            ('source', self._source.name),
            ('state', self._state),
            ('rate_hz', f'{self._rate_hz:g}'),
            ('pictures_sent', str(self._sent)),
            ('truths_sent', str(self._truths)),
            ('pictures_skipped', str(skipped)),
            ('moments_missed', str(missed)),
        )
        return (Status('source', level, text, values),)
