# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads a bag: its topics, and its messages in the order in which they were logged.

Nothing that was read is kept, so a long recording takes no more memory than a short one.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import zstandard

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.core.frame import MessageLike, stamp_of
from mfaranet_ros.data.bags.files import ZSTD, BagFile, find_files
from mfaranet_ros.data.bags.opening import open_file
from mfaranet_ros.data.bags.storage import Record, Storage, Topic
from mfaranet_ros.data.bags.types import MessageTypes
from mfaranet_ros.data.bags.unpacking import unpack_zstd

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'
TF = 'tf2_msgs/msg/TFMessage'
IMAGES = (IMAGE, COMPRESSED_IMAGE)
COMPRESSED_VIDEO = 'foxglove_msgs/msg/CompressedVideo'
FFMPEG_PACKET = 'ffmpeg_image_transport_msgs/msg/FFMPEGPacket'
CAMERA_IMAGES = (*IMAGES, COMPRESSED_VIDEO, FFMPEG_PACKET)
"""What a camera's topic may hold; H.264 and the like also come as CompressedImage."""

LOOK_BACK_NS = 100_000_000
"""How far before the end the last message is searched first."""


@dataclass(frozen=True, eq=False)
class BagMessage:
    """One message of a recording.

    time_ns: when it was logged. raw: its bytes as they are stored, in CDR.
    """

    topic: Topic
    time_ns: int
    raw: bytes | memoryview
    types: MessageTypes = field(repr=False)

    @cached_property
    def message(self) -> MessageLike:
        """The message, whose arrays are views of `raw`; DecodeError for other bytes."""
        return self.types.read(self.raw, self.topic)

    @property
    def stamp_ns(self) -> int:
        """Its own time, in nanoseconds: of its header, or the timestamp of a CompressedVideo."""
        return stamp_of(self.message)


