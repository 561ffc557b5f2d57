# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where and when people cross the road; parked and oncoming cars keep clear of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.road import HALF_ROAD_M

SPACING_M = 95.0
"""Distance along the road after which somebody crosses it, about."""

SPEED_MPS = 1.5
_BEFORE_M, _BEFORE_S = 78.0, 9.75
"""So far away, and so long before it comes, the ego car is when somebody begins to cross: they
have left its lane before the car ahead comes, and the road before it comes itself."""

KERBSIDE_M = HALF_ROAD_M + 0.6
"""From the middle of the road to where they wait."""

_CLEAR_M = 4.0
_CLEAR_S = 1.2


def crossings(
    seed: int, options: SceneOptions, low: float, high: float
) -> Iterator[tuple[int, float]]:
    """Yield number and place along the road of the crossings between two places."""
    if options.people == 0 or options.speed_mps < SPEED_MPS:
        return
    for number in range(math.floor(low / SPACING_M) - 1, math.floor(high / SPACING_M) + 1):
        place = (number + 0.6 * _share(seed, number)) * SPACING_M
        if low <= place <= high:
            yield number, place


@lru_cache(maxsize=1024)
def _share(seed: int, number: int) -> float:
    return generator(seed, Purpose.CROSSING, number).random()


def crossed(seed: int, options: SceneOptions, low: float, high: float) -> bool:
    """Return whether somebody crosses between two places of the road, or close to them."""
    return any(crossings(seed, options, low - _CLEAR_M, high + _CLEAR_M))


def walked(options: SceneOptions, place: float, time_s: float) -> float:
    """Return how far somebody has come from the kerb of the ego car's side at a time."""
    return min(max(SPEED_MPS * (time_s - _begins(options, place)), 0.0), 2 * KERBSIDE_M)


def _begins(options: SceneOptions, place: float) -> float:
    """Return the time at which somebody begins to cross."""
    return place / options.speed_mps - max(_BEFORE_M / options.speed_mps, _BEFORE_S)


def hinders(seed: int, options: SceneOptions, start: float, speed_mps: float) -> bool:
    """Return whether somebody would be in the way of an oncoming car.

    start: where it is at time 0; it comes against the ego car at a speed, in the other lane.
    """
    if options.speed_mps < SPEED_MPS:
        return False
    closing = 1 / speed_mps + 1 / options.speed_mps
    near = (start / speed_mps - _begins(options, 0.0)) / closing
    for _, place in crossings(seed, options, near - SPACING_M, near + SPACING_M):
        half = KERBSIDE_M / SPEED_MPS
        met = (start - place) / speed_mps - _begins(options, place)
        if half - _CLEAR_S < met < 2 * half + _CLEAR_S:
            return True
    return False
