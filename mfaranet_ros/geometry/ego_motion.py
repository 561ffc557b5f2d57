# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the vehicle was at a moment, from odometry as it comes."""

from __future__ import annotations

import bisect
import math
from collections import deque
from dataclasses import dataclass

from mfaranet_ros.core.errors import CalibrationError

KEPT_NS = 5 * 10**9
"""How far back poses are known."""

AHEAD_NS = 200_000_000
"""How far a pose is extrapolated beyond the newest sample; images are often a little newer."""

GAP_NS = 500_000_000
"""The longest time between two samples that is bridged by a straight line."""

FASTEST_MPS, FASTEST_RADPS = 70.0, 6.0
"""Faster changes from one sample to the next are jumps of the odometry, such as its reset."""


@dataclass(frozen=True)
class EgoPose:
    """The pose of the base frame on the ground of the odometry frame: x, y in m, yaw in rad."""

    x_m: float
    y_m: float
    yaw_rad: float

    @property
    def is_finite(self) -> bool:
        """Whether all values are finite."""
        return all(map(math.isfinite, (self.x_m, self.y_m, self.yaw_rad)))


class EgoTrack:
    """The poses of the last seconds; one thread at a time may use it.

    `jumps` counts the changes that no vehicle can make: what was before one cannot be related to
    what comes after it, and is forgotten.
    """

    def __init__(self) -> None:
        self._stamps_ns: deque[int] = deque()
        self._poses: deque[EgoPose] = deque()
        self.jumps = 0
        self.refused = 0

    @property
    def newest_ns(self) -> int | None:
        """The stamp of the newest pose; None without any."""
        return self._stamps_ns[-1] if self._stamps_ns else None

    def take(self, stamp_ns: int, pose: EgoPose) -> None:
        """Take a sample; one that is not finite or not newer than the last one is counted only."""
        if not pose.is_finite:
            self.refused += 1
            return
        if self._stamps_ns:
            apart_ns = stamp_ns - self._stamps_ns[-1]
            if -KEPT_NS < apart_ns <= 0:
                self.refused += 1
                return
            if apart_ns < 0 or _is_jump(self._poses[-1], pose, apart_ns):
                self.jumps += 1
                self.clear()
        self._stamps_ns.append(stamp_ns)
        self._poses.append(pose)
        while self._stamps_ns[0] < stamp_ns - KEPT_NS:
            self._stamps_ns.popleft()
            self._poses.popleft()

    def clear(self) -> None:
        """Forget all poses."""
        self._stamps_ns.clear()
        self._poses.clear()

    def at(self, stamp_ns: int) -> EgoPose:
        """Return the pose at a moment; raises CalibrationError where it is not known."""
        stamps = self._stamps_ns
        if not stamps:
            raise CalibrationError('no odometry has arrived')
        if stamp_ns - stamps[-1] > AHEAD_NS:
            late_s = (stamp_ns - stamps[-1]) / 1e9
            raise CalibrationError(f'the newest odometry is {late_s:.1f} s older than the image')
        if stamp_ns < stamps[0]:
            early_s = (stamps[0] - stamp_ns) / 1e9
            raise CalibrationError(f'the image is {early_s:.1f} s older than all odometry')
        after = min(max(bisect.bisect_left(stamps, stamp_ns), 1), len(stamps) - 1)
        if len(stamps) == 1:
            if stamp_ns == stamps[0]:
                return self._poses[0]
            raise CalibrationError('only one sample of odometry has arrived')
        gap_ns = stamps[after] - stamps[after - 1]
        if gap_ns > GAP_NS:
            raise CalibrationError(f'odometry has a gap of {gap_ns / 1e9:.1f} s around the image')
        share = (stamp_ns - stamps[after - 1]) / gap_ns
        return _between(self._poses[after - 1], self._poses[after], share)


def _is_jump(before: EgoPose, after: EgoPose, apart_ns: int) -> bool:
    seconds = apart_ns / 1e9
    metres = math.hypot(after.x_m - before.x_m, after.y_m - before.y_m)
    turn = abs(_turn(before, after))
    return metres > FASTEST_MPS * seconds + 0.1 or turn > FASTEST_RADPS * seconds + 0.05


def _turn(before: EgoPose, after: EgoPose) -> float:
    return math.remainder(after.yaw_rad - before.yaw_rad, 2 * math.pi)


def _between(before: EgoPose, after: EgoPose, share: float) -> EgoPose:
    return EgoPose(
        before.x_m + share * (after.x_m - before.x_m),
        before.y_m + share * (after.y_m - before.y_m),
        before.yaw_rad + share * _turn(before, after),
    )
