# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs many bags on the workers of a cluster: one bag per task, and a lost bag is only that.

The events of a bag come together when it is done, so that a bag counts whole or not at all. A bag
that cannot be read, or whose workers died, gets a summary without frames that says why.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mfaranet_ros.core.errors import (
    ConfigError,
    InferenceError,
    MfaranetError,
    OutputError,
    ProcessError,
    SourceError,
)
from mfaranet_ros.evaluation.runs.frame_log import ResumePoint
from mfaranet_ros.evaluation.runs.jobs import Event, RunConfig, run_spec
from mfaranet_ros.evaluation.runs.specs import SourceSummary, Spec
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor

ATTEMPTS = 2
"""How often a bag is run whose worker dies: twice, since most workers die of something else."""

OF_THE_BAG = (SourceError, InferenceError)
"""The errors that say something about one bag; others would come with every bag."""


@dataclass(frozen=True)
class Task:
    """One bag to be run; number: its place among the specs. attempt: 1 for the first."""

    number: int
    spec: Spec
    point: ResumePoint
    attempt: int = 1


@dataclass(frozen=True)
class Done:
    """What became of a task: its events, or the reason why the bag cannot be evaluated.

    fatal: the error to raise where the reason holds for every bag, None where it does not.
    """

    events: tuple[Event, ...] = ()
    reason: str = ''
    fatal: type[MfaranetError] | None = None


@dataclass(frozen=True)
class WorkerLost:
    """The worker of a task ended before the task; another one takes its place."""

    reason: str


class Cluster(Protocol):
    """Runs tasks on its workers; raises ProcessError where the cluster is lost."""

    @property
    def free(self) -> int:
        """How many tasks it can take now."""
        ...

    def start(self, task: Task) -> None:
        """Start a task on a free worker."""
        ...

    def wait(self) -> tuple[Task, Done | WorkerLost]:
        """Wait for any task that was started."""
        ...


class BagWorker:
    """One worker: loads the network once, then runs one bag after the other."""

    def __init__(self, plan: RunConfig) -> None:
        self._plan = plan
        self._processor: FrameProcessor | None = None

    def run(self, task: Task) -> Done:
        """Run a bag; what goes wrong is returned, so that it reads the same from any worker."""
        try:
            if self._processor is None:
                self._processor = _build(self._plan)
            return Done(tuple(run_spec(self._processor, task.spec, self._plan, task.point)))
        except MfaranetError as error:
            return Done(reason=str(error), fatal=_fatal(error))
        except OSError as error:
            return Done(reason=f'{type(error).__name__}: {error}')


def _fatal(error: MfaranetError) -> type[MfaranetError] | None:
    """Return the error to raise for one that would come with every bag."""
    if isinstance(error, OF_THE_BAG):
        return None
    return OutputError if isinstance(error, OutputError) else ConfigError


def _build(plan: RunConfig) -> FrameProcessor:
    plan.set_threads()
    return build_processor(plan.config)


def run_fleet(
    specs: Sequence[Spec],
    resumed: Mapping[str, ResumePoint],
    cluster: Cluster,
    on_event: Callable[[Event], object],
) -> None:
    """Run bags on a cluster; the events of a bag come one after the other, its summary last.

    Raises ConfigError for what keeps every worker from working, and ProcessError where the cluster
    is lost; the bags whose events came are complete.
    """
    waiting = deque(
        Task(number, spec, resumed.get(spec.name, ResumePoint()))
        for number, spec in enumerate(specs)
    )
    running = 0
    while waiting or running:
        while waiting and cluster.free:
            cluster.start(waiting.popleft())
            running += 1
        if not running:
            raise ProcessError('the cluster has no worker: check its resources')
        task, outcome = cluster.wait()
        running -= 1
        if isinstance(outcome, WorkerLost) and task.attempt < ATTEMPTS:
            waiting.append(Task(task.number, task.spec, task.point, task.attempt + 1))
            continue
        for event in _events(task, outcome):
            on_event(event)


def _events(task: Task, outcome: Done | WorkerLost) -> Sequence[Event]:
    if isinstance(outcome, Done) and not outcome.reason:
        return outcome.events
    if isinstance(outcome, Done) and outcome.fatal is not None:
        raise outcome.fatal(f'a worker cannot evaluate {task.spec.name}: {outcome.reason}')
    reason = outcome.reason
    if isinstance(outcome, WorkerLost):
        reason = f'its worker ended {task.attempt} times: {reason}'
    return (failed_summary(task.spec.name, reason),)


def failed_summary(name: str, reason: str) -> SourceSummary:
    """Return the summary of a bag of which nothing is evaluated."""
    text = f'{name} is not evaluated: {reason}'
    return SourceSummary(name, (), '', 0, 0, truncated=text)
