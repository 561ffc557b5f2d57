"""One world, made from a seed: the road, what stands beside it and what moves along it."""

from __future__ import annotations

import math
from functools import lru_cache

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.ground import HALF_ROAD_M, LANE_M, PAVEMENT_M, Ground
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import DriveOptions
from mfaranet_ros.scenes.road import Road
from mfaranet_ros.scenes.scene import Scene
from mfaranet_ros.scenes.things import Thing

RADIUS_M = 130.0
"""So far from the place of a scene there are things; further away is open ground."""

LOT_M = 9.0
"""Length of the road that one house, or one garden, takes."""


class World:
    """A road through a town, endless for all that a drive sees of it; nothing in it has state."""

    def __init__(self, seed: int = 0, options: DriveOptions | None = None) -> None:
        self.seed = seed
        self.options = options or DriveOptions()
        length = self.options.speed_mps * self.options.duration_s
        self.road = Road(seed, self.options.curvature, length)
        self.ground = Ground(self.road)
        self._lot = lru_cache(maxsize=4096)(self._make_lot)

    @property
    def lane_sign(self) -> int:
        """1 where the ego drives left of the middle, -1 where right."""
        return 1 if self.options.side == 'left' else -1

    def scene(self, time_s: float, s: float) -> Scene:
        """Return what there is at a time (from the start of the drive) around a place s."""
        first, last = (math.floor((s + side * RADIUS_M) / LOT_M) for side in (-1, 1))
        things = [
            thing for lot in range(first, last + 1) for side in (1, -1)
            for thing in self._lot(lot, side)
        ]  # fmt: skip
        return Scene(self.ground, (*things, *self._moving(time_s, s)))

    def _make_lot(self, lot: int, side: int) -> tuple[Thing, ...]:
        chance = generator(self.seed, Purpose.LOT, lot, side)
        things = []
        edge = HALF_ROAD_M + PAVEMENT_M
        height = 6 + 5 * chance.random()
        middle = (lot + 0.5) * LOT_M
        if chance.random() < 0.75:
            things.append(
                self._on_road(
                    Kind.BUILDING, 'box', middle, side * (edge + 4), (LOT_M, 8.0, height)
                )
            )
        else:
            things.append(
                self._on_road(Kind.TREE, 'tree', middle, side * (edge + 1.5), (0.4, 5.0, 7.0))
            )
        if chance.random() < self.options.parked:
            size = (4.2, 1.75, 1.45)
            things.append(
                self._on_road(Kind.CAR, 'box', middle, side * (HALF_ROAD_M - 1.05), size)
            )
        return tuple(things)

    def _moving(self, time_s: float, s: float) -> list[Thing]:
        if not self.options.traffic:
            return []
        ahead = self.options.speed_mps * time_s + 18.0
        return [
            self._on_road(Kind.CAR, 'box', ahead, self.lane_sign * LANE_M, (4.2, 1.75, 1.45)),
        ]

    def _on_road(
        self, kind: Kind, shape: str, s: float, offset: float, size: tuple[float, float, float]
    ) -> Thing:
        return Thing(kind, shape, *self.road.pose(s, offset), *size)
