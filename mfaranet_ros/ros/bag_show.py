# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Plays a recorded bag as it was recorded.

Messages are published as the recorded bytes: the camera's on `image` (or `image/compressed`) and
`camera_info`, all others under their own names. /clock is the time of the recording. A pass
begins with /clock a margin before the first message and ends a margin after the last one, so that
a subscriber never handles a message of one pass by the clock of another.

There are two paces. With `time` messages are published at the times of the log. With `answer` an
image is published when the mask of the one before has arrived, so that the node processes all.
"""

from __future__ import annotations

import time
from typing import Any

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.data.bags.playback import BagCursor, BagPlayback, header_stamp_ns
from mfaranet_ros.data.bags.reader import BagMessage
from mfaranet_ros.data.playback_clock import BagTime
from mfaranet_ros.ros.bag_publishers import RELIABLE, BagPublishers
from mfaranet_ros.ros.player_config import PlayerConfig

NEWEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
MARGIN_S = 0.1
"""Of the steady clock, from a jump of /clock to the first message and from the last to a jump."""

LAST_WORD_S = 1.1
LINGER_S = 1.0
"""How long the recording's time runs on after its end, at least, and of the steady clock."""

SAY_S = 0.1
"""Of the steady clock, from the player's last status to its end."""

CLOCK_LEAD_S = 0.005
"""Of the steady clock, by which /clock precedes an image that waits for its answer."""

LOOK_S = 0.05
AT_ONCE = 100
"""Messages that are published at most before the executor serves other callbacks."""

TRUNCATED = 3
"""The exit code of a truncated bag, whose readable part was played."""


