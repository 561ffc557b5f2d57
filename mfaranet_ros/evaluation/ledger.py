"""The records of an evaluation on the disk, one line each, so that it can be gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from mfaranet_ros.errors import ConfigError, OutputError, SourceError
from mfaranet_ros.evaluation.record import Record, from_line, to_line

FORMAT = 1
"""Raised when a line means something else than before."""


class Ledger:
    """A file of records that is written to as they come.

    Its first line says what is evaluated and how: only the same may be gone on with.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        try:
            self._file = path.open(mode, encoding='utf-8')
        except OSError as error:
            raise self._failed(error) from error

    @classmethod
    def begin(cls, path: Path, about: Mapping[str, Any]) -> Ledger:
        """Begin a new file. about: plain values. Raises OutputError."""
        ledger = cls(path, 'w')
        ledger._write(_head(about))
        return ledger

    @classmethod
    def go_on(
        cls, path: Path, about: Mapping[str, Any], classes: int
    ) -> tuple[Ledger, list[Record]]:
        """Return the file and the records in it; a last line that was cut off is forgotten.

        Raises SourceError where there is none or it is broken, and ConfigError, which names what
        differs, if it is of another evaluation.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise SourceError(
                f'{path} cannot be read: {error.strerror}; leave out --resume'
            ) from error
        whole = content[: content.rfind(b'\n') + 1]
        records = _read(path, whole.decode('utf-8', 'replace').splitlines(), about, classes)
        ledger = cls(path, 'r+')
        ledger._file.truncate(len(whole))
        ledger._file.seek(len(whole))
        return ledger, records

    def write(self, record: Record) -> None:
        """Append a record, and hand it to the system at once; raises OutputError."""
        self._write(to_line(record))

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + '\n')
            self._file.flush()
        except OSError as error:
            with suppress(OSError):
                self._file.close()
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OutputError:
        return OutputError(
            f'cannot write {self.path}: {error.strerror}; make room and go on with --resume, or '
            'give another folder'
        )

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._file.close()
        except OSError as failed:
            if error is None:
                raise self._failed(failed) from failed


def _head(about: Mapping[str, Any]) -> str:
    return json.dumps({'format': FORMAT, **about}, separators=(',', ':'))


def _read(path: Path, lines: list[str], about: Mapping[str, Any], classes: int) -> list[Record]:
    try:
        begun = json.loads(lines[0])
        wanted = json.loads(_head(about))
        names = sorted(begun.keys() | wanted.keys())
        differing = [name for name in names if begun.get(name) != wanted.get(name)]
        records = [] if differing else [from_line(line, classes) for line in lines[1:]]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        raise SourceError(f'{path} is broken ({error}): leave out --resume') from error
    if differing:
        raise ConfigError(
            f'{path.parent} holds another evaluation, which differs in {", ".join(differing)}: '
            'leave out --resume, or give what was given then'
        )
    return records
