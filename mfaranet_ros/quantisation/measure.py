# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What INT8 costs in accuracy and gains in time, by frames that go through the whole pipeline."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.labels import LabelSet, Role
from mfaranet_ros.data.images import find_pairs, read_frame
from mfaranet_ros.data.label_table import read_table
from mfaranet_ros.data.recordings import open_recording
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.pipeline.processor import FrameProcessor

MAX_LOSS = 0.005
"""Mean IoU that INT8 may cost, of each set of images."""

MAX_CLASS_LOSS = 0.01
"""IoU that it may cost a class that can hurt someone, over all sets."""

MIN_AGREEMENT = 0.98
"""Share of the pixels that keep the label of float32 where there is no ground truth."""

MIN_CLASS_AGREEMENT = 0.95
"""Share of the pixels of a class that can hurt someone that keep it, without ground truth."""

MIN_PIXELS = 10_000
"""A class of fewer pixels is shown but not judged: a few borders would decide."""

WORST = 5
"""Frames that are named."""

_TIMED = 20
"""Frames whose times count."""


@dataclass(frozen=True)
class CheckSet:
    """Images that the files are measured on.

    images: a folder, a video or a bag; with ground truth a folder. ground_truth: its label
    images, None where there are none. table: which classes each id of them may be; None where
    the ids are those of the network.
    """

    images: Path
    ground_truth: Path | None = None
    table: Path | None = None


@dataclass(frozen=True)
class SetScore:
    """Mean IoU on one set; of its agreement with float32 alone where there is no ground truth."""

    name: str
    frames: int
    plain: float | None
    int8: float | None
    agreement: float

    @property
    def loss(self) -> float:
        """How much mean IoU INT8 costs; 0 without ground truth."""
        return 0.0 if self.plain is None or self.int8 is None else self.plain - self.int8


@dataclass(frozen=True)
class ClassScore:
    """IoU of one class over all sets, of float32 and INT8.

    Without ground truth it is 1 for float32 and the share of its pixels that keep the class.
    critical: it can hurt someone if it is missed, or if something else is called it.
    """

    name: str
    critical: bool
    pixels: int
    plain: float
    int8: float

    @property
    def loss(self) -> float:
        """How much INT8 costs."""
        return self.plain - self.int8


@dataclass(frozen=True)
class WorstFrame:
    """A frame on which INT8 differs most from float32. agreement: share of equal labels."""

    name: str
    agreement: float


@dataclass(frozen=True)
class Measurement:
    """What was measured in one run.

    plain_ms, int8_ms: medians of the network's time on the same frames; plain is the file in the
    precision that would run without INT8.
    """

    with_ground_truth: bool
    sets: tuple[SetScore, ...]
    classes: tuple[ClassScore, ...]
    worst: tuple[WorstFrame, ...]
    plain_ms: float
    int8_ms: float

    @property
    def speedup(self) -> float:
        """How many times as fast INT8 is."""
        return self.plain_ms / self.int8_ms

    def problems(self) -> tuple[str, ...]:
        """Return why the INT8 file must not be used; nothing where it may."""
        found = self.losses()
        if self.speedup <= 1:
            found += (
                f'it is not faster: {self.int8_ms:.1f} ms a frame, without INT8 '
                f'{self.plain_ms:.1f} ms',
            )
        return found

    def losses(self) -> tuple[str, ...]:
        """Return where accuracy suffers more than is allowed, whatever the speed."""
        found = [
            f'{each.name}: mean IoU {each.plain:.4f} becomes {each.int8:.4f}, a loss of '
            f'{100 * each.loss:.2f} points where {100 * MAX_LOSS:g} are allowed'
            for each in self.sets
            if each.loss > MAX_LOSS
        ]
        if not self.with_ground_truth:
            found += [
                f'{each.name}: {each.agreement:.2%} of the labels are those of float32 where '
                f'{MIN_AGREEMENT:.0%} are needed'
                for each in self.sets
                if each.agreement < MIN_AGREEMENT
            ]
        limit = MAX_CLASS_LOSS if self.with_ground_truth else 1 - MIN_CLASS_AGREEMENT
        found += [
            f'class {each.name}: {each.plain:.4f} becomes {each.int8:.4f}, a loss of '
            f'{100 * each.loss:.2f} points where {100 * limit:g} are allowed'
            for each in self.classes
            if each.critical and each.pixels >= MIN_PIXELS and each.loss > limit
        ]
        return tuple(found)


