# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writing files atomically, making folders and hashing files."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import OutputError, SourceError

_count = itertools.count()


def write_file(path: Path, data: bytes | str, *, parents: bool = False, advice: str = '') -> None:
    """Write a file whole or not at all; a file that was there before stays until then.

    data: bytes, or a text that is written as UTF-8. parents: make folders that are missing.
    advice: what to do, added to the error. Raises OutputError.
    """
    write_files({path: data}, parents=parents, advice=advice)


def write_files(
    contents: Mapping[Path, bytes | str], *, parents: bool = False, advice: str = ''
) -> None:
    """Write several files as `write_file` does, and replace none until all are written."""
    temporary: dict[Path, Path] = {}
    path = Path()
    try:
        for path, content in contents.items():
            data = printable(content).encode() if isinstance(content, str) else content
            if parents:
                path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and not path.is_file():  # such as /dev/stdout or a pipe
                path.write_bytes(data)
                continue
            # A short name: one made of the file's own could be longer than is allowed.
            temporary[path] = path.resolve().with_name(f'.{os.getpid()}.{next(_count)}.part')
            with temporary[path].open('wb') as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path, written in temporary.items():
            written.replace(path.resolve())
    except OSError as error:
        raise unwritable(path, error, advice) from error
    finally:
        for written in temporary.values():
            with suppress(OSError):
                written.unlink(missing_ok=True)


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write figures as JSON, in a folder that is made where it is missing; raises OutputError."""
    write_text(path, json.dumps(figures, indent=2) + '\n')


def write_text(path: Path, text: str) -> None:
    """Write a text, in a folder that is made where it is missing; raises OutputError."""
    write_file(path, text, parents=True, advice='give another FILE')


def make_folder(folder: Path, *, advice: str = '') -> None:
    """Make a folder and those above it where they are missing; raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error, advice) from error


def unwritable(path: Path, error: OSError, advice: str = '') -> OutputError:
    """Return the error for a file or folder that cannot be written."""
    reason = f'cannot write {path}: {error.strerror or error}'
    return OutputError(f'{reason}; {advice}' if advice else reason)


def printable(path: str | Path) -> str:
    """Return a path as a text that can be printed and sent, whatever bytes its name holds."""
    return str(path).encode(errors='backslashreplace').decode()


def hash_files(paths: Iterable[Path]) -> str:
    """Return the sha256, hexadecimal, of the contents of files one after the other.

    Raises SourceError where one cannot be read.
    """
    total = hashlib.sha256()
    for path in paths:
        try:
            with path.open('rb') as file:
                while block := file.read(2**20):
                    total.update(block)
        except OSError as error:
            raise SourceError(f'{path} cannot be read: {error.strerror or error}') from error
    return total.hexdigest()
