# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What one file of a recording is to its readers: topics, and messages in time order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeVar

from rosbags.rosbag2 import metadata

ENCODINGS = {'ros2msg': 'ros2msg', 'ros2idl': 'ros2idl', 'omgidl': 'ros2idl'}
"""How files call the two languages of definitions, and what we call them."""


def parse_qos(text: str) -> tuple[Any, ...]:
    """Return the QoS profiles that a bag holds as YAML, none where they cannot be read."""
    try:
        return tuple(metadata.parse_qos(text))
    except Exception:  # of many kinds, and playing falls back to the usual profile
        return ()


@dataclass(frozen=True)
class Topic:
    """One topic of a recording.

    type: such as `sensor_msgs/msg/Image`. definition: the text of the message's definition where
    the file holds it, of `encoding` ros2msg or ros2idl, else both are empty.
    qos: what its publishers offered, as rosbags reads it.
    """

    name: str
    type: str
    count: int
    encoding: str = ''
    definition: str = ''
    serialization: str = 'cdr'
    qos: tuple[Any, ...] = ()


class Record(NamedTuple):
    """One message as it is stored; time_ns: when it was logged."""

    topic: str
    time_ns: int
    raw: bytes | memoryview


class Storage(Protocol):
    """One file of a recording.

    span_ns: when its first and its last message were logged, None where it has no message.
    damage: what is missing of it, empty for a whole file; it may be found while reading.
    """

    topics: tuple[Topic, ...]
    damage: str

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last log time in nanoseconds, or None without messages."""

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages of these topics with start_ns <= time_ns < stop_ns in time order."""
        ...

    def close(self) -> None:
        """Free what it holds."""


class Part(Protocol):
    """A part of a file, whose messages were logged from first_ns on."""

    @property
    def first_ns(self) -> int:
        """Log time of the first message in nanoseconds."""


P = TypeVar('P', bound=Part)


def in_time_order(parts: Iterable[P], read: Callable[[P], list[Record]]) -> Iterator[Record]:
    """Yield the messages of all parts in the order of time; of one time, in that of the parts.

    read: returns the messages of a part in the order of time. A part is read when the first of
    its messages is due, so that only parts that overlap are in memory at once.
    """
    waiting: list[tuple[int, int, Record]] = []
    number = 0
    for part in sorted(parts, key=lambda part: part.first_ns):
        while waiting and waiting[0][0] < part.first_ns:
            yield heapq.heappop(waiting)[2]
        for record in read(part):
            heapq.heappush(waiting, (record.time_ns, number, record))
            number += 1
    while waiting:
        yield heapq.heappop(waiting)[2]
