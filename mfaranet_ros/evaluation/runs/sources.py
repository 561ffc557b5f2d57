# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is scored: frames with calibration and ground truth, and the folders they come from."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.core.frame import Frame, GroundGrid, MessageLike
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.data.images import Pair, Pairs, decode_bytes, read_bytes
from mfaranet_ros.data.labels import LabelReader
from mfaranet_ros.evaluation.metrics.counts import Labels
from mfaranet_ros.geometry.attitude_source import AttitudeLookup
from mfaranet_ros.geometry.ground_source import Ground, GroundSource


@dataclass(frozen=True, eq=False)
class MetricGroundTruth:
    """What the ground around the vehicle truly is.

    grid: in the base frame. boundary_m: float64 (M, 2), the true end of the free space,
    counter-clockwise about the camera and dense; None where only the grid is known.
    """

    grid: GroundGrid
    boundary_m: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class ReadTimes:
    """Wall time of each step before the pipeline in milliseconds; None where it was not taken."""

    read_ms: float | None = None
    decode_ms: float | None = None
    ground_truth_ms: float | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame, ready to be run.

    ground_truth: uint8 (H, W) class ids at the frame's size, 255 for void; None where it is not
    known.
    ground: under the image, at its size; without a projection where the camera is not calibrated.
    times: of reading and decoding.
    file: the place of the file that it is of in its folder, without suffix; empty in a bag.
    attitude: estimates the tilt of the vehicle at the frame, None where it is taken for level.
    """

    frame: Frame
    ground_truth: Labels | None = None
    ground: Ground = field(default_factory=lambda: Ground(None))
    metric: MetricGroundTruth | None = None
    times: ReadTimes = ReadTimes()
    file: str = ''
    attitude: AttitudeLookup | None = None


@dataclass(frozen=True, eq=False)
class Entry:
    """One frame of a source, not yet decoded.

    number: its place in the source, from 0, whatever is left out. name: what reports call it.
    load: decodes it; raises DecodeError if the frame is broken, SourceError if its ground truth
    does not fit.
    """

    number: int
    name: str
    load: Callable[[], Sample]


class Source(Protocol):
    """Frames in order, of one drive or one folder.

    name: what reports call it. frames: how many `entries` has, as far as it is known.
    """

    name: str
    frames: int

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the frames whose number is start or more, in order."""
        ...

    def close(self) -> None:
        """Free what it holds."""


@dataclass(frozen=True)
class Selection:
    """Which frames of a source are taken: every step-th from start up to, but not with, stop."""

    start: int = 0
    stop: int | None = None
    step: int = 1

    @classmethod
    def parse(cls, text: str) -> Selection:
        """Read a text such as 100:200:5, empty for all; raises SourceError for another form."""
        parts = text.split(':')
        try:
            numbers = [int(part) if part.strip() else None for part in parts]
        except ValueError:
            numbers = []
        start, stop, step = (*numbers, None, None, None)[:3]
        result = cls(start or 0, stop, 1 if step is None else step)
        empty = result.stop is not None and result.stop <= result.start
        if not 1 <= len(numbers) <= 3 or result.start < 0 or result.step < 1 or empty:
            raise SourceError(
                f'--frames {text}: write START:STOP:STEP as in 100:200:5, counted from 0; what is '
                'left out is all'
            )
        return result

    def takes(self, number: int) -> bool:
        """Say whether the frame of this number is one of them."""
        inside = number >= self.start and (self.stop is None or number < self.stop)
        return inside and (number - self.start) % self.step == 0

    def count(self, frames: int) -> int:
        """Return how many of the first `frames` frames are selected."""
        stop = frames if self.stop is None else min(self.stop, frames)
        return len(range(self.start, stop, self.step))


class FolderSource:
    """The images of a folder in the order of their names, with ground truth where there is some.

    name: what reports call the folder. camera_info: of the camera that took all
    of them, if it is known; ground: its mounting.
    metric: the folder of their ground truth in metres, if there is one.
    """

    def __init__(
        self,
        name: str,
        pairs: Pairs,
        read_ground_truth: LabelReader,
        selection: Selection,
        camera_info: MessageLike | None = None,
        ground: GroundConfig | None = None,
        metric: Path | None = None,
    ) -> None:
        self.name = name
        self._pairs = pairs.pairs
        self._read_ground_truth = read_ground_truth
        self._selection = selection
        self._config = ground or GroundConfig()
        self._ground = GroundSource(missing='')
        self._ground.take_camera_info(camera_info)
        self._metric = metric
        self.frames = selection.count(len(self._pairs))

    def entries(self, start: int = 0) -> Iterator[Entry]:
        """Yield the images whose number is start or more, in order."""
        for number, pair in enumerate(self._pairs):
            if number >= start and self._selection.takes(number):
                yield Entry(number, printable(pair.name), partial(self._load, pair))

    def _load(self, pair: Pair) -> Sample:
        lap = Laps()
        data = read_bytes(pair.image)
        read_ms = lap()
        frame = decode_bytes(pair.image, data)
        decode_ms = lap()
        ground_truth = None
        if pair.ground_truth is not None:
            ground_truth = self._read_ground_truth(pair.ground_truth, frame.size)
        metric = read_metric(self._metric, pair.name) if self._metric else None
        times = ReadTimes(read_ms, decode_ms, lap())
        file = Path(pair.name).with_name(pair.image.stem).as_posix()
        ground = self._ground.at(frame, frame.size, self._config)
        return Sample(frame, ground_truth, ground, metric, times, file)

    def close(self) -> None:
        """Nothing is open."""


SUFFIX = '.npz'


def read_metric(folder: Path, name: str) -> MetricGroundTruth:
    """Read the ground truth of the image of this name.

    The file holds cells, int8 (rows along y, columns along x), 0 free, 100 blocked, -1 unseen;
    resolution_m; corner_m, x and y of the lower corner of cell (0, 0); and, where it is known,
    boundary_m, float (M, 2). Raises SourceError, which names the file.
    """
    path = folder.expanduser() / f'{name}{SUFFIX}'
    try:
        with np.load(path, allow_pickle=False) as content:
            x_min_m, y_min_m = (float(value) for value in content['corner_m'])
            cells = np.asarray(content['cells'], np.int8)
            grid = GroundGrid(cells, float(content['resolution_m']), x_min_m, y_min_m)
            known = 'boundary_m' in content
            boundary_m = np.asarray(content['boundary_m'], np.float64) if known else None
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: {error.strerror or error}; give the metric ground truth of '
            f'every '
            'image'
        ) from error
    except (KeyError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise SourceError(
            f'{path} is not a metric ground truth ({error}): write it with `mfaranet scene`'
        ) from error
    return MetricGroundTruth(grid, boundary_m)
