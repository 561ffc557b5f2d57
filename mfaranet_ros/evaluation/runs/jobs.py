# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs the sources of an evaluation, one after the other or each in its own process."""

from __future__ import annotations

import multiprocessing
import queue
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import (
    InferenceError,
    MfaranetError,
    OutputError,
    ProcessError,
    SourceError,
)
from mfaranet_ros.core.frame import Output
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.frame_log import Record, ResumePoint
from mfaranet_ros.evaluation.runs.method import METHODS, Method
from mfaranet_ros.evaluation.runs.score import Outcome, Scorer, run_source
from mfaranet_ros.evaluation.runs.specs import SourceSummary, Spec
from mfaranet_ros.pipeline.build import build_processor, is_file
from mfaranet_ros.pipeline.processor import FrameProcessor

POLL_S = 0.5

_ERRORS = {kind.__name__: kind for kind in (SourceError, InferenceError, OutputError)}


class Sink(Protocol):
    """Takes every outcome of one source, for example to write it."""

    def take(self, outcome: Outcome) -> object:
        """Take the outcome of one frame."""

    def close(self) -> object:
        """Finish after the last frame."""


MakeSink = Callable[[str, FrameProcessor], Sink]
"""Makes the sink of the source of this name; it travels to other processes."""


@dataclass(frozen=True)
class RunConfig:
    """How every source is run.

    threads: of the network in each process; 0: as many as it takes. They do
    not depend on the number of processes: a sum over more threads may differ in its last bit.
    also: outputs that sinks want. step: by how much the numbers of consecutive frames differ.
    comparison: None where the ground truth has the label set of the network.
    """

    config: PipelineConfig
    method: Method = METHODS['whole']
    threads: int = 0
    also: frozenset[Output] = frozenset()
    step: int = 1
    sinks: tuple[MakeSink, ...] = ()
    comparison: LabelComparison | None = None

    def with_threads(self) -> RunConfig:
        """Return the plan with the number of threads that the network takes by itself."""
        threads = self.threads or self.config.runtime.threads
        if not threads and not is_file(self.config.model):
            import torch

            threads = torch.get_num_threads()
        return replace(self, threads=threads)

    def set_threads(self) -> None:
        """Set the number of threads of torch; a network file has that of its backend."""
        if self.threads and not is_file(self.config.model):
            import torch

            torch.set_num_threads(self.threads)

    def compared(self, processor: FrameProcessor) -> LabelComparison:
        """Return how predictions and ground truth are compared."""
        return self.comparison or LabelComparison.of(processor.label_set)


Event = Record | SourceSummary
OnEvent = Callable[[Event], object]


def run_here(
    pipeline: FrameProcessor,
    specs: Sequence[Spec],
    order: RunConfig,
    resumed: Mapping[str, ResumePoint],
    on_event: OnEvent,
) -> None:
    """Run one source after the other in this process; the events are records, then a summary."""
    order.set_threads()
    for spec in specs:
        for event in run_spec(pipeline, spec, order, resumed.get(spec.name, ResumePoint())):
            on_event(event)


def run_apart(
    specs: Sequence[Spec],
    order: RunConfig,
    resumed: Mapping[str, ResumePoint],
    jobs: int,
    on_event: OnEvent,
) -> None:
    """Run the sources in several processes, each source in one; their events come interleaved.

    Raises what a process raises, and ProcessError if one ends before its time.
    """
    context = multiprocessing.get_context('spawn')
    tasks, events = context.Queue(), context.Queue()
    for spec in specs:
        tasks.put((spec, resumed.get(spec.name, ResumePoint())))
    workers = [
        context.Process(target=_work, args=(order, tasks, events), daemon=True)
        for _ in range(min(jobs, len(specs)))
    ]
    for worker in workers:
        tasks.put(None)
        worker.start()
    try:
        _collect(workers, events, on_event)
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()


@dataclass(frozen=True)
class _Failure:
    kind: str
    text: str


@dataclass(frozen=True)
class _Finished:
    """A process has nothing more to do."""


def _collect(workers: Sequence[Any], events: Any, on_event: OnEvent) -> None:
    running = len(workers)
    while running:
        try:
            event = events.get(timeout=POLL_S)
        except queue.Empty:
            ended = [worker for worker in workers if worker.exitcode not in (None, 0)]
            if ended:
                raise ProcessError(
                    f'a process of the evaluation ended with code {ended[0].exitcode}: was there '
                    'too little memory? Give fewer --jobs, and continue with --resume'
                ) from None
            continue
        if isinstance(event, _Failure):
            raise _ERRORS.get(event.kind, MfaranetError)(event.text)
        if isinstance(event, _Finished):
            running -= 1
        else:
            on_event(event)


def _work(order: RunConfig, tasks: Any, events: Any) -> None:
    """Be one process: take a source, run it, take the next."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    order.set_threads()
    try:
        pipeline = build_processor(order.config)
        while (task := tasks.get()) is not None:
            spec, point = task
            for event in run_spec(pipeline, spec, order, point):
                events.put(event)
        events.put(_Finished())
    except MfaranetError as error:
        events.put(_Failure(type(error).__name__, str(error)))


def run_spec(
    pipeline: FrameProcessor, spec: Spec, order: RunConfig, point: ResumePoint
) -> Iterator[Event]:
    """Run one source from a point on; the events are records, then its summary."""
    comparison = order.compared(pipeline)
    source = spec.open(pipeline, comparison)
    sinks: list[Sink] = []

    def on_outcome(outcome: Outcome) -> None:
        for sink in sinks:
            sink.take(outcome)

    try:
        for make in order.sinks:
            sinks.append(make(spec.name, pipeline))
        scorer = Scorer.of(pipeline, order.method, order.also, comparison)
        yield from run_source(
            source, scorer, start=point.next, again=point.last, step=order.step,
            on_outcome=on_outcome,
        )  # fmt: skip
        yield spec.summary(source)  # type: ignore[arg-type]
    finally:
        for sink in sinks:
            sink.close()
        source.close()
