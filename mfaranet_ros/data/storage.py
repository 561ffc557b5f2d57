# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What one file of a recording is to its readers: topics, and messages in the order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

ENCODINGS = {'ros2msg': 'ros2msg', 'ros2idl': 'ros2idl', 'omgidl': 'ros2idl'}
"""How files call the two languages of definitions, and what we call them."""


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
    def span_ns(self) -> tuple[int, int] | None: ...

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages of these topics with start_ns <= time_ns < stop_ns in time order."""
        ...

    def close(self) -> None: ...
