# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The energy that the CPU packages have used, where Linux counts it (RAPL, powercap)."""

from __future__ import annotations

from pathlib import Path

POWERCAP = Path('/sys/class/powercap')


class EnergyMeter:
    """Adds up joules between `start` and `stop`; several times, as other work comes between.

    folder: of the counters; those of whole packages are named `intel-rapl:N`, on AMD, too.
    """

    def __init__(self, folder: Path = POWERCAP) -> None:
        self._zones = [zone for zone in sorted(folder.glob('intel-rapl:*')) if _is_package(zone)]
        self._before: list[int] = []

    def start(self) -> None:
        """Begin to count."""
        self._before = self._read()

    def stop(self) -> float | None:
        """Return the joules since `start`; None where this machine does not count them."""
        now = self._read()
        if not now or len(now) != len(self._before):
            return None
        used = 0
        for zone, before, after in zip(self._zones, self._before, now, strict=True):
            used += after - before if after >= before else after - before + _largest(zone)
        return used / 1e6

    def _read(self) -> list[int]:
        try:
            return [int((zone / 'energy_uj').read_text()) for zone in self._zones]
        except (OSError, ValueError):
            return []  # readable by root only, on many machines


def _is_package(zone: Path) -> bool:
    """Return whether a zone is a whole package: intel-rapl:0, not intel-rapl:0:1 within it."""
    return zone.name.count(':') == 1


def _largest(zone: Path) -> int:
    """Return the value at which the counter of a zone begins again, in microjoules."""
    return int((zone / 'max_energy_range_uj').read_text())
