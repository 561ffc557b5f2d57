# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Opens one file of a recording: by rosbags if it is whole, else what is left of it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import zstandard
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.data.bags.files import BagFile
from mfaranet_ros.data.bags.mcap_scan import ScannedMcap, has_index
from mfaranet_ros.data.bags.sqlite_pages import is_whole
from mfaranet_ros.data.bags.sqlite_scan import ScannedSqlite
from mfaranet_ros.data.bags.storage import Record, Storage, Topic

_ENCODINGS = {
    MessageDefinitionFormat.MSG: 'ros2msg',
    MessageDefinitionFormat.IDL: 'ros2idl',
    MessageDefinitionFormat.NONE: '',
}

WHOLE: dict[str, Callable[[Path], bool]] = {
    'mcap': has_index,
    'sqlite3': is_whole,
}
"""Whether a file is one that rosbags can read, as far as its ends say."""

SCANNERS: dict[str, Callable[[Path], Storage]] = {'mcap': ScannedMcap, 'sqlite3': ScannedSqlite}
"""What reads a file of which rosbags makes nothing."""


def open_file(file: BagFile, scratch: Path) -> Storage:
    """Open a file; scratch: an empty folder for what must be unpacked.

    Raises SourceError where nothing of it can be read, OutputError where scratch is full.
    """
    path, damage = (file.path, '') if not file.zipped else _unzip(file.path, scratch)
    storage = _open(path, file.storage)
    storage.damage = damage or storage.damage or _not_written_back(path)
    return storage


def _open(path: Path, kind: str) -> Storage:
    try:
        return WholeFile(path) if WHOLE[kind](path) else SCANNERS[kind](path)
    except SourceError:
        raise
    except Exception as error:  # what decoders make of damage is of many kinds
        return _scan(path, kind, error)


def _scan(path: Path, kind: str, reason: Exception) -> Storage:
    try:
        return SCANNERS[kind](path)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(
            f'{path} cannot be read: {reason}; it is damaged, record anew'
        ) from error


class WholeFile:
    """A file that rosbags can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reader = Reader(path)
        self._reader.open()
        self.topics = tuple(_topic(connection) for connection in self._reader.connections)
        self.damage = ''

    @property
    def span_ns(self) -> tuple[int, int] | None:
        reader = self._reader
        return (reader.start_time, reader.end_time - 1) if reader.message_count else None

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        wanted = [item for item in self._reader.connections if item.topic in topics]
        if not wanted:
            return
        messages = self._reader.messages(wanted, start_ns, stop_ns)
        while True:
            try:
                connection, time_ns, raw = next(messages)
            except StopIteration:
                return
            except Exception as error:  # as above
                self.damage = f'{self._path.name} is damaged, the rest of it is not read: {error}'
                return
            yield Record(connection.topic, time_ns, raw)

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


def _not_written_back(path: Path) -> str:
    """Say it if messages are still in the journal that SQLite writes ahead, which is not read."""
    journal = path.with_name(f'{path.name}-wal')
    if not journal.is_file() or not journal.stat().st_size:
        return ''
    return (
        f'{journal.name} is not read: messages in it are missing, add them to {path.name} by '
        f"`sqlite3 {path.name} 'PRAGMA wal_checkpoint'`"
    )


def _unzip(path: Path, scratch: Path) -> tuple[Path, str]:
    """Unpack a file; return where it is and what is missing of it."""
    target = scratch / path.stem
    damage = ''
    try:
        with path.open('rb') as packed, target.open('wb') as unpacked:
            if not _unpack(packed, unpacked):
                damage = f'{path.name} ends early: what was written before is read'
    except zstandard.ZstdError as error:
        damage = f'{path.name} is damaged, what comes after is not read: {error}'
    except OSError as error:
        raise OutputError(
            f'{path} cannot be unpacked to {scratch}: {error.strerror or error}; make room there, '
            'or set TMPDIR'
        ) from error
    return target, damage


def _unpack(packed: BinaryIO, unpacked: BinaryIO) -> bool:
    """Unpack what there is; return whether the last of the streams in the file is whole."""
    stream = zstandard.ZstdDecompressor().decompressobj()
    while data := packed.read(2**20):
        while data:
            if stream.eof:
                stream = zstandard.ZstdDecompressor().decompressobj()
            unpacked.write(stream.decompress(data))
            data = stream.unused_data
    return bool(stream.eof)
