# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The evaluation loop: runs samples, compares each with its ground truth, yields records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mfaranet_ros.core.errors import ConfigError, DecodeError, InferenceError, SourceError
from mfaranet_ros.core.frame import Drivable, Frame, GroundGrid, Output, Result, Timings
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.evaluation.metrics.counts import Counts, Labels, PixelCounter
from mfaranet_ros.evaluation.metrics.ground import band_image, count_ground
from mfaranet_ros.evaluation.metrics.metric import MetricCounts
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.frame_log import FrameRecord, FrameTimes, Record, Skipped
from mfaranet_ros.evaluation.runs.method import METHODS, Method
from mfaranet_ros.evaluation.runs.sources import Entry, Sample, Source
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.ground_source import FixedGround
from mfaranet_ros.monitoring.health import look_at
from mfaranet_ros.pipeline.processor import FrameProcessor

SCORED = frozenset({Output.MASK, Output.CONFIDENCE})
SCORED_IN_METRES = frozenset({Output.GRID, Output.BOUNDARY})

_LAYOUT = ('x_min_m', 'y_min_m', 'resolution_m')


@dataclass(frozen=True, eq=False)
class Outcome:
    """A frame that was run, its result, and the record that is kept."""

    sample: Sample
    result: Result
    record: FrameRecord


OnOutcome = Callable[[Outcome], object]


class Scorer:
    """Runs samples and counts what comes of them; it remembers the last ground, but no frame.

    run: segments a sample. comparison: how its labels and the ground truth are compared.
    """

    def __init__(self, run: Callable[[Sample], Result], comparison: LabelComparison) -> None:
        codes = comparison.codes
        self.run = run
        self.none = Counts.none(len(codes.label_set), codes.sets)
        self._convert = comparison.convert
        self._projection: GroundProjection | None = None
        self._bands: Labels | None = None
        self._counter = PixelCounter(len(codes.label_set), len(codes.sets))

    @classmethod
    def of(
        cls,
        processor: FrameProcessor,
        method: Method = METHODS['whole'],
        also: frozenset[Output] = frozenset(),
        comparison: LabelComparison | None = None,
    ) -> Scorer:
        """Return the scorer of a processor that is run by a method.

        also: outputs that are wanted besides those that are scored. comparison: None where the
        ground truth has the label set of the network.
        """
        comparison = comparison or LabelComparison.of(processor.label_set)
        return _ProcessorScorer(processor, method, also, comparison)

    def count(self, sample: Sample, result: Result, before: Outcome | None) -> Counts:
        """Compare a result with the ground truth, and with the frame before where there is one."""
        labels, ground_truth = self._convert(result.labels), sample.ground_truth
        bands = self._bands_of(sample.ground.projection)
        pixels = self._counter.pixels(labels, ground_truth, bands)
        calibration, flicker = self.none.calibration, self.none.flicker
        if result.confidence is not None and ground_truth is not None:
            calibration = self._counter.calibration(result.confidence, labels, ground_truth, bands)
        if before is not None:
            then = self._convert(before.result.labels), before.sample.ground_truth
            flicker = self._counter.flicker((labels, ground_truth), then, bands)
        metric = _count_metric(sample, result.drivable)
        return Counts(pixels, calibration, flicker, metric, self.none.sets)

    def _bands_of(self, projection: GroundProjection | None) -> Labels | None:
        """Return the band of distance of each pixel, computed once per calibration."""
        if projection is not self._projection:
            self._projection = projection
            self._bands = None if projection is None else band_image(projection)
        return self._bands


