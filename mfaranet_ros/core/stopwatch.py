# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The wall time of each stage of one frame."""

from __future__ import annotations

import time
from collections.abc import Callable


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
