# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A simulated clock that can stand still, jump and run fast, and remembers what it has shown."""

from collections import deque

REMEMBERED_NS = 120 * 10**9


class SimulatedClock:
    """Shows simulated time in ns for a wall time in ns; starts at `start_ns`."""

    def __init__(self, start_ns, wall_ns):
        self._sim_ns, self._wall_ns, self.rate = start_ns, wall_ns, 1.0
        self._shown = deque([(wall_ns, start_ns)])

    def at(self, wall_ns):
        """Return the simulated time."""
        return self._sim_ns + round((wall_ns - self._wall_ns) * self.rate)

    def set_rate(self, rate, wall_ns):
        """Run at another rate from now on; 0 stands still."""
        self._sim_ns, self._wall_ns = self.at(wall_ns), wall_ns
        self.rate = rate

    def jump(self, by_ns, wall_ns):
        """Move forward, or back by a negative number."""
        self._sim_ns, self._wall_ns = self.at(wall_ns) + by_ns, wall_ns

    def show(self, wall_ns):
        """Return the time to publish now, and remember it."""
        sim_ns = self.at(wall_ns)
        self._shown.append((wall_ns, sim_ns))
        while wall_ns - self._shown[0][0] > REMEMBERED_NS and len(self._shown) > 2:
            self._shown.popleft()
        return sim_ns

    def shown(self):
        """Return the time that was published last."""
        return self._shown[-1][1]

    def lowest_shown(self, from_ns, to_ns):
        """Return the lowest time that a listener may have seen between two wall times."""
        lowest = None
        for wall_ns, sim_ns in reversed(self._shown):
            if wall_ns <= to_ns:
                lowest = sim_ns if lowest is None else min(lowest, sim_ns)
            if wall_ns <= from_ns:
                break
        return self._shown[0][1] if lowest is None else lowest
