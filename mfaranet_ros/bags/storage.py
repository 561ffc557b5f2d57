"""One file of a recording, read by rosbags: its topics, and its messages in time order."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError

BROKEN = (
    ReaderError,
    struct.error,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    OSError,
)
"""What reading a damaged file ends in."""


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
    span_ns: tuple[int, int] | None
    damage: str

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages of these topics with start_ns <= time_ns < stop_ns in time order."""
        ...

    def close(self) -> None: ...


_ENCODINGS = {
    MessageDefinitionFormat.MSG: 'ros2msg',
    MessageDefinitionFormat.IDL: 'ros2idl',
    MessageDefinitionFormat.NONE: '',
}


class WholeFile:
    """A file that rosbags can read. Raises one of BROKEN where it cannot."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = Reader(path)
        self._reader.open()
        self.topics = tuple(_topic(connection) for connection in self._reader.connections)
        reader = self._reader
        self.span_ns = (reader.start_time, reader.end_time - 1) if reader.message_count else None
        self.damage = ''

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        wanted = [item for item in self._reader.connections if item.topic in topics]
        if not wanted:
            return
        try:
            for connection, time_ns, raw in self._reader.messages(wanted, start_ns, stop_ns):
                yield Record(connection.topic, time_ns, raw)
        except BROKEN as error:
            self.damage = f'{self._path.name} is damaged ({error}): what follows is not read'

    def close(self) -> None:
        with suppress(ReaderError):
            self._reader.close()


def _topic(connection: Connection) -> Topic:
    return Topic(
        connection.topic,
        connection.msgtype,
        connection.msgcount,
        _ENCODINGS[connection.msgdef.format],
        connection.msgdef.data,
        connection.ext.serialization_format,
        tuple(connection.ext.offered_qos_profiles),
    )