class Bag:
    """An open recording, of one file or several. Use it by `with open_bag(...) as bag`.

    name: what was given. topics: by name. notes: what is odd about it, one line each.
    Raises SourceError where nothing can be read.
    """

    def __init__(self, paths: Sequence[str | Path]) -> None:
        found = find_files(paths)
        self.name = ', '.join(printable(path) for path in paths)
        self._dead = [*found.dead]
        with ExitStack() as stack:
            self._storages, files = [], []
            for file in found.files:
                try:
                    storage = open_file(file, _scratch(file, stack))
                except SourceError as error:
                    self._dead.append(str(error))
                    continue
                stack.callback(storage.close)
                self._storages.append(storage)
                files.append(file.path)
            if not files:
                raise SourceError('; '.join(self._dead))
            self.files = tuple(files)
            self.topics, self._two_types = _merge_topics(self._storages)
            self.types = MessageTypes(self.topics.values())
            self._stack = stack.pop_all()
        self.notes = tuple(
            printable(note)
            for note in (*found.notes, *(f'{text}: not read' for text in self._two_types.values()))
        )

    def __enter__(self) -> Bag:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Free what it holds."""
        self._stack.close()

    @property
    def truncated(self) -> str:
        """What is missing of the recording, in one line; empty while nothing is known.

        Ask again after reading: some damage is only found then.
        """
        damages = (*self._dead, *(storage.damage for storage in self._storages))
        return printable('; '.join(filter(None, damages)))

    @property
    def span_ns(self) -> tuple[int, int]:
        """When the first and the last message were logged."""
        spans = [storage.span_ns for storage in self._storages if storage.span_ns]
        if not spans:
            raise SourceError(f'{self.name} is empty: it holds no message')
        return min(span[0] for span in spans), max(span[1] for span in spans)

    def topic(self, name: str, *types: str) -> Topic:
        """Return a topic by its name, with or without its first slash.

        types: the allowed message types. Raises SourceError, which lists the topics there are,
        for a topic that is not there, without messages, of another type or of an unknown one.
        """
        for full_name in (name, f'/{name}'):
            if full_name in self._two_types:
                raise SourceError(f'{self._two_types[full_name]}: record them under two names')
        found = self.topics.get(name) or self.topics.get(f'/{name}')
        if found is None:
            raise SourceError(f'{self.name} has no topic {name!r}; it has {self.listing()}')
        if types and found.type not in types:
            raise SourceError(
                f'{found.name} is of type {found.type}, it must be of {" or ".join(types)}; '
                f'{self.name} has {self.listing()}'
            )
        if not found.count:
            raise SourceError(
                f'{found.name} has no message in {self.name}; it has {self.listing()}'
            )
        self.types.check(found)
        return found

    def listing(self) -> str:
        """Return the topics with type and number of messages, in one line."""
        listed = (f'{topic.name} ({topic.type}, {topic.count})' for topic in self.topics.values())
        return ', '.join(sorted(listed)) or 'no topic at all'

    def messages(
        self,
        topics: Iterable[str] | None = None,
        *,
        start_ns: int | None = None,
        stop_ns: int | None = None,
    ) -> Iterator[BagMessage]:
        """Yield the messages of these topics, or of all, in the order in which they were logged.

        Messages logged at the same time come in the order of the files and within a file.
        start_ns, stop_ns: only those logged at start_ns or later, and before stop_ns.
        """
        names = frozenset(self.topics if topics is None else topics)
        if missing := sorted(names - self.topics.keys()):
            raise SourceError(f'{self.name} has no topic {missing[0]!r}; it has {self.listing()}')
        parts = [storage.records(names, start_ns, stop_ns) for storage in self._storages]
        for record in heapq.merge(*parts, key=_logged):
            raw = _unpacked(record.raw)
            yield BagMessage(self.topics[record.topic], record.time_ns, raw, self.types)

    def first(self, topic: str) -> BagMessage | None:
        """Return the message of a topic that was logged first."""
        return next(self.messages([topic]), None)

    def last(self, topic: str) -> BagMessage | None:
        """Return the message of a topic that was logged last, without reading all of them."""
        first_ns, last_ns = self.span_ns
        for back_ns in (LOOK_BACK_NS * 4**step for step in itertools.count()):
            found = deque(self.messages([topic], start_ns=last_ns - back_ns), maxlen=1)
            if found or last_ns - back_ns < first_ns:
                return found.pop() if found else None
        return None

    def stamp_range(self, topic: str) -> tuple[int, int] | None:
        """Return the stamps of the first and the last message of a topic.

        None where they cannot be had quickly: in a truncated file, or without headers.
        """
        if self.truncated:
            return None
        try:
            stamps = [item.stamp_ns for item in (self.first(topic), self.last(topic)) if item]
        except (DecodeError, AttributeError):
            return None
        return (min(stamps), max(stamps)) if stamps else None


def open_bag(paths: str | Path | Sequence[str | Path]) -> Bag:
    """Open a recording: a folder, a .mcap or .db3 file, or several of them as one recording."""
    return Bag([paths] if isinstance(paths, (str, Path)) else list(paths))


def _scratch(file: BagFile, stack: ExitStack) -> Path:
    """Return a folder for what is unpacked of a file, which goes away with the bag."""
    if not file.zipped:
        return file.path.parent
    return Path(stack.enter_context(TemporaryDirectory(prefix='mfaranet_bag_')))


def _unpacked(raw: bytes | memoryview) -> bytes | memoryview:
    """Unpack a message that is compressed on its own; plain CDR has another first byte."""
    if raw[:4] != ZSTD:
        return raw
    try:
        return unpack_zstd(raw)
    except (zstandard.ZstdError, ValueError):
        return raw  # which cannot be read as a message either, and is reported as such


def _logged(record: Record) -> int:
    return record.time_ns


def _merge_topics(storages: Iterable[Storage]) -> tuple[dict[str, Topic], dict[str, str]]:
    """Return the topics of all files by name, their messages added up.

    Apart from them, by name, what is to be said of topics whose messages are of several types.
    """
    merged: dict[str, Topic] = {}
    several: dict[str, str] = {}
    for topic in (topic for storage in storages for topic in storage.topics):
        known = merged.setdefault(topic.name, replace(topic, count=0))
        if known.type == topic.type:
            merged[topic.name] = replace(known, count=known.count + topic.count)
        else:
            several[topic.name] = (
                f'{topic.name} has messages of two types, {known.type} and {topic.type}'
            )
    return {name: topic for name, topic in merged.items() if name not in several}, several
