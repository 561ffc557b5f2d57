# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One evaluation: what the verb `evaluate` runs, and `evaluate()` for Python."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import make_config, values_of
from mfaranet_ros.core.errors import ConfigError, OutputError, SourceError, UnknownNameError
from mfaranet_ros.core.frame import Drivable, Frame, Result, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import Pairs, find_pairs
from mfaranet_ros.evaluation.metrics.confusion import Scores
from mfaranet_ros.evaluation.metrics.counts import Counts
from mfaranet_ros.evaluation.runs.bag_source import BagChoice
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.fleet import Cluster, run_fleet
from mfaranet_ros.evaluation.runs.frame_log import FrameLog
from mfaranet_ros.evaluation.runs.jobs import Event, RunConfig, run_apart, run_here
from mfaranet_ros.evaluation.runs.method import METHODS
from mfaranet_ros.evaluation.runs.parts import Results, assemble
from mfaranet_ros.evaluation.runs.score import Scorer, run_source
from mfaranet_ros.evaluation.runs.sources import FolderSource, Sample, Selection
from mfaranet_ros.evaluation.runs.specs import (
    SourceSummary,
    Spec,
    bag_specs,
    check_folder,
)
from mfaranet_ros.monitoring.monitor import PROCESSING
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor

Labels = NDArray[np.uint8]
"""uint8 (H, W) class ids."""

PathLike = str | Path

FRAME_LOG, REPORT, PAGE = 'frames.jsonl', 'report.json', 'report.html'
FRAME_TABLE, BAG_TABLE = 'frames.parquet', 'bags.parquet'
"""The files in the folder of an evaluation."""


@dataclass(frozen=True)
class Speed:
    """How an evaluation was run, and how fast.

    jobs: processes. threads: of the network in each. frames: how many were run now;
    frames_run_before: those of the run that was resumed. memory_peak_mb: resident, of one process.
    """

    jobs: int
    threads: int
    frames: int
    frames_run_before: int
    frames_per_s: float | None
    memory_peak_mb: int
    seconds: float


def run_evaluation(
    processor: FrameProcessor,
    specs: Sequence[Spec],
    plan: RunConfig,
    frame_log: FrameLog,
    *,
    jobs: int = 1,
    cluster: Cluster | None = None,
    on_frame: Callable[[], object] = lambda: None,
    on_source: Callable[[SourceSummary], object] = lambda summary: None,
) -> tuple[Results, Speed]:
    """Run the frames that are not in the log yet; return the results of all of them.

    specs: the sources, by different names. jobs: processes; each source is run by one.
    cluster: what runs the sources instead; a source that fails there gets a summary that says why.
    on_frame, on_source: called as frames and sources are done.
    Raises SourceError for sources that cannot be opened or hold no frame, InferenceError, which
    names the frame, if the network fails, and OutputError where the log cannot be written.
    """
    plan = plan.with_threads()
    resumed, begun_s = frame_log.resumed, time.monotonic()
    summaries: dict[str, SourceSummary] = {}
    frames = 0

    def take(event: Event) -> None:
        nonlocal frames
        if isinstance(event, SourceSummary):
            summaries[event.name] = event
            on_source(event)
            return
        frame_log.write(event)
        frames += 1
        on_frame()

    if cluster is not None:
        run_fleet(specs, resumed.places, cluster, take)
    elif jobs > 1 and len(specs) > 1:
        run_apart(specs, plan, resumed.places, jobs, take)
    else:
        run_here(processor, specs, plan, resumed.places, take)
    seconds = time.monotonic() - begun_s
    ordered = [summaries[spec.name] for spec in specs]
    results = assemble(frame_log.records(), ordered, plan.compared(processor).codes)
    _check_frames(results)
    peak_kb = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    per_s = round(frames / seconds, 3) if seconds else None
    peak_mb = round(peak_kb / 1024)
    return results, Speed(jobs, plan.threads, frames, resumed.frames, per_s, peak_mb, seconds)


