# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The time of a recording while it is played."""

from __future__ import annotations


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
