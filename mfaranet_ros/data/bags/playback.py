# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A bag as it is played: its chosen topics from a start time, in the order of the log.

The stored bytes are played, so every header stamp stays as it was recorded.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.cameras import choose_camera
from mfaranet_ros.data.bags.reader import Bag, BagMessage
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import ALWAYS_LATCHED
from mfaranet_ros.data.stamps import StampWatch

TRANSFORMS = ('/tf', '/tf_static')
"""What the node listens to besides the camera."""

NOT_PLAYED = ('/clock', '/rosout', '/parameter_events')
"""Topics that belong to the recorded system: the player publishes its own clock."""

LATCHED_AT_MOST = 100
"""The messages of one topic that are kept for late subscribers."""


class BagPlayback:
    """An open bag, its camera and the other topics that are played with it.

    image_topic, camera_info_topic: of the camera; empty: the only one there is, and the
    calibration beside it. everything: play all other topics, not the transforms alone.
    start_s: leave out what was logged in the first seconds, but for latched messages.
    Raises SourceError for a camera that is not there.
    """

    def __init__(
        self,
        bag: Bag,
        *,
        image_topic: str = '',
        camera_info_topic: str = '',
        everything: bool = False,
        start_s: float = 0.0,
    ) -> None:
        self.bag = bag
        self.camera = choose_camera(bag, _with_transport(bag, image_topic), camera_info_topic)
        self._of_camera = {topic.name for topic in (self.camera.image, self.camera.info) if topic}
        self.others = tuple(
            topic
            for topic in bag.topics.values()
            if topic.count
            and topic.name not in self._of_camera
            and (topic.name in TRANSFORMS or (everything and topic.name not in NOT_PLAYED))
        )
        first_ns, last_ns = bag.span_ns
        self._start_ns = first_ns + round(start_s * 1e9)
        if self._start_ns > last_ns:
            raise SourceError(
                f'{bag.name} is {(last_ns - first_ns) / 1e9:.1f} s long: start_s = {start_s:g} '
                'is after its end'
            )

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return self.bag.name

    def leave_out(self, topic: Topic) -> None:
        """Play without one of the other topics."""
        self.others = tuple(other for other in self.others if other is not topic)

    def latched(self) -> Iterator[BagMessage]:
        """Yield the messages that must be known before anything else is played."""
        topics = [topic.name for topic in self.others if is_latched(topic)]
        if topics:
            yield from self.bag.messages(topics)

    def earlier_camera_info(self) -> BagMessage | None:
        """Return the last CameraInfo that was logged before the part that is played, or None.

        It holds for the first image, also where it was published only once.
        """
        info = self.camera.info
        if info is None or self._start_ns <= self.bag.span_ns[0]:
            return None
        earlier = deque(self.bag.messages([info.name], stop_ns=self._start_ns), maxlen=1)
        return earlier[-1] if earlier else None

    def __iter__(self) -> Iterator[BagMessage]:
        topics = [*self._of_camera, *(topic.name for topic in self.others)]
        return self.bag.messages(topics, start_ns=self._start_ns)


class BagCursor:
    """Takes the messages of a recording one after the other; `rewind` restarts.

    stamps: of the images of the first pass.
    """

    def __init__(self, recording: BagPlayback) -> None:
        self._recording = recording
        self.stamps = StampWatch()
        self.passes = 0
        self.rewind()

    def rewind(self) -> None:
        """Go to the beginning: `next_message` is the first one. Raises SourceError without one."""
        self.passes += 1
        self._messages = iter(self._recording)
        self.next_message = next(self._messages, None)
        if self.next_message is None:
            raise SourceError(
                f'{self._recording.name} has no message of {self._recording.camera.image.name} '
                f'that can be read{self._why()}'
            )

    def _why(self) -> str:
        truncated = self._recording.bag.truncated
        return f': {truncated}' if truncated else ''

    def take(self) -> BagMessage | None:
        """Return the next message and move on; None at the end of a pass."""
        taken = self.next_message
        if taken is not None:
            self.next_message = next(self._messages, None)
        return taken

    def watch_stamp(self, stamp_ns: int) -> None:
        """Take note of the stamp of an image."""
        if self.passes == 1:
            self.stamps.add(stamp_ns)

    @property
    def oddities(self) -> str:
        """What is odd about the stamps of the images, empty if nothing is."""
        found = (
            (self.stamps.repeated, 'repeated stamps'),
            (self.stamps.backward, 'stamps that go back in time'),
        )
        return ', '.join(f'{named} {what}' for named, what in found if named.count)


def is_latched(topic: Topic) -> bool:
    """Return whether the old messages of a topic are kept for latecomers."""
    durabilities = {getattr(profile.durability, 'name', '') for profile in topic.qos}
    return topic.name in ALWAYS_LATCHED or 'TRANSIENT_LOCAL' in durabilities


def header_stamp_ns(raw: bytes | memoryview) -> int:
    """Return the stamp of a message that begins with a header, from its bytes in CDR, in ns."""
    little_endian = raw[1] & 1
    sec, nanosec = struct.unpack_from('<iI' if little_endian else '>iI', raw, 4)
    return int(sec) * 10**9 + int(nanosec)


def _with_transport(bag: Bag, image_topic: str) -> str:
    """Return the compressed topic where only that of the name was recorded."""
    known = {name.lstrip('/') for name in bag.topics}
    name = image_topic.lstrip('/')
    if name not in known and f'{name}/compressed' in known:
        return f'{image_topic}/compressed'
    return image_topic
