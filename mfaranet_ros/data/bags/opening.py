# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Opens one file of a recording: by its index if it is sound, else what is left of it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import zstandard

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.data.bags.files import BagFile
from mfaranet_ros.data.bags.mcap import IndexedMcap, ScannedMcap
from mfaranet_ros.data.bags.sqlite import ScannedSqlite, SqliteFile
from mfaranet_ros.data.bags.sqlite_pages import is_whole
from mfaranet_ros.data.bags.storage import Storage
from mfaranet_ros.data.bags.unpacking import unpack_file

SOUND: dict[str, Callable[[Path], Storage]] = {'mcap': IndexedMcap, 'sqlite3': SqliteFile}
"""What reads a sound file; it raises an error for any other."""

SCANNERS: dict[str, Callable[[Path], Storage]] = {'mcap': ScannedMcap, 'sqlite3': ScannedSqlite}
"""What reads what there is of any other file."""


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
        if kind == 'sqlite3' and not is_whole(path):
            return ScannedSqlite(path)
        return SOUND[kind](path)
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
            f'{path} cannot be read: {reason}; it is damaged, record it again'
        ) from error


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
            if not unpack_file(packed, unpacked, scratch):
                damage = f'{path.name} ends early: what was written before is read'
    except zstandard.ZstdError as error:
        damage = f'{path.name} is damaged, what comes after is not read: {error}'
    except OSError as error:
        raise OutputError(
            f'{path} cannot be unpacked to {scratch}: {error.strerror or error}; make room there, '
            'or set TMPDIR'
        ) from error
    return target, damage
