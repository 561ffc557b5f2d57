# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is scored: a frame with its calibration and ground truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import Frame, GroundGrid
from mfaranet_ros.evaluation.metrics.counts import Labels
from mfaranet_ros.geometry.ground_source import Ground


@dataclass(frozen=True, eq=False)
class MetricGroundTruth:
    """What the ground around the vehicle truly is.

    grid: in the base frame. boundary_m: float64 (M, 2), the true end of the free space,
    counter-clockwise about the camera and dense; None where only the grid is known.
    """

    grid: GroundGrid
    boundary_m: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame, ready to be run.

    ground_truth: uint8 (H, W) class ids at the frame's size, 255 for void; None where it is not
    known.
    ground: under the image, at its size; without a projection where the camera is not calibrated.
    ms: what reading and decoding took, by stage.
    file: the place of the file that it is of in its folder, without suffix; empty in a bag.
    """

    frame: Frame
    ground_truth: Labels | None = None
    ground: Ground = field(default_factory=lambda: Ground(None))
    metric: MetricGroundTruth | None = None
    ms: Mapping[str, float] = field(default_factory=dict)
    file: str = ''


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