class _ProcessorScorer(Scorer):
    """Runs the processor of the node, or its network by another method."""

    def __init__(
        self,
        processor: FrameProcessor,
        method: Method,
        also: frozenset[Output],
        comparison: LabelComparison,
    ) -> None:
        super().__init__(self._segment, comparison)
        self._pipeline = processor
        self._runner = None if method == METHODS['whole'] else _make_runner(processor, method)
        self._wanted = SCORED | also

    def _segment(self, sample: Sample) -> Result:
        """Segment a frame; by another method than the whole there are labels only."""
        if self._runner is not None:
            lap = Laps()
            labels = self._runner(sample.frame)
            return Result(sample.frame, labels, None, Drivable(), Timings(inference_ms=lap()))
        wanted = self._wanted if sample.metric is None else self._wanted | SCORED_IN_METRES
        ground = FixedGround(sample.ground.projection)
        processor = replace(self._pipeline, ground=ground, attitude=sample.attitude)
        return processor(sample.frame, wanted)


def _make_runner(processor: FrameProcessor, method: Method) -> Callable[[Frame], Labels]:
    if isinstance(processor.network.model, NetworkFile):
        raise ConfigError(
            f'method {method}: {processor.network.name} is a network file, which runs over the '
            'whole image only: leave the method out'
        )
    from mfaranet_ros.evaluation.runs.runner import Runner

    return Runner(processor, method)


def _count_metric(sample: Sample, predicted: Drivable) -> MetricCounts:
    ground_truth, projection = sample.metric, sample.ground.projection
    if ground_truth is None or projection is None or predicted.grid is None:
        return MetricCounts()
    _check_layout(ground_truth.grid, predicted.grid)
    return count_ground(predicted, ground_truth.grid, ground_truth.boundary_m, projection.origin_m)


def _check_layout(ground_truth: GroundGrid, predicted: GroundGrid) -> None:
    differs = [
        name
        for name in _LAYOUT
        if abs(getattr(ground_truth, name) - getattr(predicted, name)) > 1e-6
    ]
    if differs or ground_truth.cells.shape != predicted.cells.shape:
        rows, columns = ground_truth.cells.shape
        step, x, y = ground_truth.resolution_m, ground_truth.x_min_m, ground_truth.y_min_m
        settings = {
            'resolution': step,
            'x_min': x,
            'x_max': x + columns * step,
            'y_min': y,
            'y_max': y + rows * step,
        }
        given = ' '.join(f'--set ground.{name}={value:g}' for name, value in settings.items())
        raise SourceError(
            f'the grid of the ground truth does not match the settings of the ground: give {given}'
        )


def run_source(
    source: Source,
    scorer: Scorer,
    *,
    start: int = 0,
    again: int | None = None,
    step: int = 1,
    on_outcome: OnOutcome = lambda outcome: None,
) -> Iterator[Record]:
    """Run the frames of a source whose number is start or more; yield a record of each.

    again: the number of the frame before the first one, if that was run already; it is run once
        more, for the flicker, and not yielded.
    step: by how much the numbers of consecutive frames differ.
    Raises InferenceError, which names the frame, if the network fails; SourceError where a ground
    truth does not fit.
    """
    before: Outcome | None = None
    for entry in source.entries(start if again is None else again):
        known = entry.number < start
        if known and entry.number != again:
            continue
        if before is not None and entry.number - before.record.number != step:
            before = None
        try:
            outcome = _run_entry(source.name, entry, scorer, before)
        except DecodeError as error:
            yield Skipped(source.name, entry.number, entry.name, str(error))
            continue
        before = outcome
        if not known:
            on_outcome(outcome)
            yield outcome.record


def _run_entry(source: str, entry: Entry, scorer: Scorer, before: Outcome | None) -> Outcome:
    sample = entry.load()
    lap = Laps()
    try:
        result = scorer.run(sample)
    except InferenceError as error:
        raise InferenceError(f'{source}, {entry.name}: {error}') from error
    run_ms = lap()
    counts = scorer.count(sample, result, before)
    # Only decoding counts as processing: in the node, too, messages are received by others.
    processing_ms = (sample.times.decode_ms or 0.0) + run_ms
    times = FrameTimes(sample.times, result.timings, lap(), processing_ms)
    record = FrameRecord(
        source,
        entry.number,
        entry.name,
        sample.frame.stamp_ns,
        sample.frame.size,
        sample.ground_truth is not None,
        counts,
        times,
        look_at(sample.frame),
    )
    return Outcome(sample, result, record)
