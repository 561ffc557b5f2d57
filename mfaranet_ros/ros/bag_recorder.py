# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `bag_recorder`: writes topics into a bag as they arrive and counts what was lost.

It reports its status as lines of JSON on standard output, the last one when the file is complete.
A message is lost before it arrives, which the publisher's sequence numbers show, or here, when
the disk is slower than the messages.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mfaranet_ros.core.config import setting
from mfaranet_ros.core.errors import ConfigError, MfaranetError, OutputError, SourceError
from mfaranet_ros.data.bags.recorder import Recorder, RecordingStatus, Tally, TopicStatus
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import LATCHED, BagWriter
from mfaranet_ros.ros.compatibility import with_message_info
from mfaranet_ros.ros.conversions import message_class
from mfaranet_ros.ros.node_topics import NodeTopics
from mfaranet_ros.ros.parameters import Parameters, refuse_misspelled
from mfaranet_ros.ros.sequence import Gaps

LOOK_S = 0.2
TELL_S = 1.0
DEPTH = 100
"""Messages of one topic that the middleware may keep for us."""

LOST = 3
"""The exit code where messages were lost; the file is complete otherwise."""


@dataclass(frozen=True)
class RecorderConfig:
    """The settings of the recorder."""

    out: str = setting('', 'folder to write the bag to')
    overwrite: bool = setting(False, 'replace an existing bag')
    node: str = setting('segmentation', 'node whose outputs are recorded, with its namespace')
    topics: tuple[str, ...] = setting(
        (),
        'what is recorded: names below the node, or full ones; empty: all it publishes',
        items=str,
    )
    inputs: bool = setting(False, 'also record the topics that the node subscribes to')
    duration_s: float = setting(
        0.0, 'end this long after all topics have appeared; 0: when a signal comes',
        unit='s', low=0.0, high=1e9,
    )  # fmt: skip
    wait_s: float = setting(
        30.0, 'time limit for the topics to appear', unit='s', low=0.0, high=1e9
    )
    queue_mb: float = setting(
        256.0,
        'size of the queue of messages that wait to be written',
        unit='MB',
        low=0.001,
        high=1e6,
    )


@dataclass
class Heard:
    """One topic that is recorded."""

    topic: Topic
    gaps: Gaps
    subscription: Any = field(default=None, repr=False)
    missed: int = 0


