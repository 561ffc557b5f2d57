# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads an mcap file from its beginning, without the index at its end.

For files that have none: the recording was killed, the file was cut off, or it was written without
one. All whole messages are given; of a chunk that is cut off, those that can be decompressed.
Source: the MCAP format specification, https://mcap.dev/spec.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import lz4.frame
import zstandard

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.storage import ENCODINGS, Record, Topic, in_time_order

MAGIC = b'\x89MCAP0\r\n'
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK, CHUNK_INDEX, DATA_END = 1, 2, 3, 4, 5, 6, 8, 15

_RECORD = struct.Struct('<BQ')
_MESSAGE = struct.Struct('<HIQQ')
_CHUNK = struct.Struct('<QQQI')
_FOOTER_BYTES = _RECORD.size + 20

DECOMPRESSORS: dict[str, Callable[[memoryview], Any]] = {
    '': lambda data: data,
    'lz4': lambda data: lz4.frame.LZ4FrameDecompressor().decompress(data),
    'zstd': lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}
"""They give what can be had of data that end early."""


class Block(NamedTuple):
    """A chunk, or a message outside of chunks: where its record begins and ends in the file."""

    first_ns: int
    last_ns: int
    start: int
    stop: int


def has_index(path: Path) -> bool:
    """Whether a file ends as it should and has an index of its chunks."""
    with path.open('rb') as file:
        end = file.seek(0, os.SEEK_END)
        if end < len(MAGIC) + _FOOTER_BYTES + len(MAGIC):
            return False
        file.seek(end - len(MAGIC) - _FOOTER_BYTES)
        footer = file.read()
        if not footer.endswith(MAGIC) or footer[0] != FOOTER:
            return False
        (start,) = struct.unpack_from('<Q', footer, _RECORD.size)
        return bool(start) and any(
            record.opcode == CHUNK_INDEX for record in _records(file, start, end - len(MAGIC))
        )


class _Span(NamedTuple):
    """A record of the file: its content is at start:stop; stop may lie behind the file's end."""

    opcode: int
    start: int
    stop: int


def _records(file: BinaryIO, start: int, end: int) -> Iterator[_Span]:
    """Yield the records of a part of the file, up to one that is cut off or the part's end."""
    while start + _RECORD.size <= end:
        file.seek(start)
        opcode, length = _RECORD.unpack(file.read(_RECORD.size))
        span = _Span(opcode, start + _RECORD.size, start + _RECORD.size + length)
        yield span
        start = span.stop


