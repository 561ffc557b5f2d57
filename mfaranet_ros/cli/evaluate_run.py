# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs an evaluation with a progress bar and writes its reports."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from mfaranet_ros.cli.progress import Progress
from mfaranet_ros.core.config import PipelineConfig, settings_of, value_of
from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.core.files import write_json, write_text
from mfaranet_ros.core.frame import Output
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.figures import About, report
from mfaranet_ros.evaluation.report.frame_images import choose, show
from mfaranet_ros.evaluation.report.text import describe_results, heading
from mfaranet_ros.evaluation.runs.frame_log import FrameLog, FrameRecord
from mfaranet_ros.evaluation.runs.jobs import (
    Event,
    MakeSink,
    ResumePoint,
    RunConfig,
    run_apart,
    run_here,
)
from mfaranet_ros.evaluation.runs.method import Method
from mfaranet_ros.evaluation.runs.parts import Results, assemble
from mfaranet_ros.evaluation.runs.score import Scorer
from mfaranet_ros.evaluation.runs.specs import SourceSummary, Spec
from mfaranet_ros.pipeline.build import prepare
from mfaranet_ros.pipeline.processor import FrameProcessor

FRAME_LOG, REPORT, PAGE = 'frames.jsonl', 'report.json', 'report.html'


@dataclass(frozen=True)
class Wanted:
    """How the frames are run, and where the results go.

    step: by how much the numbers of consecutive frames differ. jobs: processes.
    out: a new folder, unless overwrite or resume; json: a file; None where not asked for.
    also: outputs that the sinks take, beside those that are scored.
    """

    method: Method
    step: int = 1
    jobs: int = 1
    out: Path | None = None
    overwrite: bool = False
    resume: bool = False
    json: Path | None = None
    also: frozenset[Output] = frozenset()


def run(
    pipeline: FrameProcessor,
    specs: Sequence[Spec],
    wanted: Wanted,
    sinks: tuple[MakeSink, ...] = (),
) -> Results:
    """Run all frames, print the scores and write the reports.

    Raises SourceError for sources that cannot be opened or hold no frame, OutputError for what
    cannot be written, ConfigError to resume another evaluation.
    """
    frames = _count(specs, pipeline)
    threads = pipeline.config.runtime.threads or torch.get_num_threads()
    order = RunConfig(
        pipeline.config, wanted.method, threads, wanted.also, step=wanted.step, sinks=sinks
    )
    model = prepare(pipeline)
    with ExitStack() as stack:
        frame_log = stack.enter_context(_open_frame_log(pipeline, specs, wanted))
        resumed = _Resumed.of(frame_log)
        start = time.monotonic()
        with Progress(frames, 'frame', 'evaluating', done=resumed.frames) as progress:
            gathered = _Gathered(frame_log, progress)
            if wanted.jobs > 1 and len(specs) > 1:
                run_apart(specs, order, resumed.places, wanted.jobs, gathered.take)
            else:
                run_here(pipeline, specs, order, resumed.places, gathered.take)
        seconds = time.monotonic() - start
        summaries = [gathered.summaries[spec.name] for spec in specs]
        results = assemble(frame_log.records(), summaries, pipeline.label_set)
    _check_frames(results)
    speed = _speed(wanted.jobs, threads, gathered.frames, resumed.frames, seconds)
    about_run = _about(pipeline, dict(model), specs, results, wanted, speed, seconds)
    print(heading(about_run, results), describe_results(results, about_run.budget_ms), sep='\n')
    _write(about_run, results, wanted, specs, pipeline)
    return results


@dataclass
class _Gathered:
    """Logs the records as they come. frames: how many came."""

    frame_log: FrameLog
    progress: Progress
    frames: int = 0
    summaries: dict[str, SourceSummary] = field(default_factory=dict)

    def take(self, event: Event) -> None:
        """Take a record, or the summary of a source that is done."""
        if isinstance(event, SourceSummary):
            self.summaries[event.name] = event
            return
        self.frame_log.write(event)
        self.frames += 1
        self.progress.update()


