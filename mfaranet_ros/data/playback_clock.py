# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""When recorded images and messages are due: at a steady rate, or by the log of a bag."""

from __future__ import annotations


class Pace:
    """Divides time into slots of equal length, starting at the first tick.

    The n-th slot is due n / rate_hz after the first, however late the ones before were served, so
    the rate does not drift. Slots that passed unserved are counted in `missed`, never made up for.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = 1e9 / rate_hz
        self._start_ns: int | None = None
        self._slot = 0
        self.missed = 0

    def tick(self, now_ns: int) -> bool:
        """Return whether a slot is due that was not served yet; a clock set back restarts it."""
        if self._start_ns is None or now_ns < self._start_ns:
            self._start_ns, self._slot = now_ns, 0
            return True
        slot = round((now_ns - self._start_ns) / self._period_ns)
        if slot == self._slot:
            return False
        set_back = slot < self._slot
        if set_back:
            self._start_ns, self._slot = now_ns, 0
            return True
        self.missed += slot - self._slot - 1
        self._slot = slot
        return True


class BagTime:
    """Runs `rate` times as fast as the steady clock, from where it was last set.

    All times in nanoseconds.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._bag_ns = self._steady_ns = 0

    def set(self, bag_ns: int, steady_ns: int) -> None:
        """Let it be bag_ns now."""
        self._bag_ns, self._steady_ns = bag_ns, steady_ns

    def now_ns(self, steady_ns: int) -> int:
        """Return the time of the recording."""
        return self._bag_ns + round((steady_ns - self._steady_ns) * self._rate)

    def until_s(self, bag_ns: int, steady_ns: int) -> float:
        """Return how many seconds of the steady clock it takes to a moment of the recording."""
        return (bag_ns - self.now_ns(steady_ns)) / self._rate / 1e9
