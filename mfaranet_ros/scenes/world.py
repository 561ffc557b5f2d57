# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One world, made from a seed: the road, what stands beside it and what moves along it."""

from __future__ import annotations

import math
from functools import lru_cache

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.scenes.ground import Ground
from mfaranet_ros.scenes.options import DriveOptions
from mfaranet_ros.scenes.road import Road
from mfaranet_ros.scenes.scene import Scene
from mfaranet_ros.scenes.town import LOT_M, Town
from mfaranet_ros.scenes.traffic import Traffic

RADIUS_M = 130.0
"""So far along the road, ahead and behind, things stand; further away is open ground."""


class World:
    """A road through a town, endless for all that a drive sees of it; nothing in it has state.

    Raises ConfigError for a seed below 0.
    """

    def __init__(self, seed: int = 0, options: DriveOptions | None = None) -> None:
        if type(seed) is not int or seed < 0:
            raise ConfigError(f'seed {seed!r}: must be a whole number from 0')
        self.seed = seed
        self.options = options or DriveOptions()
        length = self.options.speed_mps * self.options.duration_s
        self.road = Road(seed, self.options.curvature, length)
        self.ground = Ground(self.road)
        self._lot = lru_cache(maxsize=1024)(Town(seed, self.options, self.road).lot)
        self._traffic = Traffic(seed, self.options, self.road)

    @property
    def lane_sign(self) -> int:
        """1 where the ego drives left of the middle, -1 where right."""
        return 1 if self.options.side == 'left' else -1

    def scene(self, time_s: float, s: float) -> Scene:
        """Return what there is at a time (from the start of the drive) around a place s."""
        first, last = (math.floor((s + end * RADIUS_M) / LOT_M) for end in (-1, 1))
        standing = (
            thing
            for lot in range(first, last + 1)
            for side in (1, -1)
            for thing in self._lot(lot, side)
        )
        return Scene(self.ground, (*standing, *self._traffic.near(time_s, s, RADIUS_M)))
