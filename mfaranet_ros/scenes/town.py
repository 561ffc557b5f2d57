# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What stands beside the road and at its kerbs: the same at every moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.crossings import crossed
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.road import HALF_ROAD_M, PAVEMENT_M, Road
from mfaranet_ros.scenes.things import Thing

LOT_M = 8.0
"""Length of the road that one house takes."""

LOTS_PER_BLOCK = 5
"""Number of consecutive lots with the same character."""

EDGE_M = HALF_ROAD_M + PAVEMENT_M
DEPTH_M = 8.0
"""Depth of houses."""

CAR_M = (4.2, 1.75, 1.46)
VAN_M = (5.2, 1.95, 2.3)
BUS_M = (10.5, 2.3, 3.0)

_BARRIERS = (
    (Kind.WALL, 'garden_wall', 1.3),
    (Kind.TREE, 'hedge', 1.8),
    (Kind.FENCE, 'railing', 1.2),
    (Kind.FENCE, 'boards', 1.7),
)


@dataclass(frozen=True)
class Town:
    """Makes the things of a lot: LOT_M of the road on one side, 1 for left and -1 for right."""

    seed: int
    options: SceneOptions
    road: Road

    def lot(self, number: int, side: int) -> tuple[Thing, ...]:
        """Return what stands on one lot, from the houses to the kerb."""
        block = generator(self.seed, Purpose.BLOCK, number // LOTS_PER_BLOCK, side)
        chance = generator(self.seed, Purpose.LOT, number, side)
        place = _Place(self, number, side)
        gardens = block.random() < 0.34 * self.options.trees
        barrier = _BARRIERS[int(block.integers(0, len(_BARRIERS)))]
        beside = place.garden(chance, barrier) if gardens else place.terrace(chance)
        return (*beside, *place.kerb(chance), *place.parked(chance))


@dataclass(frozen=True)
class _Place:
    """One lot while it is filled."""

    town: Town
    number: int
    side: int

    def terrace(self, chance: np.random.Generator) -> list[Thing]:
        variant = int(chance.integers(0, 1 << 16))
        shape = 'house' if chance.random() < 0.8 else 'block'
        height = 5.6 + 0.4 * int(chance.integers(0, 11))
        away = EDGE_M + DEPTH_M / 2
        return [self._put(Kind.BUILDING, shape, 0, away, (LOT_M, DEPTH_M, height), variant)]

    def garden(self, chance: np.random.Generator, barrier: tuple[Kind, str, float]) -> list[Thing]:
        kind, shape, height = barrier
        things = [self._put(kind, shape, 0, EDGE_M + 0.2, (LOT_M, 0.3, height))]
        for _ in range(int(chance.integers(1, 4))):
            along, away = (chance.random() - 0.5) * LOT_M, EDGE_M + 1.5 + 4 * chance.random()
            things.append(self._tree(chance, along, away, 6 + 5 * chance.random()))
        if chance.random() < 0.7:
            variant = int(chance.integers(0, 1 << 16))
            size = (LOT_M - 1, DEPTH_M, 5.6 + 0.4 * int(chance.integers(0, 6)))
            things.append(self._put(Kind.BUILDING, 'house', 0, EDGE_M + 12, size, variant))
        return things

    def kerb(self, chance: np.random.Generator) -> list[Thing]:
        """Return lamps, signs, lights, railings and trees on the pavement."""
        things = []
        draw = chance.random()
        near = HALF_ROAD_M + 0.45
        if (self.number + 2 * (self.side > 0)) % 4 == 0:
            things.append(self._put(Kind.POLE, 'lamp', 1.0, near, (0.14, 0.14, 7.0)))
        elif draw < 0.22:
            variant = int(chance.integers(0, 3))
            things.append(self._put(Kind.POLE, 'pole', -1.0, near, (0.08, 0.08, 2.9)))
            things.append(
                self._put(Kind.SIGN, 'sign', -1.0, near, (0.05, 0.7, 2.9), variant, lane=-1)
            )
        elif draw < 0.34:
            things.append(self._put(Kind.FENCE, 'railing', 0, near - 0.15, (LOT_M, 0.06, 1.05)))
        elif draw < 0.34 + 0.12 * self.town.options.trees:
            things.append(self._tree(chance, 0.5, near + 0.4, 6 + 3 * chance.random()))
        if self.number % 12 == 5:
            things.append(self._put(Kind.POLE, 'pole', 2.0, near, (0.11, 0.11, 2.4)))
            things.append(
                self._put(Kind.TRAFFIC_LIGHT, 'traffic_light', 2.0, near, (0.3, 0.3, 3.2), lane=-1)
            )
        return things

    def parked(self, chance: np.random.Generator) -> list[Thing]:
        options = self.town.options
        crowded = self.number % 12 in (4, 5) or crossed(
            self.town.seed, options, self.number * LOT_M, (self.number + 1) * LOT_M
        )
        if chance.random() >= options.parked or crowded:
            return []
        variant = int(chance.integers(0, 1 << 16))
        along, away = 2 * chance.random() - 1, HALF_ROAD_M - 1.05
        if chance.random() < 0.1:
            return [self._put(Kind.CAR, 'van', along, away, VAN_M, variant, lane=1)]
        return [self._put(Kind.CAR, 'car', along, away, CAR_M, variant, lane=1)]

    def _tree(
        self, chance: np.random.Generator, along: float, away: float, height: float
    ) -> Thing:
        variant = int(chance.integers(0, 1 << 16))
        return self._put(Kind.TREE, 'tree', along, away, (0.3, 0.3, height), variant)

    def _put(
        self, kind: Kind, shape: str, along: float, away: float,
        size: tuple[float, float, float], variant: int = 0, *, lane: int = 0,
    ) -> Thing:  # fmt: skip
        """Return a thing so far from the middle of the lot and of the road.

        It points along the road with the road to its right; or, where lane is 1, the way in which
        this side of the road is driven, and where it is -1, against it.
        """
        s = (self.number + 0.5) * LOT_M + self.side * along
        lane_sign = 1 if self.town.options.side == 'left' else -1
        sign = lane * self.side * lane_sign if lane else self.side
        return put(self.town.road, kind, shape, s, self.side * away, size, variant, sign)


def put(
    road: Road, kind: Kind, shape: str, s: float, offset: float,
    size: tuple[float, float, float], variant: int = 0, sign: int = 1,
) -> Thing:  # fmt: skip
    """Return a thing at a place of the road; sign: 1 where it points along it, -1 against."""
    x, y, cosine, sine = road.pose(s, offset)
    return Thing(kind, shape, x, y, sign * cosine, sign * sine, *size, variant)
