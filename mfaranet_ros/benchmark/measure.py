# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The measuring itself: all subjects in turn, again and again, so that a busy minute hits all.

Every time is that of a whole frame or of one of its stages on the steady clock. Nothing is left
out but the first frames of each turn, in which caches fill with what the subject before emptied.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from mfaranet_ros.benchmark.energy import EnergyMeter
from mfaranet_ros.benchmark.subjects import Labels, Subject
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.stopwatch import Laps

UNTIMED = 1
"""Frames at the beginning of a turn that are not counted."""


@dataclass(frozen=True)
class Percentiles:
    """Of the times of one stage, in milliseconds."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class StageTimes:
    """The times of each stage; total: of everything, from camera bytes to labels."""

    preprocess: Percentiles
    inference: Percentiles
    postprocess: Percentiles
    total: Percentiles


@dataclass(frozen=True, eq=False)
class Measured:
    """One subject's times.

    frames: how many were timed. labels: of the first frames, one each. memory_mb: what the device
    had in use at most; on a CPU what the process had. joules: of the CPU packages for one frame,
    other work included; None where the machine does not count them.
    """

    ms: StageTimes
    frames: int
    labels: tuple[Labels, ...]
    memory_mb: float
    joules: float | None = None

    @property
    def outside_share(self) -> float:
        """The share of the whole that is not the network's."""
        return 1 - self.ms.inference.p50 / self.ms.total.p50


def measure(
    subjects: Sequence[Subject],
    frames: Sequence[Frame],
    *,
    rounds: int,
    turn: int,
    on_turn: Callable[[], object] = lambda: None,
) -> list[Measured]:
    """Run every subject in turn, `turn` timed frames each, `rounds` times.

    frames: one or more, all of one size; they are taken in turn.
    """
    times: list[dict[str, list[float]]] = [defaultdict(list) for _ in subjects]
    labels: list[dict[int, Labels]] = [{} for _ in subjects]
    memory = [0.0 for _ in subjects]
    meter, joules = EnergyMeter(), [0.0 for _ in subjects]
    counted = True
    for _ in range(rounds):
        for number, subject in enumerate(subjects):
            _reset_memory(subject.device)
            for step in range(-UNTIMED, turn):
                index = step % len(frames)
                if step == 0:
                    meter.start()
                lap = Laps()
                found, timings = subject(frames[index])
                total_ms = lap()
                labels[number].setdefault(index, found)
                if step >= 0:
                    for stage, value in (*timings.items(), ('total', total_ms)):
                        times[number][stage].append(value)
            used = meter.stop()
            counted = counted and used is not None
            joules[number] += used or 0.0
            memory[number] = max(memory[number], _memory_mb(subject.device))
            on_turn()
    return [
        Measured(
            StageTimes(**{f.name: percentiles(times[n][f.name]) for f in fields(StageTimes)}),
            rounds * turn,
            tuple(labels[n][index] for index in sorted(labels[n])),
            memory[n],
            joules[n] / (rounds * turn) if counted else None,
        )
        for n in range(len(subjects))
    ]


def percentiles(values: Sequence[float]) -> Percentiles:
    """Return the median and the two upper percentiles of one or more values."""
    return Percentiles(*(float(np.percentile(values, q)) for q in (50, 95, 99)))


def agreement(ours: Sequence[Labels], theirs: Sequence[Labels]) -> float:
    """Return the share of pixels with equal labels, over as many images as both have."""
    pairs = list(zip(ours, theirs, strict=False))
    same = sum(int((a == b).sum()) for a, b in pairs)
    return same / sum(a.size for a, _ in pairs)


def empty_stage_us(times: int = 10_000) -> float:
    """Return what measuring one stage costs by itself, in microseconds: the median."""
    lap = Laps()
    return 1e3 * float(np.median([lap() for _ in range(times)]))


def peak_gmacs(device: Any, precision: str, seconds: float = 1.0) -> float:
    """Return the multiply-accumulates per second, in 10^9, of a large matrix product here.

    It is what this machine gives now, with this precision and these threads; no network of
    convolutions is quicker.
    """
    import torch

    from mfaranet_ros.backends.device import resolve_precision

    dtype = resolve_precision(precision, device)
    side = 8192 if device.type == 'cuda' else 1536
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    best, end = 0.0, time.perf_counter() + seconds
    with torch.inference_mode():
        while time.perf_counter() < end:
            start = time.perf_counter()
            torch.mm(a, b)
            if device.type == 'cuda':
                torch.cuda.synchronize(device)
            best = max(best, side**3 / 1e9 / (time.perf_counter() - start))
    return best


def _reset_memory(device: Any) -> None:
    torch = sys.modules.get('torch')
    if torch is not None and device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(device)


def _memory_mb(device: Any) -> float:
    torch = sys.modules.get('torch')
    if torch is not None and device.type == 'cuda':
        return float(torch.cuda.max_memory_allocated(device)) / 2**20
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * 4096 / 2**20
