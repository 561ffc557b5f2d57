# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The wall time of each stage of one frame."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType


class Laps:
    """Laps on the steady clock: each call returns the milliseconds since the one before."""

    __slots__ = ('_last_ns',)

    def __init__(self) -> None:
        self._last_ns = time.perf_counter_ns()

    def __call__(self) -> float:
        """Return the milliseconds since the last call, the first time since this was made."""
        now_ns = time.perf_counter_ns()
        lap_ms = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns
        return lap_ms


def stopwatch() -> Callable[[], float]:
    """Return a function that returns the milliseconds since now, on the steady clock."""
    start_ns = time.perf_counter_ns()
    return lambda: (time.perf_counter_ns() - start_ns) / 1e6


class Stopwatch:
    """Measures named stages of one frame on the steady clock, in milliseconds.

    `with watch('decode'): ...` adds to `watch.ms['decode']`; stages may nest. A stage that was
    not entered has no entry, so `ms` also shows which stages ran.
    """

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def __call__(self, stage: str) -> _Running:
        """Return the context whose time counts for a stage."""
        return _Running(self.ms, stage)


class _Running:
    __slots__ = ('_ms', '_stage', '_start_ns')

    def __init__(self, ms: dict[str, float], stage: str) -> None:
        self._ms = ms
        self._stage = stage

    def __enter__(self) -> None:
        self._start_ns = time.perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        elapsed_ms = (time.perf_counter_ns() - self._start_ns) / 1e6
        self._ms[self._stage] = self._ms.get(self._stage, 0.0) + elapsed_ms
