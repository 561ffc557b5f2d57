"""What moves: cars, buses, cyclists and people, each a function of time alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.ground import HALF_ROAD_M, LANE_M
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import DriveOptions
from mfaranet_ros.scenes.road import Road
from mfaranet_ros.scenes.things import Thing
from mfaranet_ros.scenes.town import BUS_M, CAR_M, VAN_M, put

ONCOMING_MPS = 9.0
CYCLIST_MPS = 4.5
LEAD_GAP_M = (16.0, 30.0)
"""Least and largest distance from base_link to the middle of the car ahead."""

LEAD_PERIOD_S = 16.0
FOLLOW_GAP_M = 13.0

_BIKE_M = (1.75, 0.5, 1.05)
_RIDER_M = (0.5, 0.68, 1.78)


@dataclass(frozen=True)
class Traffic:
    """Everything that moves in a world."""

    seed: int
    options: DriveOptions
    road: Road

    def near(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        """Yield what is on the move around a place of the road at a time."""
        yield from self._own_lane(time_s)
        yield from self._oncoming(time_s, s, radius_m)
        yield from self._cyclists(time_s, s, radius_m)
        yield from self._walkers(time_s, s, radius_m)

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
        chance = generator(self.seed, Purpose.LEADING)
        for gap in (near + (far - near) * swing, -FOLLOW_GAP_M):
            variant = int(chance.integers(0, 1 << 16))
            yield put(self.road, Kind.CAR, 'car', ego + gap, self._lane * LANE_M, CAR_M, variant)

    def _oncoming(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        for number, place in self._stream(
            Purpose.ONCOMING, self.options.traffic, 42.0, -ONCOMING_MPS, time_s, s, radius_m
        ):
            chance = generator(self.seed, Purpose.ONCOMING, number, 1)
            draw, variant = chance.random(), int(chance.integers(0, 1 << 16))
            kind, shape, size = (
                (Kind.BUS, 'bus', BUS_M) if draw < 0.08
                else (Kind.TRUCK, 'van', VAN_M) if draw < 0.2
                else (Kind.CAR, 'car', CAR_M)
            )  # fmt: skip
            yield put(self.road, kind, shape, place, -self._lane * LANE_M, size, variant, -1)

    def _cyclists(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        for sign in (1, -1):
            for number, place in self._stream(
                Purpose.CYCLIST, self.options.people, 48.0, sign * CYCLIST_MPS, time_s, s,
                radius_m, sign,
            ):  # fmt: skip
                offset = sign * self._lane * (LANE_M + 1.35)
                for kind, shape, size in (
                    (Kind.BICYCLE, 'bicycle', _BIKE_M), (Kind.RIDER, 'rider', _RIDER_M),
                ):  # fmt: skip
                    yield put(self.road, kind, shape, place, offset, size, number, sign)

    def _walkers(self, time_s: float, s: float, radius_m: float) -> Iterator[Thing]:
        for side in (1, -1):
            for way in (1, -1):
                for number, place in self._stream(
                    Purpose.WALKER, self.options.people, 22.0, way * 1.2, time_s, s, radius_m,
                    side, way,
                ):  # fmt: skip
                    chance = generator(self.seed, Purpose.WALKER, number, side, way, 1)
                    offset = side * (HALF_ROAD_M + 0.9 + 1.1 * chance.random())
                    height = 1.6 + 0.25 * chance.random()
                    size = (0.4, 0.375 * height, height)
                    variant = 2 * number + math.floor(2 * time_s + chance.random()) % 2
                    yield put(self.road, Kind.PERSON, 'walker', place, offset, size, variant)

    def _stream(
        self, purpose: Purpose, density: float, spacing_m: float, speed_mps: float,
        time_s: float, s: float, radius_m: float, *keys: int,
    ) -> Iterator[tuple[int, float]]:  # fmt: skip
        """Yield number and place of what goes along the road at one speed, irregularly spaced."""
        if density == 0:
            return
        spacing = spacing_m / density
        moved = speed_mps * time_s
        first, last = (math.floor((s - moved + end * radius_m) / spacing) for end in (-1, 1))
        for number in range(first, last + 1):
            jitter = generator(self.seed, purpose, number, *keys, 0).random()
            yield number, (number + 0.7 * jitter) * spacing + moved