class ScannedMcap:
    """A file that is read without its index. Raises SourceError for what is not of ROS 2."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open('rb')
        self._schemas: dict[int, tuple[str, str, str]] = {}
        self._channels: dict[int, Topic] = {}
        self._counts: Counter[str] = Counter()
        self._blocks: list[Block] = []
        self.damage = ''
        try:
            self._scan()
        except BaseException:
            self._file.close()
            raise
        if self.damage and not self._channels:
            self._file.close()
            raise SourceError(f'{path} ends before its first topic: nothing can be read')
        by_name = {topic.name: topic for topic in self._channels.values()}
        self.topics = tuple(
            replace(topic, count=self._counts[name]) for name, topic in by_name.items()
        )

    def close(self) -> None:
        self._file.close()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        if not self._blocks:
            return None
        return (
            min(block.first_ns for block in self._blocks),
            max(block.last_ns for block in self._blocks),
        )

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        first = -1 if start_ns is None else start_ns
        end = 2**64 if stop_ns is None else stop_ns
        blocks = [item for item in self._blocks if item.last_ns >= first and item.first_ns < end]
        for record in in_time_order(blocks, self._records_of):
            if record.topic in topics and first <= record.time_ns < end:
                yield record

    # -- the first pass ---------------------------------------------------------------------

    def _scan(self) -> None:
        end = self._file.seek(0, os.SEEK_END)
        for span in _records(self._file, len(MAGIC), end):
            if span.opcode in (DATA_END, FOOTER):
                return
            if span.opcode == 0:
                break
            self._scan_record(span, min(span.stop, end))
        self.damage = (
            f'{self._path.name} ends early, after {end} bytes: what was written before is read'
        )

    def _scan_record(self, span: _Span, stop: int) -> None:
        if span.opcode == CHUNK:
            self._scan_chunk(Block(0, 0, span.start - _RECORD.size, stop))
        elif span.stop == stop and span.opcode == MESSAGE:
            channel, _, time_ns, _ = _MESSAGE.unpack(self._read(span.start, _MESSAGE.size))
            if channel in self._channels:
                self._blocks.append(Block(time_ns, time_ns, span.start - _RECORD.size, stop))
                self._counts[self._channels[channel].name] += 1
        elif span.stop == stop and span.opcode in (HEADER, SCHEMA, CHANNEL):
            self._learn(span.opcode, memoryview(self._read(span.start, stop - span.start)))

    def _scan_chunk(self, block: Block) -> None:
        times = []
        for record in self._messages_of(block, learn=True):
            times.append(record.time_ns)
            self._counts[record.topic] += 1
        if times:
            self._blocks.append(block._replace(first_ns=min(times), last_ns=max(times)))

    def _learn(self, opcode: int, content: memoryview) -> None:
        """Take in what a header, a schema or a channel says."""
        fields = _Fields(content)
        if opcode == HEADER:
            profile = fields.text()
            if profile not in ('ros2', ''):
                raise SourceError(
                    f'{self._path} holds messages of {profile!r}: give a bag of ROS 2'
                )
        elif opcode == SCHEMA:
            number = fields.uint16()
            self._schemas[number] = (fields.text(), fields.text(), fields.text())
        elif opcode == CHANNEL:
            number, schema = fields.uint16(), fields.uint16()
            name, encoding, definition = self._schemas.get(schema, ('', '', ''))
            topic, serialization = fields.text(), fields.text()
            known = ENCODINGS.get(encoding, '')
            self._channels[number] = Topic(
                topic, name, 0, known, definition if known else '', serialization
            )

    # -- reading ----------------------------------------------------------------------------

    def _read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)

    def _records_of(self, block: Block) -> list[Record]:
        return sorted(self._messages_of(block), key=lambda record: record.time_ns)

    def _messages_of(self, block: Block, *, learn: bool = False) -> Iterator[Record]:
        data = memoryview(self._read(block.start, block.stop - block.start))
        opcode, _ = _RECORD.unpack_from(data)
        content = data if opcode == MESSAGE else self._unpacked(data[_RECORD.size :])
        position = 0
        while position + _RECORD.size <= len(content):
            opcode, length = _RECORD.unpack_from(content, position)
            inner = content[position + _RECORD.size : position + _RECORD.size + length]
            if len(inner) < length:
                return
            position += _RECORD.size + length
            if opcode == MESSAGE:
                channel, _, time_ns, _ = _MESSAGE.unpack_from(inner)
                if channel in self._channels:
                    yield Record(self._channels[channel].name, time_ns, inner[_MESSAGE.size :])
            elif learn and opcode in (SCHEMA, CHANNEL):
                self._learn(opcode, inner)

    def _unpacked(self, chunk: memoryview) -> memoryview:
        """Return the records of a chunk, as far as they can be had."""
        try:
            _, _, size, crc = _CHUNK.unpack_from(chunk)
            fields = _Fields(chunk[_CHUNK.size :])
            compression, _ = fields.text(), fields.uint64()
            content = DECOMPRESSORS[compression](fields.rest())
        except (struct.error, KeyError, RuntimeError, UnicodeDecodeError, zstandard.ZstdError):
            self.damage = self.damage or f'{self._path.name} has a chunk that cannot be read'
            return memoryview(b'')
        if len(content) == size and crc and zlib.crc32(content) != crc:
            self.damage = self.damage or f'{self._path.name} has a chunk whose check sum is wrong'
        return memoryview(content)


@dataclass
class _Fields:
    """Takes one field after the other from the content of a record."""

    content: memoryview
    position: int = 0

    def _number(self, form: str) -> int:
        (value,) = struct.unpack_from(form, self.content, self.position)
        self.position += struct.calcsize(form)
        return int(value)

    def uint16(self) -> int:
        return self._number('<H')

    def uint64(self) -> int:
        return self._number('<Q')

    def text(self) -> str:
        length = self._number('<I')
        start = self.position
        if start + length > len(self.content):
            raise struct.error(f'a text of {length} bytes is cut off')
        self.position += length
        return bytes(self.content[start : self.position]).decode()

    def rest(self) -> memoryview:
        return self.content[self.position :]