class BagRecorder(Node):
    """Subscribes to topics as they appear and records them until it is ended.

    Raises ConfigError or OutputError for what cannot be recorded.
    """

    def __init__(self, finish: Callable[[int], None], **node_arguments: Any) -> None:
        super().__init__('bag_recorder', **node_arguments)
        self._finish = finish
        self.config = Parameters(self, RecorderConfig()).config
        refuse_misspelled(self)
        if not self.config.out:
            raise ConfigError('out is empty: give the folder to write the bag to')
        self._topics = NodeTopics(
            self, self.config.node, self.config.topics, inputs=self.config.inputs
        )
        writer = BagWriter(self.config.out, overwrite=self.config.overwrite)
        self._path = writer.path
        self._recorder = Recorder(writer, queue_bytes=round(self.config.queue_mb * 1e6))
        self._heard: dict[str, Heard] = {}
        self._unknown: dict[str, str] = {}
        self._early: list[tuple[Topic, bytes]] = []
        self._began_s = time.monotonic()
        self._complete_s: float | None = None
        self._told_s = 0.0
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(LOOK_S, self._look, clock=steady)
        self._is_closed = self._has_failed = False

    def start(self) -> None:
        """Nothing to start: it looks for topics once it spins."""

    # -- which topics -----------------------------------------------------------------------

    def _look(self) -> None:
        """Subscribe to what has appeared, and see whether it is time to end or to give up."""
        found = self._topics.wanted()
        for name in found:
            if name not in self._heard and name not in self._unknown:
                self._subscribe(name)
        missing = [name for name in found if name not in {**self._heard, **self._unknown}]
        now_s = time.monotonic()
        if self._complete_s is None and self._topics.has_started(self._heard) and not missing:
            self._complete_s = now_s
        complete_s = self._complete_s
        if self._recorder.problem is not None:
            self._fail(self._recorder.problem)
        elif complete_s is None and now_s - self._began_s > self.config.wait_s:
            self._fail(self._nothing(missing))
        elif complete_s is not None and 0 < self.config.duration_s <= now_s - complete_s:
            self._timer.cancel()
            self._finish(0)
        elif now_s - self._told_s > TELL_S:
            self._told_s = now_s
            self._tell('waiting' if complete_s is None else 'recording')

    def _subscribe(self, name: str) -> None:
        offered = self.get_publishers_info_by_topic(name)
        if not offered:
            return
        type_name = offered[0].topic_type
        try:
            message_type = message_class(type_name)
        except (ImportError, AttributeError):
            self._unknown[name] = type_name
            self.get_logger().warning(
                f'{name} is not recorded: its type {type_name} is not installed'
            )
            return
        profile = _matching(info.qos_profile for info in offered)
        is_latched = profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        topic = Topic(name, type_name, 0, qos=(LATCHED,) if is_latched else ())
        heard = Heard(topic, Gaps(lambda: self.count_publishers(name) == 1))
        self._heard[name] = heard

        def receive(raw: bytes, info: Mapping[str, int]) -> None:
            self._take(heard, raw, info)

        heard.subscription = self.create_subscription(
            message_type, name, with_message_info(receive), profile, raw=True
        )

    def _nothing(self, missing: list[str]) -> SourceError:
        if self._unknown and not missing:
            types = ', '.join(sorted(set(self._unknown.values())))
            return SourceError(f'nothing can be recorded: {types} are not installed')
        return self._topics.nothing(missing, self.config.wait_s)

    # -- messages ---------------------------------------------------------------------------

    def _take(self, heard: Heard, raw: bytes, info: Mapping[str, int]) -> None:
        heard.missed += heard.gaps.missed(info)
        now_ns = self.get_clock().now().nanoseconds
        if now_ns:
            self._put_early(now_ns)
            self._recorder.put(heard.topic, raw, now_ns)
        else:
            self._early.append((heard.topic, raw))  # /clock has not been published yet

    def _put_early(self, now_ns: int) -> None:
        """Record what arrived before the clock was known."""
        for topic, raw in self._early:
            self._recorder.put(topic, raw, now_ns)
        self._early.clear()

    # -- how it stands ----------------------------------------------------------------------

    def _status(self, state: str) -> RecordingStatus:
        topics = {}
        for name, heard in self._heard.items():
            tally = self._recorder.tallies.get(name, Tally())
            topics[name] = TopicStatus(
                heard.topic.type, tally.written, heard.missed, tally.overrun
            )
        return RecordingStatus(state, str(self._path), topics, self._unknown)

    def _tell(self, state: str) -> None:
        print(self._status(state).to_json(), flush=True)

    # -- the end ----------------------------------------------------------------------------

    def _fail(self, error: MfaranetError) -> None:
        if not self._has_failed:
            print(f'error: {error}', file=sys.stderr, flush=True)
        self._has_failed = True
        self._timer.cancel()
        self._finish(2)

    def close(self) -> None:
        """Write what waits, close the file and report for the last time."""
        if self._is_closed:
            return
        self._is_closed = True
        self._put_early(time.time_ns())
        try:
            self._recorder.finish()
        except OutputError as error:
            self._fail(error)
        status = self._status('written')
        if status.written:
            if status.lost:
                self._finish(LOST)
            self._tell('written')
        else:
            _remove_empty(self._path)
            self._tell('empty')


def _matching(offered: Iterable[QoSProfile]) -> QoSProfile:
    """Return a profile that fits all that is offered and asks for no less than it must."""
    profiles = list(offered)
    reliable = all(each.reliability == ReliabilityPolicy.RELIABLE for each in profiles)
    latched = all(each.durability == DurabilityPolicy.TRANSIENT_LOCAL for each in profiles)
    return QoSProfile(
        depth=DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _remove_empty(path: Path) -> None:
    """Remove a bag without a message, so that it is not in the way."""
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
