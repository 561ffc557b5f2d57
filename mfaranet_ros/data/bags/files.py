# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Finds the files of a bag: in a folder as `ros2 bag` writes it, or given one by one.

The kind of a file is recognised by its first bytes, not by its name. metadata.yaml is read for the
names and order of the files and for the storage; a folder without it (the recording was killed) is
read all the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.parsing import parse_yaml

METADATA = 'metadata.yaml'

ZSTD = b'\x28\xb5\x2f\xfd'

SIGNATURES = {
    b'\x89MCAP': 'mcap',
    b'SQLite format 3\x00': 'sqlite3',
    ZSTD: 'zstd',
    b'#ROSBAG': 'ros1',
}
"""The first bytes of files, and the kind of file they mark."""

SUFFIXES = {'.mcap': 'mcap', '.db3': 'sqlite3'}

STORAGES = tuple(SUFFIXES.values())

COMPRESSIONS = ('', 'zstd')
"""What metadata.yaml may say of whole files or messages; chunks of mcap say it themselves."""

GIVE = 'give a folder as `ros2 bag record` writes it, or its .mcap or .db3 files'

CONVERT = 'convert it by `rosbags-convert --src OLD.bag --dst NEW` of the package rosbags'


@dataclass(frozen=True)
class BagFile:
    """One file of a recording. storage: of STORAGES; zipped: the whole file is a zstd stream."""

    path: Path
    storage: str
    zipped: bool = False


@dataclass(frozen=True)
class BagFiles:
    """The files of a bag in order.

    notes: what is odd about them. dead: what is wrong with parts that cannot be read at all.
    """

    files: tuple[BagFile, ...]
    notes: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()


def find_files(paths: Iterable[str | Path]) -> BagFiles:
    """Return the files of one bag: of a folder, of one file, or of several files or folders.

    Raises SourceError where nothing is, or something else than a bag of ROS 2. Parts that are
    missing, empty or no bag are named in `dead` where there are others to read.
    """
    given = [Path(path).expanduser() for path in paths]
    if not given:
        raise SourceError(f'no bag is given: {GIVE}')
    found = [
        _in_folder(path) if path.is_dir() else _parts([path], may_miss=False) for path in given
    ]
    files = dict.fromkeys(file for part in found for file in part.files)
    dead = tuple(text for part in found for text in part.dead)
    if not files:
        raise SourceError('; '.join(dead))
    return BagFiles(tuple(files), tuple(note for part in found for note in part.notes), dead)


def _parts(paths: Iterable[Path], *, may_miss: bool, notes: tuple[str, ...] = ()) -> BagFiles:
    """Return what can be opened of these files; may_miss: one that is missing is a dead part."""
    files, dead = [], []
    for path in paths:
        try:
            files.append(_file(path))
        except SourceError as error:
            if not may_miss and not (path.is_file() and is_bag_file(path)):
                raise
            dead.append(str(error))
    return BagFiles(tuple(files), notes, tuple(dead))


def _in_folder(folder: Path) -> BagFiles:
    if (folder / METADATA).is_file():
        names = _listed(folder / METADATA)
        return _parts((folder / name for name in names), may_miss=True)
    paths = sorted(path for path in folder.iterdir() if path.is_file() and is_bag_file(path))
    if not paths:
        if any(path.suffix == '.bag' for path in folder.iterdir()):
            raise SourceError(f'{folder} holds bags of ROS 1: {CONVERT}')
        raise SourceError(
            f'{folder} is not a bag, it has neither {METADATA} nor .mcap or .db3 files: {GIVE}'
        )
    note = f'{folder} has no {METADATA}: the recording was not closed properly'
    return _parts(paths, may_miss=True, notes=(note,))


def is_bag_file(path: Path) -> bool:
    """Whether a file has the name of one of a bag."""
    return (Path(path.stem) if path.suffix == '.zstd' else path).suffix in SUFFIXES


def _listed(metadata: Path) -> list[str]:
    """Return the names of the files that metadata.yaml lists; checks what it says of them."""
    try:
        content = parse_yaml(metadata.read_bytes())
        info: dict[str, Any] = content['rosbag2_bagfile_information']
        names = [Path(name).name for name in info['relative_file_paths']]
        storage = str(info['storage_identifier'] or '')
        compression = str(info.get('compression_format') or '').lower()
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ) as error:
        text = ' '.join(str(error).split())
        raise SourceError(
            f'{metadata} cannot be read ({type(error).__name__}: {text}): restore it by '
            '`ros2 bag reindex`, or remove it, then the files are read as they are'
        ) from error
    if storage and storage not in STORAGES:  # `ros2 bag reindex` of Humble leaves it empty
        raise SourceError(
            f'{metadata.parent} is stored by the plugin {storage!r}: choose from '
            f'{", ".join(STORAGES)}; convert it by `ros2 bag convert`'
        )
    if compression not in COMPRESSIONS:
        raise SourceError(
            f'{metadata.parent} is compressed by {compression!r}: choose from zstd, and within '
            'mcap lz4; convert it by `ros2 bag convert`'
        )
    if not names:
        raise SourceError(f'{metadata} lists no file: the bag is empty, nothing was recorded')
    missing = [name for name in names if not (metadata.parent / name).is_file()]
    if missing == names:
        raise SourceError(
            f'{metadata} lists {", ".join(missing)}, which is not there: restore it, or give the '
            'files that are there one by one'
        )
    return names


def _file(path: Path) -> BagFile:
    try:
        with path.open('rb') as file:
            start = file.read(16)
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        reason = getattr(error, 'strerror', None) or error
        raise SourceError(f'{str(path)!r}: {reason}; {GIVE}') from error
    if not start:
        raise SourceError(f'{path} is an empty file: nothing was recorded')
    kind = next(
        (kind for signature, kind in SIGNATURES.items() if start.startswith(signature)), ''
    )
    if kind == 'ros1':
        raise SourceError(f'{path} is a bag of ROS 1: {CONVERT}')
    if kind == 'zstd' and Path(path.stem).suffix in SUFFIXES:
        return BagFile(path, SUFFIXES[Path(path.stem).suffix], zipped=True)
    if kind not in STORAGES:
        raise SourceError(f'{path} is not a bag, it begins with {start[:8]!r}: {GIVE}')
    return BagFile(path, kind)