@dataclass(frozen=True)
class _Resumed:
    """What an earlier run left: how many frames, and where each source continues."""

    frames: int
    places: dict[str, ResumePoint]

    @classmethod
    def of(cls, frame_log: FrameLog) -> _Resumed:
        frames, places = 0, dict[str, ResumePoint]()
        for record in frame_log.records():
            frames += 1
            if record.number >= places.get(record.source, ResumePoint()).next:
                run = isinstance(record, FrameRecord)
                places[record.source] = ResumePoint(
                    record.number + 1, record.number if run else None
                )
        return cls(frames, places)


def _count(specs: Sequence[Spec], pipeline: FrameProcessor) -> int:
    """Open every source once, so that what is wrong is said before anything is run."""
    frames = 0
    for spec in specs:
        source = spec.open(pipeline)
        frames += source.frames
        source.close()
    return frames


def _open_frame_log(pipeline: FrameProcessor, specs: Sequence[Spec], wanted: Wanted) -> FrameLog:
    """Return the file for the records; with --resume there are some in it."""
    classes, weights = len(pipeline.label_set), pipeline.network.weights
    identity = {
        'config': _settings(pipeline.config),
        'method': asdict(wanted.method),
        'weights': weights.sha256 if weights else None,
        'label_set': pipeline.label_set.name,
        'sources': {spec.name: spec.identity() for spec in specs},
    }
    if wanted.out is None:
        return FrameLog.begin(None, identity, classes)
    path = wanted.out / FRAME_LOG
    if wanted.resume:
        return FrameLog.go_on(path, identity, classes)
    _make_folder(wanted.out, wanted.overwrite)
    return FrameLog.begin(path, identity, classes)


def _make_folder(folder: Path, overwrite: bool) -> None:
    """Make the folder; of one that is there only our own files are replaced."""
    try:
        folder.mkdir(parents=True, exist_ok=overwrite)
        for name in (FRAME_LOG, REPORT, PAGE):
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


def _settings(config: PipelineConfig) -> dict[str, Any]:
    return {setting.name: value_of(config, setting.name) for setting in settings_of(config)}


def _speed(jobs: int, threads: int, run: int, resumed: int, seconds: float) -> dict[str, Any]:
    """Return how fast it went, as the report says it."""
    peak_kb = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        'jobs': jobs,
        'threads': threads,
        'frames': run,
        'frames_run_before': resumed,
        'frames_per_s': round(run / seconds, 3) if seconds else None,
        'memory_peak_mb': round(peak_kb / 1024),
    }


def _about(
    pipeline: FrameProcessor,
    model: dict[str, str],
    specs: Sequence[Spec],
    results: Results,
    wanted: Wanted,
    speed: dict[str, Any],
    seconds: float,
) -> About:
    summaries = results.together.summaries
    given = {
        **specs[0].given(),
        'images': len(results.together.frames),
        'sha256': summaries[0].sha256 if len(summaries) == 1 else None,
        'sources': {summary.name: summary.sha256 for summary in summaries},
    }
    return About(
        model=model,
        method=wanted.method,
        given=given,
        versions=versions(),
        config=_settings(pipeline.config),
        run=speed,
        seconds=seconds,
        budget_ms=pipeline.config.latency.budget_ms,
    )


def _write(
    about_run: About,
    results: Results,
    wanted: Wanted,
    specs: Sequence[Spec],
    pipeline: FrameProcessor,
) -> None:
    if wanted.json is None and wanted.out is None:
        return
    content = report(about_run, results)
    if wanted.json is not None:
        write_json(wanted.json, content)
    if wanted.out is not None:
        # Here, because matplotlib is slow to import and only the page needs it.
        from mfaranet_ros.evaluation.report.page import render

        shown = show(choose(results.together), specs, pipeline, Scorer.of(pipeline, wanted.method))
        write_json(wanted.out / REPORT, content)
        write_text(wanted.out / PAGE, render(about_run, results, shown))
        print(f'report written to {wanted.out / PAGE}')
