# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What moves: cars, buses, cyclists and people, each a function of time alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.crossings import KERBSIDE_M, crossings, hinders, walked
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.road import HALF_ROAD_M, LANE_M, Road
from mfaranet_ros.scenes.things import Thing
from mfaranet_ros.scenes.town import BUS_M, CAR_M, VAN_M, put

ONCOMING_MPS = 9.0
CYCLIST_MPS = 4.5
WALKER_MPS = 1.2
STEPS_PER_S = 2

LEAD_GAP_M = (17.0, 32.0)
"""Least and largest distance from base_link to the middle of the car ahead."""

LEAD_PERIOD_S = 16.0
FOLLOW_GAP_M = 13.0

_BIKE_M = (1.75, 0.5, 1.05)
_RIDER_M = (0.5, 0.4, 1.7)
_PERSON_M = 0.4


@lru_cache(maxsize=8192)
def _draw(*keys: int) -> tuple[float, float, int]:
    """Return the random numbers of one moving thing: two shares and a variant."""
    chance = generator(keys[0], Purpose.TRAFFIC, *keys[1:])
    return chance.random(), chance.random(), int(chance.integers(0, 1 << 16))


@dataclass(frozen=True)
class Stream:
    """What goes along the road one after the other at one speed, irregularly spaced.

    sign: 1 where it goes along the road, -1 against. offset_m: from the middle, to its left.
    """

    name: int
    spacing_m: float
    speed_mps: float
    sign: int
    offset_m: float

    def near(
        self, seed: int, density: float, time_s: float, s: float, radius_m: float
    ) -> Iterator[tuple[int, float, tuple[float, float, int]]]:
        """Yield number, place and random numbers of what is within a radius of a place."""
        if density == 0:
            return
        spacing = self.spacing_m / density
        moved = self.sign * self.speed_mps * time_s
        first, last = (math.floor((s - moved + end * radius_m) / spacing) for end in (-1, 1))
        for number in range(first, last + 1):
            draw = _draw(seed, self.name, number)
            yield number, (number + 0.7 * draw[0]) * spacing + moved, draw


@dataclass(frozen=True)
class Traffic:
    """Everything that moves in a world."""

    seed: int
    options: SceneOptions
    road: Road

    def near(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        """Yield what is on the move around a place of the road at a time."""
        around = time_s, s, radius_m
        yield from self._own_lane(time_s)
        yield from self._oncoming(*around)
        yield from self._crossing(*around)
        for way in (1, -1):
            yield from self._cyclists(way, *around)
            for side in (1, -1):
                yield from self._walkers(way, side, *around)

    @property
    def _lane(self) -> int:
        return 1 if self.options.side == 'left' else -1

    def _own_lane(self, time_s: float) -> Iterator[Thing]:
        if self.options.traffic == 0:
            return
        ego = self.options.speed_mps * time_s
        phase = time_s / LEAD_PERIOD_S
        swing = abs(2 * (phase - math.floor(phase)) - 1)
        near, far = LEAD_GAP_M
        reach = (far - near) * min(1.0, self.options.speed_mps / 8)  # it must not drive backwards
        for number, gap in enumerate((near + reach * swing, -FOLLOW_GAP_M)):
            variant = _draw(self.seed, 0, number)[2]
            yield put(self.road, Kind.CAR, 'car', ego + gap, self._lane * LANE_M, CAR_M, variant)

    def _oncoming(self, *around: float) -> Iterator[Thing]:
        stream = Stream(1, 42.0, ONCOMING_MPS, -1, -self._lane * LANE_M)
        for _, place, (_, share, variant) in stream.near(self.seed, self.options.traffic, *around):
            start = place + ONCOMING_MPS * around[0]
            if hinders(self.seed, self.options, start, ONCOMING_MPS):
                continue
            kind, shape, size = (
                (Kind.BUS, 'bus', BUS_M) if share < 0.08
                else (Kind.TRUCK, 'van', VAN_M) if share < 0.2
                else (Kind.CAR, 'car', CAR_M)
            )  # fmt: skip
            yield put(self.road, kind, shape, place, stream.offset_m, size, variant, -1)

    def _crossing(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        """Yield those who wait at the kerb, cross before the ego car, and stand on the other."""
        end = 2 * KERBSIDE_M
        for number, place in crossings(self.seed, self.options, s - radius_m, s + radius_m):
            done = walked(self.options, place, time_s)
            step = _step(time_s, 0.0) if 0 < done < end else 0
            offset = self._lane * (KERBSIDE_M - done)
            yield self._person(place, offset, 1.74, 2 * number + step, 1)

    def _person(self, s: float, offset: float, height: float, variant: int, way: int) -> Thing:
        size = (_PERSON_M, _PERSON_M, height)
        return put(self.road, Kind.PERSON, 'walker', s, offset, size, variant, way)

    def _cyclists(self, way: int, *around: float) -> Iterator[Thing]:
        offset = way * self._lane * (LANE_M + 1.4)
        stream = Stream(3 + way, 48.0, CYCLIST_MPS, way, offset)
        for number, place, _ in stream.near(self.seed, self.options.people, *around):
            for kind, shape, size, ahead in (
                (Kind.RIDER, 'rider', _RIDER_M, 0.0), (Kind.BICYCLE, 'bicycle', _BIKE_M, 0.1),
            ):  # fmt: skip
                at = place + way * ahead
                yield put(self.road, kind, shape, at, offset, size, number, way)

    def _walkers(self, way: int, side: int, *around: float) -> Iterator[Thing]:
        stream = Stream(8 + 2 * way + side, 22.0, WALKER_MPS, way, 0.0)
        for number, place, (phase, share, _) in stream.near(
            self.seed, self.options.people, *around
        ):
            offset = side * (HALF_ROAD_M + 0.9 + 1.1 * share)
            variant = 2 * number + _step(around[0], phase)
            yield self._person(place, offset, 1.6 + 0.25 * phase, variant, way)


def _step(time_s: float, phase: float) -> int:
    """Return which foot is in front, 0 or 1."""
    return math.floor(STEPS_PER_S * time_s + 2 * phase) % 2
