# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One benchmark from its settings to its figures: build, measure, compare, score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mfaranet_ros.adaptive.operating_points import OperatingPoint
from mfaranet_ros.benchmark.measure import Measured, agreement, measure, peak_gmacs
from mfaranet_ros.benchmark.subjects import Pipeline, Row, Subject, make_reference
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError, MfaranetError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.data.images import Pairs
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.run import score_labels


@dataclass(frozen=True)
class GroundTruth:
    """Images with ground truth, for the mean IoU of every row."""

    pairs: Pairs
    comparison: LabelComparison


@dataclass(frozen=True, eq=False)
class Result:
    """The figures of one row.

    ratio: speed relative to the reference in this run, camera bytes to labels;
    network_ratio: of the networks alone. agreement: share of pixels with the reference's label.
    gmac: 10^9 multiply-accumulates of the convolutions, None of a network file. floor_ms: what
    they take at the pace of a large matrix product on this machine; None without gmac, and in
    INT8. mean_iou: None where no ground truth was given.
    """

    row: Row
    detail: str
    measured: Measured
    ratio: float
    network_ratio: float
    agreement: float
    gmac: float | None
    floor_ms: float | None
    mean_iou: float | None


@dataclass(frozen=True)
class Failure:
    """A row that could not be measured, and why."""

    row: Row
    why: str


@dataclass(frozen=True, eq=False)
class Benchmark:
    """All results, the reference first, and what could not be measured."""

    results: tuple[Result, ...]
    failures: tuple[Failure, ...]


def run_benchmark(
    base: PipelineConfig,
    configs: Sequence[PipelineConfig],
    frames: Sequence[Frame],
    *,
    rounds: int,
    turn: int,
    ground_truth: GroundTruth | None = None,
    tell: Callable[[str], object] = lambda text: None,
) -> Benchmark:
    """Measure the pipeline of every config against the network of the base as it is given.

    configs: one or more, of any networks with the label set of the base; their inputs have a
    height and a width. frames: camera images of one size. tell(text): is called with
    what is being done.

    A row that cannot be built becomes a Failure. Raises what the reference raises.
    """
    size = frames[0].size
    tell('building the reference')
    reference = make_reference(base, size)
    subjects: list[Subject] = [reference]
    failures = []
    try:
        for config in configs:
            row = _asked(config, base)
            tell(f'building {row.name}')
            try:
                subjects.append(_build(config, row, reference))
            except MfaranetError as error:
                failures.append(Failure(row, str(error)))
        return _measured(subjects, failures, frames, rounds, turn, ground_truth, tell)
    finally:
        for subject in subjects:
            subject.close()


def _measured(
    subjects: Sequence[Subject],
    failures: Sequence[Failure],
    frames: Sequence[Frame],
    rounds: int,
    turn: int,
    ground_truth: GroundTruth | None,
    tell: Callable[[str], object],
) -> Benchmark:
    tell(f'measuring {len(subjects)} rows')
    turns = iter(range(1, rounds * len(subjects) + 1))
    measured = measure(
        subjects, frames, rounds=rounds, turn=turn,
        on_turn=lambda: tell(f'turn {next(turns)} of {rounds * len(subjects)}'),
    )  # fmt: skip
    peaks: dict[tuple[str, str], float] = {}
    results = []
    for subject, found in zip(subjects, measured, strict=True):
        kind = str(subject.device), subject.row.precision
        if kind not in peaks and subject.network is not None and kind[1] != 'int8':
            peaks[kind] = peak_gmacs(subject.device, kind[1])
        tell(f'scoring {subject.row.name}')
        results.append(_result(subject, found, measured[0], peaks.get(kind), ground_truth))
    return Benchmark(tuple(results), tuple(failures))


def _result(
    subject: Subject,
    found: Measured,
    reference: Measured,
    peak: float | None,
    ground_truth: GroundTruth | None,
) -> Result:
    gmac = _gmac(subject)
    return Result(
        row=subject.row,
        detail=subject.detail,
        measured=found,
        ratio=reference.ms.total.p50 / found.ms.total.p50,
        network_ratio=reference.ms.inference.p50 / found.ms.inference.p50,
        agreement=agreement(found.labels, reference.labels),
        gmac=gmac,
        floor_ms=None if gmac is None or peak is None else 1e3 * gmac / peak,
        mean_iou=None if ground_truth is None else _mean_iou(subject, ground_truth),
    )


def _gmac(subject: Subject) -> float | None:
    if subject.network is None:
        return None
    from mfaranet_ros.models.macs import count_macs

    return count_macs(subject.network, *subject.input_size) / 1e9


def _mean_iou(subject: Subject, ground_truth: GroundTruth) -> float | None:
    try:
        result = score_labels(
            lambda frame: subject(frame)[0], ground_truth.pairs, ground_truth.comparison
        )
    except InferenceError:
        return None
    except RuntimeError as error:  # torch's lack of memory, of which other rows may have enough
        if type(error).__name__ != 'OutOfMemoryError':
            raise
        return None
    return result.matrix.mean_iou()


def _build(config: PipelineConfig, row: Row, reference: Subject) -> Subject:
    """Return a pipeline that labels as the reference does; raises ConfigError for another one."""
    pipeline = Pipeline(config, row.operating_point)
    if pipeline.label_set != reference.label_set:
        pipeline.close()
        raise ConfigError(
            f'it has the label set {pipeline.label_set.name}, the reference '
            f'{reference.label_set.name}: give weights of one label set'
        )
    return pipeline


def _asked(config: PipelineConfig, base: PipelineConfig) -> Row:
    operating_point = str(OperatingPoint.of(config, base))
    return Row(
        config.model.name, operating_point, config.runtime.precision, config.runtime.backend
    )