def open_frame_log(
    processor: FrameProcessor,
    specs: Sequence[Spec],
    plan: RunConfig,
    folder: Path | None = None,
    *,
    overwrite: bool = False,
    resume: bool = False,
) -> FrameLog:
    """Return the log of an evaluation: in a new folder, or in a file that vanishes.

    overwrite: the folder may exist; of its files only those of an evaluation are replaced.
    resume: continue the log in the folder. Raises OutputError where nothing can be written, and
    ConfigError to resume another evaluation.
    """
    weights, comparison = processor.network.weights, plan.compared(processor)
    identity = {
        'config': values_of(processor.config),
        'method': asdict(plan.method),
        'weights': weights.sha256 if weights else None,
        'label_set': processor.label_set.name,
        'comparison': comparison.identity(),
        'sources': {spec.name: spec.identity() for spec in specs},
    }
    none = Counts.none(len(comparison.label_set), comparison.codes.sets)
    if folder is None:
        return FrameLog.begin(None, identity, none)
    if resume:
        return FrameLog.go_on(folder / FRAME_LOG, identity, none)
    _make_folder(folder, overwrite)
    return FrameLog.begin(folder / FRAME_LOG, identity, none)


def _make_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder; in an existing one only files of an evaluation are replaced."""
    try:
        folder.mkdir(parents=True, exist_ok=overwrite)
        for name in (FRAME_LOG, REPORT, PAGE, FRAME_TABLE, BAG_TABLE):
            (folder / name).unlink(missing_ok=True)
    except FileExistsError as error:
        raise OutputError(
            f'{folder} exists: give a new DIR, --overwrite to replace the report in it, or '
            '--resume to continue it'
        ) from error
    except OSError as error:
        raise OutputError(f'cannot make {folder}: {error.strerror}; give another DIR') from error


def _check_frames(results: Results) -> None:
    together = results.together
    if not together.frames:
        names = ', '.join(summary.name for summary in together.summaries)
        why = f': {together.skipped[0].why}' if together.skipped else ', or --frames takes none'
        raise SourceError(f'no frame of {names} can be scored{why}')


def count_frames(
    specs: Sequence[Spec], processor: FrameProcessor, comparison: LabelComparison
) -> int:
    """Open every source once, so that problems are reported before anything is run."""
    frames = 0
    for spec in specs:
        source = spec.open(processor, comparison)
        frames += source.frames
        source.close()
    return frames


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
    labels: str = '',
    merge: PathLike | None = None,
    table: PathLike | None = None,
    **settings: Any,
) -> EvaluationResult:
    """Score a network on a folder of images or on bags, as `mfaranet evaluate` does.

    model: a name of `list_models()`. weights: a weights file; None: the one shipped for it.
    images, ground_truth: folders of images and of PNG class ids with the same names.
    bags: recordings, with `ground_truth_topic` or the folder `ground_truth` of PNG files.
    method: one of `mfaranet evaluate --method`, such as whole or multi-scale.
    labels: the label set that is compared, where it is not that of the network. merge: table with
        its class for each class of the network. table: table with its classes that each id of the
        ground truth may be. Their format: data/label_table.py.
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
        comparison = LabelComparison.read(processor.label_set, labels, merge, table)
        specs: list[Spec]
        if images:
            folder = Path(ground_truth) if ground_truth else None
            pairs = find_pairs(Path(images), folder)
            specs = [check_folder(Path(images), folder, pairs, comparison)]
        else:
            choice = BagChoice(ground_truth=ground_truth_topic or ground_truth or None)
            specs = bag_specs([Path(bag) for bag in bags], choice)
        plan = RunConfig(processor.config, METHODS[method], comparison=comparison)
        with open_frame_log(processor, specs, plan) as frame_log:
            results, _ = run_evaluation(processor, specs, plan, frame_log)
    finally:
        processor.close()
    return _summary(results)


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
    comparison: LabelComparison,
) -> Scores:
    """Score whatever labels frames, such as a row of the benchmark, on images with ground truth.

    find_labels: returns uint8 (H, W) class ids of the network at the size of the frame.
    Raises InferenceError, which names the image, if it fails, and SourceError for broken files.
    """

    def run(sample: Sample) -> Result:
        return Result(sample.frame, find_labels(sample.frame), None, Drivable(), Timings())

    source = FolderSource('images', pairs, comparison.reader(pairs.layout), Selection())
    records = run_source(source, Scorer(run, comparison))
    summary = SourceSummary('images', (), '', len(pairs), len(pairs))
    scores = assemble(records, [summary], comparison.codes).together.scores
    if scores is None:
        raise SourceError('no image has ground truth: give a folder of PNG class ids')
    return scores
