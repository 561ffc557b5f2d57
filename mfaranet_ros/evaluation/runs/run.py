# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Evaluation from Python: a network on a folder or on bags, through the loop of the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import make_config
from mfaranet_ros.core.errors import ConfigError, SourceError, UnknownNameError
from mfaranet_ros.core.frame import Drivable, Frame, Result, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import Pairs, check_pairs, find_pairs
from mfaranet_ros.data.labels import GroundTruthReader
from mfaranet_ros.evaluation.metrics.confusion import Scores
from mfaranet_ros.evaluation.runs.bag_source import BagChoice
from mfaranet_ros.evaluation.runs.frame_log import Record
from mfaranet_ros.evaluation.runs.jobs import Event, RunConfig, run_here
from mfaranet_ros.evaluation.runs.method import METHODS
from mfaranet_ros.evaluation.runs.parts import Results, assemble
from mfaranet_ros.evaluation.runs.score import Scorer, run_source
from mfaranet_ros.evaluation.runs.sources import FolderSource, Sample, Selection
from mfaranet_ros.evaluation.runs.specs import (
    BagSpec,
    FolderSpec,
    SourceSummary,
    Spec,
    name_bags,
)
from mfaranet_ros.monitoring.monitor import PROCESSING
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor

Labels = NDArray[np.uint8]
"""uint8 (H, W) class ids."""

PathLike = str | Path


@dataclass(frozen=True, eq=False)
class EvaluationResult:
    """The scores of a network, and the full results they come from.

    frames: how many were scored. mean_iou, pixel_accuracy, drivable_iou: 0 to 1, nan without
    ground truth. class_iou: IoU by class id of label_set, nan for a class that does not occur.
    confusion: int64 (C, C) pixels, rows are the ground truth, columns the predictions.
    processing_p50_ms: the median time from an encoded image to its labels.
    """

    label_set: LabelSet
    frames: int
    mean_iou: float
    class_iou: tuple[float, ...]
    pixel_accuracy: float
    drivable_iou: float
    confusion: NDArray[np.int64]
    processing_p50_ms: float
    results: Results


def evaluate(
    model: str = 'mfaranet_resnet18',
    weights: PathLike | None = None,
    *,
    images: PathLike | None = None,
    ground_truth: PathLike | None = None,
    bags: Sequence[PathLike] = (),
    ground_truth_topic: str = '',
    method: str = 'whole',
    **settings: Any,
) -> EvaluationResult:
    """Score a network on a folder of images or on bags, as `mfaranet evaluate` does.

    model: a name of `list_models()`. weights: a weights file; None: the one shipped for it.
    images, ground_truth: folders of images and of PNG class ids with the same names.
    bags: recordings, with `ground_truth_topic` or the folder `ground_truth` of PNG files.
    method: one of `mfaranet evaluate --method`, such as whole or multi-scale.
    settings: any field of PipelineConfig, its dot written as an underscore, as for `Segmenter`:
        runtime_device='cpu', model_scales=(2,).

    Raises UnknownNameError for a model, method or setting that does not exist, ConfigError for
    arguments that do not go together, SourceError for images or ground truth that are missing or
    broken, WeightsError for weights that do not fit, and InferenceError, which names the frame, if
    the network fails.
    """
    if bool(images) == bool(bags):
        raise ConfigError('evaluate() takes either images or bags: give one of them')
    if method not in METHODS:
        raise UnknownNameError('method', method, METHODS)
    processor = build_processor(make_config(model, weights, settings))
    try:
        specs = (
            _bags([Path(bag) for bag in bags], ground_truth_topic or ground_truth)
            if bags
            else [_folder(Path(str(images)), ground_truth, processor)]
        )
        results = _run(processor, specs, RunConfig(processor.config, METHODS[method]))
    finally:
        processor.close()
    return _summary(results)


def _folder(images: Path, ground_truth: PathLike | None, processor: FrameProcessor) -> Spec:
    truth = Path(ground_truth) if ground_truth else None
    pairs = find_pairs(images, truth)
    read = GroundTruthReader(processor.label_set, pairs.layout)
    return FolderSpec(images, truth, pairs, check_pairs(pairs, read), Selection())


def _bags(bags: Sequence[Path], ground_truth: PathLike | None) -> list[Spec]:
    choice = BagChoice(ground_truth=ground_truth or None)
    return [BagSpec(name, (bag,), choice, Selection()) for name, bag in name_bags(bags).items()]


def _run(processor: FrameProcessor, specs: Sequence[Spec], order: RunConfig) -> Results:
    records: list[Record] = []
    summaries: list[SourceSummary] = []

    def take(event: Event) -> None:
        if isinstance(event, SourceSummary):
            summaries.append(event)
        else:
            records.append(event)

    run_here(processor, specs, order, {}, take)
    results = assemble(records, summaries, processor.label_set)
    if not results.together.frames:
        names = ', '.join(spec.name for spec in specs)
        raise SourceError(f'no frame of {names} can be scored: check that it holds images')
    return results


def _summary(results: Results) -> EvaluationResult:
    together = results.together
    matrix = together.counts.matrix()
    return EvaluationResult(
        label_set=together.label_set,
        frames=len(together.frames),
        mean_iou=matrix.mean_iou(),
        class_iou=tuple(float(value) for value in matrix.iou()),
        pixel_accuracy=matrix.pixel_accuracy(),
        drivable_iou=matrix.drivable(together.label_set).iou,
        confusion=matrix.counts.copy(),
        processing_p50_ms=together.spreads[PROCESSING].p50,
        results=results,
    )


def score_labels(
    find_labels: Callable[[Frame], Labels],
    pairs: Pairs,
    read_ground_truth: GroundTruthReader,
    label_set: LabelSet,
) -> Scores:
    """Score whatever labels frames, such as a row of the benchmark, on images with ground truth.

    find_labels: returns uint8 (H, W) class ids at the size of the frame. Raises InferenceError,
    which names the image, if it fails; SourceError if a file cannot be read.
    """

    def run(sample: Sample) -> Result:
        return Result(sample.frame, find_labels(sample.frame), None, Drivable(), Timings())

    source = FolderSource('images', pairs, read_ground_truth, Selection())
    records = run_source(source, Scorer(run, len(label_set)))
    summary = SourceSummary('images', (), '', len(pairs), len(pairs))
    scores = assemble(records, [summary], label_set).together.scores
    if scores is None:
        raise SourceError('no image has ground truth: give a folder of PNG class ids')
    return scores