class BagShow:
    """Publishes a recording with its clock.

    player: the node; it calls `begin` once there are subscribers, and its `end` is called.
    """

    def __init__(self, player: Any, recording: BagPlayback) -> None:
        self._player = player
        self._config: PlayerConfig = player.config
        self._recording = recording
        self._time = BagTime(self._config.rate)
        self._clock = player.create_publisher(Clock, '/clock', NEWEST)
        self._publishers = BagPublishers(player, recording)
        self.image = self._publishers.image
        self._cursor = BagCursor(recording)  # without what cannot be published
        self._camera_info: BagMessage | None = None
        self._sent = self._unanswered = self._gaps = 0
        self._late_ms = 0.0
        self._played_ns = self._first_ns = self._last_ns = self._told_ns = self._end_ns = 0
        self._awaited_ns: int | None = None
        self._give_up_s = 0.0
        self._answers: Any = None
        if self._config.pace == 'answer':
            self._answers = player.create_subscription(
                Image, self._config.answer_topic, self._take_answer, RELIABLE, raw=True
            )

    # -- what the player asks ---------------------------------------------------------------

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return self._recording.name

    @property
    def awaited(self) -> str:
        """What it waits for before the first message, besides subscribers of the image."""
        if self._answers is None or self._player.count_publishers(self._answers.topic_name):
            return ''
        return f'a publisher of {self._answers.topic_name}, whose masks are the answers'

    def describe(self) -> str:
        """Return what will be played, and on which topic."""
        camera, config = self._recording.camera, self._config
        pace = f'{config.rate:g} times as fast as recorded'
        if self._answers is not None:
            pace = f'one by one, as {self._answers.topic_name} answers'
        info = camera.info.name if camera.info else 'none'
        text = (
            f'{camera.image.name} of {self.name} on {self.image.topic_name}, {pace}; '
            f'camera_info: {info}'
        )
        notes = [*self._recording.bag.notes]
        if missing := self._publishers.not_installed:
            types = ', '.join(missing)
            notes.append(f'not played, as their types are not installed: {types}')
        return '; '.join((text, *notes))

    @property
    def events(self) -> str:
        """What went wrong so far without ending the playback."""
        unanswered = f'{self._unanswered} images not answered' if self._unanswered else ''
        gaps = f'{self._gaps} gaps in the log cut' if self._gaps else ''
        found = (unanswered, gaps, self._cursor.oddities, self._recording.bag.truncated)
        return '; '.join(text for text in found if text)

    @property
    def summary(self) -> str:
        """What was played, for the log at the end."""
        text = f'{self._sent} images sent, {self._publishers.count} messages in all'
        return f'{text}; {self.events}' if self.events else text

    @property
    def values(self) -> tuple[tuple[str, str], ...]:
        """What the diagnostics show."""
        return (
            ('rate', f'{self._config.rate:g}'),
            ('pace', self._config.pace),
            ('pass', str(self._cursor.passes)),
            ('images_sent', str(self._sent)),
            ('messages_sent', str(self._publishers.count)),
            ('images_not_answered', str(self._unanswered)),
            ('gaps_cut', str(self._gaps)),
            ('late_ms_max', f'{self._late_ms:.3f}'),
            ('stamps_repeated', str(self._cursor.stamps.repeated.count)),
            ('stamps_backward', str(self._cursor.stamps.backward.count)),
        )

    def close(self) -> None:
        """Free what it holds."""
        self._recording.bag.close()

    # -- from the beginning of a pass to its end --------------------------------------------

    def begin(self) -> None:
        """Start playing."""
        try:
            for message in self._recording.latched():
                self._publishers.publish(message)
            self._camera_info = self._recording.earlier_camera_info()
        except MfaranetError as error:
            self._player.fail(error)
            return
        self._begin_pass()

    def _begin_pass(self) -> None:
        """Set /clock to shortly before the first message and play from there."""
        if self._camera_info is not None:
            self._publishers.publish(self._camera_info)
        first = self._cursor.next_message
        if first is None:  # an empty recording, which `rewind` refuses
            self._end()
            return
        self._first_ns = self._last_ns = first.time_ns
        self._time.set(first.time_ns - self._margin_ns, time.monotonic_ns())
        self._publish_clock(first.time_ns - self._margin_ns)
        if self._answers is None:
            self._timer = self._player.call_every(1 / self._config.clock_rate_hz, self._keep_time)
        else:
            self._player.call_every(MARGIN_S, self._play_to_next_image)

    @property
    def _margin_ns(self) -> int:
        return round(MARGIN_S * self._config.rate * 1e9)

    def _is_over(self, bag_ns: int) -> bool:
        """Return whether duration_s of the recording have been played."""
        played_ns = self._played_ns + bag_ns - self._first_ns
        return 0 < self._config.duration_s * 1e9 <= played_ns

    def _end_pass(self) -> None:
        """Restart where it loops, else end."""
        if not self._config.loop:
            self._end()
            return
        self._played_ns += self._last_ns - self._first_ns
        try:
            self._cursor.rewind()
        except MfaranetError as error:
            self._player.fail(error)
            return
        self._player.get_logger().info(f'restart: pass {self._cursor.passes}')
        self._begin_pass()

    def _end(self) -> None:
        """Let the clock run on, so that nodes on it publish their last diagnostics, and end."""
        steady_ns = time.monotonic_ns()
        bag_ns = self._told_ns
        self._time = BagTime(max(self._config.rate, LAST_WORD_S / LINGER_S))
        self._time.set(bag_ns, steady_ns)
        self._end_ns = steady_ns + round(LINGER_S * 1e9)
        self._player.call_every(1 / self._config.clock_rate_hz, self._run_out)

    def _run_out(self) -> None:
        steady_ns = time.monotonic_ns()
        self._publish_clock(self._time.now_ns(steady_ns))
        if steady_ns < self._end_ns:
            return
        if truncated := self._recording.bag.truncated:
            self._player.get_logger().warning(truncated)
        self._player.end(TRUNCATED if truncated else 0, linger_s=SAY_S)

    def _publish_clock(self, bag_ns: int) -> None:
        self._told_ns = bag_ns
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(max(0, bag_ns), 10**9)
        self._clock.publish(message)

    def _play(self, message: BagMessage) -> None:
        """Publish the message that is due and read the next one."""
        self._cursor.take()
        self._publishers.publish(message)
        self._last_ns = message.time_ns
        if self._is_image(message):
            self._sent += 1
            self._cursor.watch_stamp(header_stamp_ns(message.raw))
        self._cut_gap()

    def _cut_gap(self) -> None:
        """Set the time to shortly before the next message if that is too far away."""
        message, limit_ns = self._cursor.next_message, self._config.max_gap_s * 1e9
        gap_ns = 0 if message is None else message.time_ns - self._last_ns
        if message is None or not 0 < limit_ns < gap_ns:
            return
        self._gaps += 1
        cut_ns = gap_ns - self._margin_ns
        self._first_ns += cut_ns  # what was cut counts as not played
        self._time.set(message.time_ns - self._margin_ns, time.monotonic_ns())
        self._player.get_logger().warning(
            f'a gap of {gap_ns / 1e9:.0f} s in the log is cut (max_gap_s = '
            f'{self._config.max_gap_s:g}): /clock jumps'
        )

    def _is_image(self, message: BagMessage) -> bool:
        return message.topic.name == self._recording.camera.image.name

    # -- by time ----------------------------------------------------------------------------

    def _keep_time(self) -> None:
        """Publish the time and what is due, and schedule the next call."""
        now_ns = self._time.now_ns(time.monotonic_ns())
        self._publish_clock(now_ns)
        if self._is_over(now_ns):
            return self._end()
        for _ in range(AT_ONCE):
            message = self._cursor.next_message
            if message is None or message.time_ns > now_ns:
                break
            late_ms = (now_ns - message.time_ns) / self._config.rate / 1e6
            self._late_ms = max(self._late_ms, late_ms)
            self._play(message)
        if self._cursor.next_message is None and now_ns > self._last_ns + self._margin_ns:
            return self._end_pass()
        return self._call_again()

    def _call_again(self) -> None:
        """Schedule the next call for the next message or the next /clock."""
        wait_s, message = 1 / self._config.clock_rate_hz, self._cursor.next_message
        if message is not None:
            until_s = self._time.until_s(message.time_ns, time.monotonic_ns())
            wait_s = min(wait_s, max(0.0, until_s))
        self._timer.timer_period_ns = max(1, round(wait_s * 1e9))
        self._timer.reset()

    # -- by answer --------------------------------------------------------------------------

    def _play_to_next_image(self) -> None:
        """Play what was logged before the next image, and publish its time."""
        while (message := self._cursor.next_message) is not None and not self._is_image(message):
            self._publish_clock(message.time_ns)
            self._play(message)
        if message is not None and not self._is_over(message.time_ns):
            self._publish_clock(message.time_ns)
            self._player.call_every(CLOCK_LEAD_S, lambda: self._ask(message))
        elif message is not None:
            self._end()
        else:
            self._publish_clock(self._last_ns + self._margin_ns)
            self._player.call_every(MARGIN_S, self._end_pass)

    def _ask(self, message: BagMessage) -> None:
        self._awaited_ns = header_stamp_ns(message.raw)
        self._give_up_s = time.monotonic() + self._config.answer_timeout_s
        self._player.call_every(LOOK_S, self._look)
        self._play(message)

    def _take_answer(self, raw: bytes) -> None:
        if header_stamp_ns(raw) == self._awaited_ns:
            self._awaited_ns = None
            self._play_to_next_image()

    def _look(self) -> None:
        """Go on without an answer when there was none for too long."""
        if time.monotonic() > self._give_up_s:
            self._unanswered += 1
            self._awaited_ns = None
            self._play_to_next_image()
