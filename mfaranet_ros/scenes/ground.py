# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground: what lies where, across the road and along it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.road import Floats, Road

HALF_ROAD_M = 5.3
"""From the middle of the road to its kerbs: a lane, and room to park."""

LANE_M = 1.65
"""From the middle of the road to the middle of a lane."""

PAVEMENT_M = 2.4
"""Width of a pavement; behind it grass, where no house stands."""

Reals = NDArray[np.float32] | NDArray[np.float64]

DASH_M, PERIOD_M, LINE_M = 2.4, 6.4, 0.12
"""Of the dashes in the middle of the road: their length, their distance, their width."""


FAR_M = 400.0
"""Further away along a ray, the ground is what it is there."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground of a whole world; z = 0 everywhere, kerbs included."""

    road: Road

    def kinds(self, x: Floats, y: Floats) -> NDArray[np.uint8]:
        """Return the kind of each place, any shape; x and y in the world."""
        return kinds_at(*self.road.coordinates(x, y))


def kinds_at(s: Reals, offset: Reals) -> NDArray[np.uint8]:
    """Return the kind of places, given their coordinates along and across the road."""
    away = np.abs(offset)
    kinds = np.full(away.shape, Kind.GRASS, np.uint8)
    kinds[away <= HALF_ROAD_M + PAVEMENT_M] = Kind.PAVEMENT
    kinds[away <= HALF_ROAD_M] = Kind.ROAD
    dash = (away <= LINE_M / 2) & (s - np.floor(s / PERIOD_M) * PERIOD_M < DASH_M)
    kinds[dash] = Kind.MARKING
    return kinds
