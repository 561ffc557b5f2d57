# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A steady rate: which of its moments has come, and how many were missed."""

from __future__ import annotations


class Pace:
    """Divides time into slots of equal length, beginning with the first tick.

    The n-th slot is due n / rate_hz after the first, however late the ones before were served, so
    the rate does not drift. Slots that passed unserved are counted in `missed`, never made up for.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period_ns = 1e9 / rate_hz
        self._start_ns: int | None = None
        self._slot = 0
        self.missed = 0

    def tick(self, now_ns: int) -> bool:
        """Return whether a slot is due that was not served yet; a clock set back begins anew."""
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
