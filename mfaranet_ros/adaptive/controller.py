# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Chooses the operating point by the time that frames take.

Pure: the time is an argument. Each frame shows how busy the machine is: its time on the operating
point in force divided by what that point took when it was measured. So recent frames also show how
long they would have taken on any other operating point.

The controller steps down when the 95th percentile is over the budget, or when SLOW_FRAMES frames
in a row are. It steps down to a point that needs at most FITS of the budget, and up to one that
would have needed at most ROOM of it for HOLD_S without a break. A step up that fails makes it wait
longer before the next one, so that it does not oscillate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

FITS = 0.95
"""Share of the budget that frames may need on the operating point it steps down to."""

ROOM = 0.85
"""Share of the budget that frames may need on an operating point it steps up to."""

HOLD_S = 3.0
"""Time for which a costlier operating point must have fitted before a step up to it."""

LONGEST_HOLD_S = 60.0
"""Upper limit of that time, which doubles with each step up that fails."""

PROBATION_S = 10.0
"""A step up fails if the operating point must be left again within this time."""

FRAMES = 100
"""Frames that are remembered; the 95th percentile of fewer would be chance."""

RECENT_FRAMES = 20
"""Newest frames that decide whether a costlier operating point fits."""

SLOW_FRAMES = 3
"""Frames in a row over the budget that cause a step down."""

Times = NDArray[np.float64]
"""Milliseconds (operating points, frames) of each frame on each operating point, newest last."""


class Controller:
    """Chooses among operating points by their costs; starts with the first one.

    costs_ms: of one frame on each operating point, measured, the most costly first, all above 0.
    """

    def __init__(self, costs_ms: Sequence[float]) -> None:
        self._costs_ms: NDArray[np.float64] = np.array(costs_ms, np.float64)
        self._frames: deque[tuple[float, float]] = deque(maxlen=FRAMES)  # load, rest in ms
        self._room_since_s: list[float | None] = [None] * len(costs_ms)
        self._changed_s: float | None = None
        self._climbed_s: float | None = None
        self._hold_s = HOLD_S
        self.operating_point = 0
        """The number of the operating point in force."""

    def take(
        self,
        now_s: float,
        operating_point_ms: float,
        rest_ms: float,
        *,
        budget_ms: float,
        period_s: float,
    ) -> int:
        """Take the times of one frame and return the operating point for the next one.

        now_s: any clock that only goes forward. operating_point_ms: the time of the stages that
        depend on the operating point; rest_ms: the rest of its processing time. period_s: least
        time between two changes.
        """
        self._frames.append(
            (operating_point_ms / float(self._costs_ms[self.operating_point]), rest_ms)
        )
        load, rest = np.array(self._frames).T
        times_ms: Times = load * self._costs_ms[:, None] + rest
        self._note_room(now_s, times_ms, budget_ms)
        if self._changed_s is None:
            self._changed_s = now_s  # slow first frames decide nothing
        if now_s - self._changed_s >= period_s:
            need_ms = self._need_ms(times_ms, budget_ms)
            if need_ms is not None:
                self._go_down(now_s, need_ms, budget_ms)
            else:
                self._go_up(now_s)
        return self.operating_point

    def _note_room(self, now_s: float, times_ms: Times, budget_ms: float) -> None:
        for number, time_ms in enumerate(_p95(times_ms[:, -RECENT_FRAMES:])):
            if time_ms > ROOM * budget_ms:
                self._room_since_s[number] = None
            elif self._room_since_s[number] is None:
                self._room_since_s[number] = now_s

    def _need_ms(self, times_ms: Times, budget_ms: float) -> NDArray[np.float64] | None:
        """Return what each operating point needs, or None while the one in force fits."""
        newest = times_ms[:, -SLOW_FRAMES:]
        if newest.shape[1] == SLOW_FRAMES and newest[self.operating_point].min() > budget_ms:
            return np.asarray(newest.max(axis=1))
        p95_ms = _p95(times_ms)
        broken = times_ms.shape[1] == FRAMES and p95_ms[self.operating_point] > budget_ms
        return p95_ms if broken else None

    def _go_down(self, now_s: float, need_ms: NDArray[np.float64], budget_ms: float) -> None:
        """Step down to the most costly of the cheaper points that fits, else to the last one."""
        cheaper = range(self.operating_point + 1, len(need_ms))
        if not cheaper:
            return
        if self._climbed_s is not None and now_s - self._climbed_s <= PROBATION_S:
            self._hold_s = min(2 * self._hold_s, LONGEST_HOLD_S)
        else:
            self._hold_s = HOLD_S
        fitting = (number for number in cheaper if need_ms[number] <= FITS * budget_ms)
        self._change(next(fitting, cheaper[-1]), now_s)

    def _go_up(self, now_s: float) -> None:
        """Step up to the most costly operating point that has fitted for long enough."""
        for number, since_s in enumerate(self._room_since_s[: self.operating_point]):
            if since_s is not None and now_s - since_s >= self._hold_s:
                self._climbed_s = now_s
                self._change(number, now_s)
                return

    def _change(self, operating_point: int, now_s: float) -> None:
        """Forget all but the recent frames: older ones have caused this change."""
        self.operating_point, self._changed_s = operating_point, now_s
        while len(self._frames) > RECENT_FRAMES:
            self._frames.popleft()


def _p95(times_ms: Times) -> NDArray[np.float64]:
    """Return the 95th percentile on each operating point, always one that a frame had.

    Of fewer than 40 frames it is the second longest: a single one may be slow by chance.
    """
    count = times_ms.shape[1]
    beyond = max(1, count // 20)
    return np.asarray(np.sort(times_ms, axis=1)[:, max(0, count - 1 - beyond)])