class Remembering:
    """Runs a processor once for each image and keeps its labels for later attempts."""

    def __init__(self, processor: FrameProcessor) -> None:
        self.label_set = processor.label_set
        self._processor = processor
        self._labels: dict[str, NDArray[np.uint8]] = {}

    def labels(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the labels of a frame, uint8 (H, W)."""
        key = hashlib.sha256(frame.pixels.tobytes()).hexdigest()
        if key not in self._labels:
            self._labels[key] = self._processor(frame).labels
        return self._labels[key]


@dataclass(frozen=True)
class Candidates:
    """The files that are compared, each as a processor.

    plain: float32, the measure of accuracy. usual: what would run without INT8, the measure of
    speed. int8: the file that is judged.
    """

    plain: Remembering
    usual: FrameProcessor
    int8: FrameProcessor


def measure(
    candidates: Candidates,
    sets: Sequence[CheckSet],
    *,
    limit: int = 0,
    on_frame: Callable[[], object] = lambda: None,
) -> Measurement:
    """Run float32 and INT8 over all sets and compare them.

    limit: most frames of a set, spread evenly; 0: all. Ground truth decides where every set has
    some, else agreement with float32 does.
    Raises SourceError or ConfigError for images or tables that cannot be used.
    """
    label_set = candidates.plain.label_set
    truth = all(each.ground_truth is not None for each in sets)
    totals: list[tuple[ConfusionMatrix, ConfusionMatrix]] = []
    scores: list[SetScore] = []
    worst: list[WorstFrame] = []
    times: list[tuple[float, float]] = []
    for each in sets:
        reader = _SetReader(each, label_set, truth)
        counted = reader.matrix(), reader.matrix()
        equal: list[float] = []
        for name, frame, ground_truth in reader.frames(limit):
            plain = candidates.plain.labels(frame)
            result = candidates.int8(frame)
            if len(times) < _TIMED:
                usual_ms = candidates.usual(frame).timings.inference_ms
                times.append((usual_ms or 0.0, result.timings.inference_ms or 0.0))
            wanted = plain if ground_truth is None else ground_truth
            for matrix, labels in zip(counted, (plain, result.labels), strict=True):
                matrix.update(labels, wanted)
            equal.append(float(np.mean(plain == result.labels)))
            worst.append(WorstFrame(f'{each.images.name}/{name}', equal[-1]))
            on_frame()
        if not equal:
            raise SourceError(f'{each.images} holds no image that can be read: give others')
        means = [matrix.mean_iou() if truth else None for matrix in counted]
        scores.append(
            SetScore(str(each.images), len(equal), means[0], means[1], statistics.fmean(equal))
        )
        totals.append(counted)
    usual_ms, int8_ms = (statistics.median(column) for column in zip(*times, strict=True))
    worst.sort(key=lambda one: one.agreement)
    classes = _classes(label_set, totals, truth)
    return Measurement(truth, tuple(scores), classes, tuple(worst[:WORST]), usual_ms, int8_ms)


class _SetReader:
    """Reads one set, its ground truth as class ids and codes of partial labels."""

    def __init__(self, given: CheckSet, label_set: LabelSet, truth: bool) -> None:
        self._given, self._truth = given, truth
        self._classes = len(label_set)
        self.sets: Sequence[Sequence[int]] = ()
        if not truth or given.ground_truth is None:
            return
        if not given.images.is_dir():
            raise ConfigError(f'{given.images}: ground truth needs a folder of images')
        self._pairs = find_pairs(given.images, given.ground_truth)
        table = read_table(given.table, label_set) if given.table else None
        comparison = LabelComparison.between(label_set, label_set, table=table)
        self.sets, self._read = comparison.codes.sets, comparison.reader(self._pairs.layout)

    def matrix(self) -> ConfusionMatrix:
        return ConfusionMatrix(self._classes, self.sets)

    def frames(self, limit: int) -> Iterator[tuple[str, Frame, NDArray[np.uint8] | None]]:
        if not self._truth:
            yield from ((name, frame, None) for name, frame in spread(self._given.images, limit))
            return
        pairs = self._pairs.pairs
        for pair in pairs[:: -(-len(pairs) // limit) if limit else 1]:
            frame = read_frame(pair.image)
            assert pair.ground_truth is not None
            yield pair.name, frame, self._read(pair.ground_truth, frame.size)


def spread(path: Path, count: int) -> Iterator[tuple[str, Frame]]:
    """Yield names and frames of a folder, video or bag, at most so many, spread evenly; 0: all.

    Raises SourceError where there is no image.
    """
    with open_recording(path) as recording:
        total = sum(1 for _ in recording) if count else 0
        step = max(1, -(-total // count)) if count else 1
        for place, one in enumerate(recording):
            if place % step == 0:
                yield one.name, one.frame


def _classes(
    label_set: LabelSet,
    totals: Sequence[tuple[ConfusionMatrix, ConfusionMatrix]],
    truth: bool,
) -> tuple[ClassScore, ...]:
    """Return the score of each class that occurs, over all sets."""
    hits, union, pixels = (np.zeros((2, len(label_set))) for _ in range(3))
    for pair in totals:
        for row, matrix in enumerate(pair):
            right, true = matrix.counts.diagonal(), matrix.counts.sum(axis=1) + matrix.unlabeled
            hits[row] += right
            pixels[row] += true
            found = matrix.counts.sum(axis=0) + matrix.outside
            union[row] += true if not truth else true + found - right
    critical = np.isin(label_set.roles[: len(label_set)], (Role.DRIVABLE, Role.OBSTACLE))
    return tuple(
        ClassScore(
            entry.name, bool(critical[entry.id]), int(pixels[0, entry.id]),
            *(float(hits[row, entry.id] / union[row, entry.id]) for row in (0, 1)),
        )
        for entry in label_set.classes
        if pixels[0, entry.id] and union[:, entry.id].all()
    )  # fmt: skip
