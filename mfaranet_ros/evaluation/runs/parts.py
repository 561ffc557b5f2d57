# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The frames of one bag, or of all, with the sum of their counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mfaranet_ros.core.labels import LabelSet, Role
from mfaranet_ros.data.label_table import LabelCodes
from mfaranet_ros.evaluation.metrics.confusion import ImageScore, Scores, score_image
from mfaranet_ros.evaluation.metrics.counts import NOWHERE, Counts
from mfaranet_ros.evaluation.metrics.measures import (
    Flicker,
    Reliability,
    Spread,
    flicker,
    reliability,
    spreads,
)
from mfaranet_ros.evaluation.runs.frame_log import FrameRecord, FrameTimes, Record, Skipped
from mfaranet_ros.evaluation.runs.specs import SourceSummary
from mfaranet_ros.monitoring.health import FrameHealth

Row = tuple[int, ...]


@dataclass(frozen=True)
class FrameScores:
    """What reports say of one frame; its counts are in the sum.

    score: None without ground truth. classes: pixels hit, true and found of every class; drivable:
    of the drivable area. flicker: the share of pixels whose label differs from the frame before,
    of those whose true class stays where that is known; nan where none was compared.
    drivable_iou_by_distance: of the drivable area in each of BANDS, nan where nothing is known.
    health: statistics of its pixels.
    """

    source: str
    number: int
    name: str
    stamp_ns: int
    size: tuple[int, int]
    score: ImageScore | None
    classes: tuple[Row, Row, Row]
    drivable: tuple[int, int, int]
    flicker: float
    times: FrameTimes
    drivable_iou_by_distance: tuple[float, ...]
    health: FrameHealth

    @property
    def mean_iou(self) -> float:
        """Nan without ground truth, or where it has nothing to compare with."""
        return self.score.mean_iou if self.score else math.nan


@dataclass(frozen=True)
class Part:
    """Frames that are scored together, in order.

    counts: the sum over them. skipped: frames that could not be decoded.
    summaries: of the bags or folders that the frames come from.
    """

    name: str
    label_set: LabelSet
    counts: Counts
    frames: tuple[FrameScores, ...]
    skipped: tuple[Skipped, ...]
    summaries: tuple[SourceSummary, ...]

    @cached_property
    def scores(self) -> Scores | None:
        """The scores of the frames that have a ground truth; None where none has."""
        images = tuple(frame.score for frame in self.frames if frame.score)
        return Scores(self.label_set, self.counts.matrix(), images) if images else None

    @cached_property
    def spreads(self) -> Mapping[str, Spread]:
        """The times of every stage."""
        return spreads(frame.times.items() for frame in self.frames)

    @cached_property
    def flicker(self) -> Flicker:
        """The flicker of all frames."""
        return flicker(self.counts.flicker.sum(axis=0))

    @cached_property
    def reliability(self) -> Reliability:
        """The confidence calibration of all frames."""
        return reliability(self.counts.calibration.sum(axis=0))

    @property
    def has_distances(self) -> bool:
        """Whether the distance of the ground is known for any pixel."""
        return bool(self.counts.pixels[:NOWHERE].any())

    @property
    def is_metric(self) -> bool:
        """Whether anything was compared in metres."""
        metric = self.counts.metric
        return bool(metric.free_ground_truth.any() or metric.blocked.any() or metric.errors.any())

    def over(self, budget_ms: float) -> int:
        """Return how many frames took longer than the budget."""
        return sum(frame.times.processing_ms > budget_ms for frame in self.frames)

    def ranked(self) -> list[FrameScores]:
        """Return the frames that have a score, from the worst to the best.

        By mean IoU where there is ground truth, otherwise by flicker, the largest first.
        """
        if self.scores is not None:
            known = [frame for frame in self.frames if not math.isnan(frame.mean_iou)]
            return sorted(known, key=lambda frame: frame.mean_iou)
        known = [frame for frame in self.frames if not math.isnan(frame.flicker)]
        return sorted(known, key=lambda frame: -frame.flicker)


@dataclass(frozen=True)
class Results:
    """All that came of an evaluation: together, and of each bag or folder."""

    together: Part
    parts: tuple[Part, ...]

    @property
    def truncated(self) -> tuple[str, ...]:
        """What is missing of damaged bags."""
        texts = (summary.truncated for summary in self.together.summaries)
        return tuple(text for text in texts if text)


def assemble(
    records: Iterable[Record], summaries: Sequence[SourceSummary], codes: LabelCodes
) -> Results:
    """Return the results of records in any order.

    summaries: in the order of the report. codes: the classes and partial labels of the counts.
    """
    sums = {summary.name: _Sum(codes) for summary in summaries}
    for record in records:
        sums[record.source].add(record)
    parts = tuple(sums[summary.name].part(summary) for summary in summaries)
    counts = Counts.none(len(codes.label_set), codes.sets)
    for part in parts:
        counts += part.counts
    together = Part(
        'all',
        codes.label_set,
        counts,
        tuple(frame for part in parts for frame in part.frames),
        tuple(frame for part in parts for frame in part.skipped),
        tuple(summaries),
    )
    return Results(together, parts)


class _Sum:
    """The results of one source so far."""

    def __init__(self, codes: LabelCodes) -> None:
        self._label_set = codes.label_set
        self._counts = Counts.none(len(codes.label_set), codes.sets)
        self._frames: list[FrameScores] = []
        self._skipped: list[Skipped] = []

    def add(self, record: Record) -> None:
        if isinstance(record, Skipped):
            self._skipped.append(record)
            return
        self._counts += record.counts
        self._frames.append(scores_of(record, self._label_set))

    def part(self, summary: SourceSummary) -> Part:
        frames = sorted(self._frames, key=lambda frame: frame.number)
        skipped = sorted(self._skipped, key=lambda frame: frame.number)
        return Part(
            summary.name, self._label_set, self._counts, tuple(frames), tuple(skipped), (summary,)
        )


def scores_of(record: FrameRecord, label_set: LabelSet) -> FrameScores:
    """Return what reports say of a frame."""
    matrix = record.counts.matrix()
    hits, predicted = matrix.counts.diagonal(), matrix.counts.sum(axis=0) + matrix.outside
    ground_truth = matrix.counts.sum(axis=1) + matrix.unlabeled
    road = label_set.roles[: len(label_set)] == Role.DRIVABLE
    return FrameScores(
        record.source,
        record.number,
        record.name,
        record.stamp_ns,
        record.size,
        score_image(record.name, matrix, label_set) if record.ground_truth else None,
        (tuple(hits.tolist()), tuple(ground_truth.tolist()), tuple(predicted.tolist())),
        matrix.area(road),
        flicker_share(record),
        record.times,
        tuple(_iou(record.counts.matrix(band).area(road)) for band in range(NOWHERE)),
        record.health,
    )


def _iou(area: tuple[int, int, int]) -> float:
    hit, ground_truth, found = area
    union = ground_truth + found - hit
    return hit / union if union else math.nan


def flicker_share(record: FrameRecord) -> float:
    """Return the flicker of one frame, see FrameScores."""
    for compared, changed in record.counts.flicker.sum(axis=0).tolist():
        if compared:
            return float(changed / compared)
    return math.nan
