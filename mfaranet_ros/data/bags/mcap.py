# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads MCAP files: sound ones by their index, all others record by record.

The index at the end is believed only as far as it agrees with the records of the file, whose
headers are read when it is opened. Where a writer left something out of the summary, or where the
recording was killed or cut off, the file is scanned: all whole messages are given, and of a chunk
that is cut off those that can be decompressed.
Source: the MCAP format specification, https://mcap.dev/spec; the package mcap parses the records.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.reader import SeekingReader
from mcap.records import Channel, Chunk, ChunkIndex, Header, Message, Schema, Statistics
from mcap.stream_reader import breakup_chunk
from mcap.summary import Summary
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.storage import ENCODINGS, Record, Topic, in_time_order, parse_qos
from mfaranet_ros.data.bags.unpacking import unpack_lz4, unpack_zstd

MAGIC = b'\x89MCAP0\r\n'

_RECORD = struct.Struct('<BQ')
_MESSAGE = struct.Struct('<HIQQ')
_CHUNK = struct.Struct('<QQQII')
_INDEX_START = struct.Struct('<HI')

DECOMPRESSORS: dict[str, Callable[[memoryview], Any]] = {
    '': lambda data: data,
    'lz4': unpack_lz4,
    'zstd': unpack_zstd,
}
"""They give what can be had of data that end early."""

UNREADABLE = (
    McapError, struct.error, KeyError, RuntimeError, ValueError, EOFError, zstandard.ZstdError,
)  # fmt: skip
"""What parsers and decompressors raise for damaged records."""


class _Span(NamedTuple):
    """A record of the file: its content is at start:stop; stop may lie behind the file's end."""

    opcode: int
    start: int
    stop: int


def _spans(file: BinaryIO, start: int, end: int) -> Iterator[_Span]:
    """Yield the records of a part of the file, up to one that is cut off or the part's end."""
    while start + _RECORD.size <= end:
        file.seek(start)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        span = _Span(opcode, start + _RECORD.size, start + _RECORD.size + length)
        yield span
        start = span.stop


def _make_topics(
    channels: Iterable[Channel], schemas: Mapping[int, Schema], counts: Mapping[int, int]
) -> tuple[Topic, ...]:
    """Return the topics, one for each type that its messages have."""
    topics: dict[tuple[str, str], Topic] = {}
    for channel in channels:
        schema = schemas.get(channel.schema_id)
        encoding = ENCODINGS.get(schema.encoding, '') if schema else ''
        kind = schema.name if schema else ''
        before = topics.get((channel.topic, kind))
        topics[channel.topic, kind] = Topic(
            channel.topic,
            kind,
            counts.get(channel.id, 0) + (before.count if before else 0),
            encoding,
            schema.data.decode(errors='replace') if schema and encoding else '',
            channel.message_encoding,
            parse_qos(channel.metadata.get('offered_qos_profiles', '')),
        )
    return tuple(topics.values())


def _check_profile(path: Path, profile: str) -> None:
    if profile not in ('ros2', ''):
        raise SourceError(f'{path} holds messages of {profile!r}: give a bag of ROS 2')


# -- sound files ---------------------------------------------------------------------------------


@dataclass
class _Extent:
    """The channels of a chunk, and the log times of its first and its last message."""

    channels: set[int] = field(default_factory=set)
    first_ns: int = 0
    last_ns: int = 0

    @classmethod
    def of(cls, index: ChunkIndex) -> _Extent:
        channels = set(index.message_index_offsets)
        return cls(channels, index.message_start_time, index.message_end_time)

    def add(self, channel: int, times: NDArray[np.uint64]) -> None:
        if not len(times):
            return
        first_ns, last_ns = int(times.min()), int(times.max())
        self.first_ns = min(self.first_ns, first_ns) if self.channels else first_ns
        self.last_ns = max(self.last_ns, last_ns)
        self.channels.add(channel)


class _IndexedChunk(NamedTuple):
    first_ns: int
    entry: ChunkIndex


