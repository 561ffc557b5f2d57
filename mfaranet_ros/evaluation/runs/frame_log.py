# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The records of an evaluation on the disk, one line each.

They are not kept in memory: many small blocks among the large ones that each frame needs for a
moment would leave holes, and the process would grow with every frame. In a folder of the user's
the file also lets an evaluation be resumed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import IO, Any

from mfaranet_ros.core.errors import ConfigError, OutputError, SourceError
from mfaranet_ros.core.frame import Timings, stages_of
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.evaluation.metrics.counts import Counts, from_plain, to_plain
from mfaranet_ros.evaluation.runs.sources import ReadTimes
from mfaranet_ros.monitoring.health import FrameHealth
from mfaranet_ros.monitoring.monitor import PROCESSING


@dataclass(frozen=True)
class FrameTimes:
    """Wall times of one frame in milliseconds.

    pipeline: without decoding, which is in `read`. score_ms: of the comparison with the ground
    truth. processing_ms: from the encoded image to its results, as in the node.
    """

    read: ReadTimes
    pipeline: Timings
    score_ms: float
    processing_ms: float

    def items(self) -> Iterator[tuple[str, float]]:
        """Yield name and milliseconds of each stage that ran, in order."""
        yield from stages_of(self.read)
        yield from stages_of(self.pipeline)
        yield 'score', self.score_ms
        yield PROCESSING, self.processing_ms

    @classmethod
    def of(cls, items: Mapping[str, float]) -> FrameTimes:
        """Return the times of what `items` yielded; raises KeyError or TypeError for others."""
        ms = {f'{stage}_ms': float(value) for stage, value in items.items()}
        score_ms, processing_ms = ms.pop('score_ms'), ms.pop(f'{PROCESSING}_ms')
        read = {field.name: ms.pop(field.name, None) for field in fields(ReadTimes)}
        return cls(ReadTimes(**read), Timings(**ms), score_ms, processing_ms)


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One frame that was run.

    source: the name of the bag or folder. number: its place in there. name: what reports call it.
    size: height and width in pixels. ground truth: whether it was compared with one.
    health: statistics of its pixels.
    """

    source: str
    number: int
    name: str
    stamp_ns: int
    size: tuple[int, int]
    ground_truth: bool
    counts: Counts
    times: FrameTimes
    health: FrameHealth


@dataclass(frozen=True)
class Skipped:
    """One frame that could not be decoded, and why."""

    source: str
    number: int
    name: str
    why: str


Record = FrameRecord | Skipped


def to_line(record: Record) -> str:
    """Return a record as one line of JSON."""
    plain: dict[str, Any] = {
        'source': record.source,
        'number': record.number,
        'name': record.name,
    }
    if isinstance(record, Skipped):
        plain['why'] = record.why
    else:
        plain |= {
            'stamp_ns': record.stamp_ns,
            'size': list(record.size),
            'ground_truth': record.ground_truth,
            'counts': to_plain(record.counts),
            'ms': {stage: round(ms, 4) for stage, ms in record.times.items()},
            'health': list(astuple(record.health)),
        }
    return json.dumps(plain, separators=(',', ':'))


def from_line(line: str, none: Counts) -> Record:
    """Return the record of a line; none: the counts of no frame.

    Raises ValueError, KeyError or TypeError for anything else.
    """
    plain = json.loads(line)
    place = str(plain['source']), int(plain['number']), str(plain['name'])
    if 'why' in plain:
        return Skipped(*place, str(plain['why']))
    height, width = plain['size']
    return FrameRecord(
        *place,
        int(plain['stamp_ns']),
        (int(height), int(width)),
        bool(plain['ground_truth']),
        from_plain(plain['counts'], none),
        FrameTimes.of(plain['ms']),
        FrameHealth(*plain['health']),
    )


@dataclass(frozen=True)
class ResumePoint:
    """How far a source was run before.

    next: the first number that is left. last: the number of the last frame that was run and is
    followed by it, None where there is none.
    """

    next: int = 0
    last: int | None = None


@dataclass(frozen=True)
class Resumed:
    """What a log holds: how many frames, and where each source continues."""

    frames: int
    places: Mapping[str, ResumePoint]


FORMAT = 2
"""Raised when a line means something else than before."""


class FrameLog:
    """A file of records that is written to as they come.

    Its first line says what is evaluated and how: only the same evaluation can be resumed.
    """

    def __init__(self, path: Path | None, file: IO[str], none: Counts) -> None:
        self._path = path
        self._file = file
        self._none = none

    @classmethod
    def begin(cls, path: Path | None, about: Mapping[str, Any], none: Counts) -> FrameLog:
        """Begin a new file, or one that vanishes when it is closed.

        about: plain values. none: the counts of no frame. Raises OutputError.
        """
        try:
            if path is None:
                file: IO[str] = tempfile.TemporaryFile('w+', encoding='utf-8')  # noqa: SIM115
            else:
                file = path.open('w+', encoding='utf-8')
        except OSError as error:
            raise _failed(path, error) from error
        frame_log = cls(path, file, none)
        frame_log._write(_head(about))
        return frame_log

    @classmethod
    def go_on(cls, path: Path, about: Mapping[str, Any], none: Counts) -> FrameLog:
        """Open a file to append to it; a last line that was cut off is taken away.

        Raises SourceError where there is none or it is broken, and ConfigError, which names what
        differs, if it is of another evaluation.
        """
        try:
            file = path.open('r+', encoding='utf-8')
        except OSError as error:
            raise SourceError(
                f'{path} cannot be read: {error.strerror}; leave out --resume'
            ) from error
        frame_log = cls(path, file, none)
        try:
            frame_log._check(path, about)
        except BaseException:
            file.close()
            raise
        return frame_log

    def _check(self, path: Path, about: Mapping[str, Any]) -> None:
        head, wanted = self._file.readline(), json.loads(_head(about))
        try:
            earlier = parse_json(head)
            names = sorted(earlier.keys() | wanted.keys())
        except (ValueError, AttributeError) as error:
            raise SourceError(f'{path} is broken ({error}): leave out --resume') from error
        differing = [name for name in names if earlier.get(name) != wanted.get(name)]
        if differing:
            raise ConfigError(
                f'{path.parent} holds another evaluation, which differs in '
                f'{", ".join(differing)}: leave out --resume, or give what was given then'
            )
        whole = len(head.encode())
        while (line := self._file.readline()).endswith('\n'):
            self._read(line)
            whole += len(line.encode())
        self._file.seek(whole)
        self._file.truncate()

    def write(self, record: Record) -> None:
        """Append a record, and hand it to the system at once; raises OutputError."""
        self._write(to_line(record))

    def records(self) -> Iterator[Record]:
        """Read all records again, in the order in which they were written."""
        self._file.seek(0)
        self._file.readline()
        for line in self._file:
            yield self._read(line)

    @property
    def resumed(self) -> Resumed:
        """What an earlier run left."""
        frames, places = 0, dict[str, ResumePoint]()
        for record in self.records():
            frames += 1
            if record.number >= places.get(record.source, ResumePoint()).next:
                last = record.number if isinstance(record, FrameRecord) else None
                places[record.source] = ResumePoint(record.number + 1, last)
        return Resumed(frames, places)

    def _read(self, line: str) -> Record:
        try:
            return from_line(line, self._none)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SourceError(
                f'{self._path or "the record"} is broken ({error}): leave out --resume'
            ) from error

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + '\n')
            self._file.flush()
        except OSError as error:
            with suppress(OSError):
                self._file.close()
            raise _failed(self._path, error) from error

    def __enter__(self) -> FrameLog:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # every line was flushed
            self._file.close()


def _head(about: Mapping[str, Any]) -> str:
    return json.dumps({'format': FORMAT, **about}, separators=(',', ':'))


def _failed(path: Path | None, error: OSError) -> OutputError:
    where = path or f'to {tempfile.gettempdir()}'
    return OutputError(
        f'cannot write {where}: {error.strerror}; free some space and continue with '
        '--resume, or give another --out'
    )
