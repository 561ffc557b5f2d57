# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recent samples of an IMU and of odometry in the order of their stamps, and whether to use them.

Samples may arrive late and out of order. What cannot be is left out with the reason: values that
are not finite, a sensor that stands still bit by bit, gravity from the wrong side, another clock.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.motion import ImuSample, OdometrySample

Floats = NDArray[np.float64]

GRAVITY_MPS2 = 9.80665
KEPT_NS = 3_000_000_000
GAP_NS = 150_000_000
"""A longer time without a sample is not bridged."""

CLOCK_NS = 1_000_000_000
"""By how much the newest sample may be apart from the image."""

STUCK = 20
"""Identical samples in a row that no living sensor delivers."""

_UPRIGHT = 0.8
_MOST_MPS = 100.0
_MOST_MPS2 = 20.0
"""Speeds and accelerations beyond which odometry has jumped."""


@dataclass(frozen=True)
class ImuSpan:
    """What an IMU measured over a span of time.

    covered_s: how much of it has samples. turned_rad: integral of the rates, float64 (3,).
    force_mps2: mean specific force, float64 (3,); NaN where nothing is covered.
    """

    covered_s: float
    turned_rad: Floats
    force_mps2: Floats


class ImuBuffer:
    """The samples of the last seconds; `problem` says why they are not used, empty if they are."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._samples: list[tuple[float, ...]] = []
        self._identical = 0
        self._last: tuple[float, ...] | None = None
        self.broken = 0

    def add(self, sample: ImuSample) -> bool:
        """Take a sample; return whether it can be used."""
        values = (*sample.angular_velocity, *sample.linear_acceleration)
        if not np.isfinite(values).all():
            self.broken += 1
            return False
        self._identical = self._identical + 1 if values == self._last else 0
        self._last = values
        if self._stamps and sample.stamp_ns < self._stamps[-1] - KEPT_NS:
            if sample.stamp_ns < self._stamps[-1] - 10 * KEPT_NS:
                self.clear()  # the clock was set back
            else:
                return False
        place = bisect.bisect_right(self._stamps, sample.stamp_ns)
        if place and self._stamps[place - 1] == sample.stamp_ns:
            return False
        self._stamps.insert(place, sample.stamp_ns)
        self._samples.insert(place, values)
        old = bisect.bisect_left(self._stamps, self._stamps[-1] - KEPT_NS)
        del self._stamps[:old], self._samples[:old]
        return True

    def clear(self) -> None:
        """Forget all samples."""
        self._stamps.clear()
        self._samples.clear()

    def problem(self, stamp_ns: int) -> str:
        """Return why the samples do not serve an image of this stamp, empty if they do."""
        if not self._stamps:
            return 'no IMU samples' if not self.broken else 'all IMU samples are not finite'
        apart_s = (self._stamps[-1] - stamp_ns) / 1e9
        if abs(apart_s) > CLOCK_NS / 1e9 and not self._stamps[0] <= stamp_ns <= self._stamps[-1]:
            return f'the newest IMU sample is {apart_s:+.1f} s from the image: another clock?'
        if self._identical >= STUCK:
            return f'the IMU repeats one sample ({self._identical} times): it is stuck'
        force = np.array([sample[3:] for sample in self._samples[-200:]]).mean(axis=0)
        length = float(np.linalg.norm(force))
        if not 0.7 * GRAVITY_MPS2 < length < 1.3 * GRAVITY_MPS2:
            return f'the IMU feels {length:.1f} m/s^2 on average: must be about 9.8'
        if force[2] < _UPRIGHT * length:
            return 'the IMU feels gravity from the wrong side: correct the transform of its frame'
        return ''

    def span(self, begin_ns: int, end_ns: int) -> ImuSpan:
        """Return what was measured between two times; the nearest sample stands for the ends."""
        nothing = ImuSpan(0.0, np.zeros(3), np.full(3, np.nan))
        first = max(bisect.bisect_right(self._stamps, begin_ns) - 1, 0)
        last = bisect.bisect_left(self._stamps, end_ns) + 1
        stamps = np.array(self._stamps[first:last], np.float64)
        if not len(stamps) or end_ns <= begin_ns:
            return nothing
        values = np.array(self._samples[first:last])
        middle = (stamps[1:] + stamps[:-1]) / 2
        starts = np.concatenate(((stamps[0] - GAP_NS / 2,), middle))
        ends = np.concatenate((middle, (stamps[-1] + GAP_NS / 2,)))
        starts = np.maximum(starts, stamps - GAP_NS / 2).clip(begin_ns, end_ns)
        ends = np.minimum(ends, stamps + GAP_NS / 2).clip(begin_ns, end_ns)
        weights = np.maximum(ends - starts, 0) / 1e9
        covered = float(weights.sum())
        if covered <= 0:
            return nothing
        total = weights @ values
        return ImuSpan(covered, total[:3], total[3:] / covered)


class SpeedBuffer:
    """The speeds of the last seconds; samples that jump are left out."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._speeds: list[float] = []
        self.jumps = 0

    def add(self, sample: OdometrySample) -> None:
        """Take a sample."""
        if not abs(sample.speed_mps) < _MOST_MPS:
            self.jumps += 1
            return
        if self._stamps:
            apart_s = (sample.stamp_ns - self._stamps[-1]) / 1e9
            if apart_s < -KEPT_NS / 1e9 or apart_s > KEPT_NS / 1e9:
                self.clear()
            elif abs(sample.speed_mps - self._speeds[-1]) > 0.3 + _MOST_MPS2 * abs(apart_s):
                self.jumps += 1
                self.clear()
        place = bisect.bisect_right(self._stamps, sample.stamp_ns)
        self._stamps.insert(place, sample.stamp_ns)
        self._speeds.insert(place, float(sample.speed_mps))
        old = bisect.bisect_left(self._stamps, self._stamps[-1] - KEPT_NS)
        del self._stamps[:old], self._speeds[:old]

    def clear(self) -> None:
        """Forget all samples."""
        self._stamps.clear()
        self._speeds.clear()

    def span(self, begin_ns: int, end_ns: int) -> tuple[float, float] | None:
        """Return mean speed and acceleration between two times, None where they are not known."""
        first = bisect.bisect_left(self._stamps, begin_ns - GAP_NS // 2)
        last = bisect.bisect_right(self._stamps, end_ns + GAP_NS // 2)
        if last - first < 3:
            return None
        time = (np.array(self._stamps[first:last], np.float64) - begin_ns) / 1e9
        speed = np.array(self._speeds[first:last])
        centred = time - time.mean()
        return float(speed.mean()), float(centred @ speed / max(centred @ centred, 1e-9))