class IndexedMcap:
    """A file whose index is complete and agrees with its records; raises ValueError otherwise."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._file = path.open('rb')
        try:
            summary = self._read_summary(path)
            self._check(summary)
        except BaseException:
            self._file.close()
            raise
        self.damage = ''
        self._names = {number: channel.topic for number, channel in summary.channels.items()}
        self._chunks = summary.chunk_indexes
        assert summary.statistics is not None
        counts = summary.statistics.channel_message_counts
        self.topics = _make_topics(summary.channels.values(), summary.schemas, counts)

    def _read_summary(self, path: Path) -> Summary:
        try:
            reader = SeekingReader(self._file)
            profile, summary = reader.get_header().profile, reader.get_summary()
        except Exception as error:  # what the package makes of damage is of many kinds
            raise ValueError('its summary cannot be read') from error
        if summary is None or summary.statistics is None:
            raise ValueError('it has no summary')
        _check_profile(path, profile)
        return summary

    def _check(self, summary: Summary) -> None:
        """Raise ValueError unless the summary has all that is in the file."""
        assert summary.statistics is not None
        counts: Counter[int] = Counter()
        chunks: dict[int, _Extent] = {}
        last = _Extent()
        complete = False
        for span in _spans(self._file, len(MAGIC), os.fstat(self._file.fileno()).st_size):
            if span.opcode == Opcode.CHUNK:
                last = chunks[span.start - _RECORD.size] = _Extent()
            elif span.opcode == Opcode.MESSAGE_INDEX:
                channel, size = _INDEX_START.unpack(self._file.read(_INDEX_START.size))
                times = np.frombuffer(self._file.read(size), '<u8')[::2]
                counts[channel] += len(times)
                last.add(channel, times)
            elif span.opcode == Opcode.DATA_END:
                complete = True
                break
            elif span.opcode == Opcode.MESSAGE:
                raise ValueError('it has messages outside of chunks')
        indexed = {index.chunk_start_offset: _Extent.of(index) for index in summary.chunk_indexes}
        promised = {k: v for k, v in summary.statistics.channel_message_counts.items() if v}
        schemas = {channel.schema_id for channel in summary.channels.values()} - {0}
        if (
            not complete
            or indexed != chunks
            or promised != counts
            or sum(counts.values()) != summary.statistics.message_count
            or not promised.keys() <= summary.channels.keys()
            or not schemas <= summary.schemas.keys()
        ):
            raise ValueError('its index does not have all that is in the file')

    def close(self) -> None:
        """Free what it holds."""
        self._file.close()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last log time in nanoseconds, or None without messages."""
        chunks = [chunk for chunk in self._chunks if chunk.message_index_offsets]
        if not chunks:
            return None
        return (
            min(chunk.message_start_time for chunk in chunks),
            max(chunk.message_end_time for chunk in chunks),
        )

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages as they are stored, in the order of their log time."""
        first = -1 if start_ns is None else start_ns
        end = 2**64 if stop_ns is None else stop_ns
        wanted = {number for number, name in self._names.items() if name in topics}
        chunks = [
            _IndexedChunk(chunk.message_start_time, chunk)
            for chunk in self._chunks
            if wanted & chunk.message_index_offsets.keys()
            and chunk.message_end_time >= first
            and chunk.message_start_time < end
        ]

        def read(chunk: _IndexedChunk) -> list[Record]:
            found = (
                Record(self._names[item.channel_id], item.log_time, item.data)
                for item in self._messages(chunk.entry)
                if item.channel_id in wanted and first <= item.log_time < end
            )
            return sorted(found, key=lambda record: record.time_ns)

        return in_time_order(chunks, read)

    def _messages(self, index: ChunkIndex) -> list[Message]:
        self._file.seek(index.chunk_start_offset + _RECORD.size)
        try:
            chunk = Chunk.read(ReadDataStream(self._file))
            data = DECOMPRESSORS[chunk.compression](memoryview(chunk.data))
            records = breakup_chunk(replace(chunk, compression='', data=data))
        except Exception as error:  # as above
            self.damage = self.damage or (
                f'{self._name} is damaged: a chunk of it cannot be read and is left out: {error}'
            )
            return []
        return [item for item in records if isinstance(item, Message)]


# -- all other files -----------------------------------------------------------------------------


class Block(NamedTuple):
    """A chunk, or a message outside of chunks: where its record begins and ends in the file."""

    first_ns: int
    last_ns: int
    start: int
    stop: int


class ScannedMcap:
    """A file that is read without its index. Raises SourceError for what is not of ROS 2."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open('rb')
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        self._counts: Counter[int] = Counter()
        self._blocks: list[Block] = []
        self._promised: int | None = None
        self.damage = ''
        try:
            self._scan()
        except BaseException:
            self._file.close()
            raise
        if self.damage and not self._channels:
            self._file.close()
            raise SourceError(f'{path} ends before its first topic: nothing can be read')
        self.topics = _make_topics(self._channels.values(), self._schemas, self._counts)

    def close(self) -> None:
        """Free what it holds."""
        self._file.close()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last log time in nanoseconds, or None without messages."""
        if not self._blocks:
            return None
        return (
            min(block.first_ns for block in self._blocks),
            max(block.last_ns for block in self._blocks),
        )

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages as they are stored, in the order of their log time."""
        first = -1 if start_ns is None else start_ns
        end = 2**64 if stop_ns is None else stop_ns
        names = {
            number: channel.topic
            for number, channel in self._channels.items()
            if channel.topic in topics
        }
        blocks = [item for item in self._blocks if item.last_ns >= first and item.first_ns < end]

        def read(block: Block) -> list[Record]:
            found = (
                Record(names[channel], time_ns, raw)
                for channel, time_ns, raw in self._messages(block)
                if channel in names and first <= time_ns < end
            )
            return sorted(found, key=lambda record: record.time_ns)

        return in_time_order(blocks, read)

    # -- the first pass ---------------------------------------------------------------------

    def _scan(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        whole = False
        blocks = []
        for span in _spans(self._file, len(MAGIC), end):
            if span.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                whole = True
            if span.opcode in (0, Opcode.FOOTER):
                break
            stop = min(span.stop, end)
            if span.opcode == Opcode.CHUNK or (
                span.opcode == Opcode.MESSAGE and span.stop == stop
            ):
                blocks.append(Block(0, 0, span.start - _RECORD.size, stop))
            elif span.stop == stop:
                self._learn(span.opcode, self._read(span.start, stop - span.start))
        if not whole:
            self.damage = (
                f'{self._path.name} ends early, after {end} bytes: what was written before is read'
            )
        for block in blocks:
            self._scan_block(block)
        self._compare()

    def _scan_block(self, block: Block) -> None:
        times = []
        for channel, time_ns, _ in self._messages(block, learn=True):
            times.append(time_ns)
            self._counts[channel] += 1
        if times:
            self._blocks.append(block._replace(first_ns=min(times), last_ns=max(times)))

    def _compare(self) -> None:
        """Say what was promised and is not there, and what is there and belongs to no topic."""
        strange = sum(n for channel, n in self._counts.items() if channel not in self._channels)
        total = sum(self._counts.values())
        if strange:
            self.damage = self.damage or (
                f'{self._path.name} does not say of which topics {strange} of its messages are: '
                'they are not read'
            )
        if self._promised is not None and self._promised > total:
            self.damage = self.damage or (
                f'{self._path.name} should hold {self._promised} messages and holds {total}: the '
                'others are lost'
            )

    def _learn(self, opcode: int, content: bytes | memoryview) -> None:
        """Take in what a header, a schema, a channel or the statistics say."""
        stream = ReadDataStream(BytesIO(content))
        try:
            if opcode == Opcode.HEADER:
                _check_profile(self._path, Header.read(stream).profile)
            elif opcode == Opcode.SCHEMA:
                schema = Schema.read(stream)
                self._schemas[schema.id] = schema
            elif opcode == Opcode.CHANNEL:
                channel = Channel.read(stream)
                self._channels[channel.id] = channel
            elif opcode == Opcode.STATISTICS:
                self._promised = Statistics.read(stream).message_count
        except UNREADABLE:
            self.damage = self.damage or f'{self._path.name} has a record that cannot be read'

    # -- reading ----------------------------------------------------------------------------

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def _messages(
        self, block: Block, *, learn: bool = False
    ) -> Iterator[tuple[int, int, memoryview]]:
        """Yield channel, log time and bytes of the messages of a block, as far as they are there.

        learn: take in its schemas and channels as well.
        """
        data = memoryview(self._read(block.start, block.stop - block.start))
        opcode, _ = _RECORD.unpack_from(data)
        content = data if opcode == Opcode.MESSAGE else self._unpacked(data[_RECORD.size :])
        position = 0
        while position + _RECORD.size <= len(content):
            opcode, length = _RECORD.unpack_from(content, position)
            inner = content[position + _RECORD.size : position + _RECORD.size + length]
            if len(inner) < length:
                return
            position += _RECORD.size + length
            if opcode == Opcode.MESSAGE and length >= _MESSAGE.size:
                channel, _, time_ns, _ = _MESSAGE.unpack_from(inner)
                yield channel, time_ns, inner[_MESSAGE.size :]
            elif learn and opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._learn(opcode, inner)

    def _unpacked(self, chunk: memoryview) -> memoryview:
        """Return the records of a chunk, as far as they can be had."""
        try:
            _, _, size, crc, length = _CHUNK.unpack_from(chunk)
            start = _CHUNK.size + length
            compression = bytes(chunk[_CHUNK.size : start]).decode()
            content = DECOMPRESSORS[compression](chunk[start + 8 :])
        except UNREADABLE:
            self.damage = self.damage or f'{self._path.name} has a chunk that cannot be read'
            return memoryview(b'')
        if len(content) != size:
            self.damage = self.damage or f'{self._path.name} has a chunk that is not whole'
        elif crc and zlib.crc32(content) != crc:
            self.damage = self.damage or f'{self._path.name} has a chunk whose check sum is wrong'
        return memoryview(content)
