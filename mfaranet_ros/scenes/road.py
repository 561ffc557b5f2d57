# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The course of the road: where its middle is, and how far to its side a place lies.

The world frame: x along the general direction of the road, y to its left, z up, in metres; the
ground is z = 0. The middle of the road is y = f(x), a few long waves, as a polyline of short
pieces. A place has the coordinates s, the length of the middle up to its x, and the offset, how
far it lies to the left of the middle: (y - f(x)) / sqrt(1 + f'(x)^2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.things import Pose

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]

STEP_M = 0.25
"""Length in x of one piece of the polyline: a kink is at most 0.006 rad."""

REACH_M = 500.0
"""Length of the road before the start and after the end of the scene."""

HALF_ROAD_M = 5.3
"""From the middle of the road to its kerbs: a lane, and room to park."""

LANE_M = 1.65
"""From the middle of the road to the middle of a lane."""

PAVEMENT_M = 2.4
"""Width of a pavement; behind it is grass, except under houses."""

Reals = NDArray[np.float32] | NDArray[np.float64]

DASH_M, PERIOD_M, LINE_M = 2.4, 6.4, 0.12
"""Length, period and width of the dashes in the middle of the road."""


FAR_M = 400.0
"""Distance along a ray beyond which the kind of ground no longer changes."""

_NEAR_KNOTS = 2400
"""Number of pieces before and after a pose that make up its neighbourhood."""

_WAVES = ((95.0, 130.0, 2.5), (170.0, 260.0, 8.0), (400.0, 700.0, 20.0))
"""Shortest and longest wavelength and amplitude at curvature 1, in metres."""

_GRAIN = 2.0**-30
"""Values from sin and cos, whose last bits differ between machines, are rounded to it."""


def rounded(value: Floats) -> Floats:
    """Return values (any shape) without the digits in which mathematical libraries differ."""
    return np.asarray(np.rint(value / _GRAIN) * _GRAIN)


class Road:
    """One road, for places x from -REACH_M to length_m + REACH_M; beyond, it goes straight on."""

    def __init__(self, seed: int, curvature: float, length_m: float) -> None:
        chance = generator(seed, Purpose.ROAD)
        self._first = -math.ceil(REACH_M / STEP_M)
        count = math.ceil((length_m + 2 * REACH_M) / STEP_M) + 1
        x = (np.arange(count) + self._first) * STEP_M
        middle = np.zeros(count)
        for shortest, longest, amplitude in _WAVES:
            wavelength = shortest + (longest - shortest) * chance.random()
            phase = 2 * math.pi * chance.random()
            wave = np.sin(x * (2 * math.pi / wavelength) + phase)
            middle += amplitude * curvature * (wavelength / longest) ** 2 * wave
        middle = rounded(middle)
        self._middle = middle - middle[-self._first]
        slope = rounded(np.gradient(self._middle, STEP_M))
        self._scale = 1 / np.sqrt(1 + slope**2)
        rise = np.diff(self._middle)
        length = np.cumsum(np.sqrt(STEP_M**2 + rise**2))
        self._arc = np.concatenate(([0.0], length)) - length[-self._first - 1]
        self._slope = slope

    def kinds(self, x: Floats, y: Floats) -> NDArray[np.uint8]:
        """Return the kind of ground at places of the world, in metres; any shape."""
        return kinds_at(*self.coordinates(x, y))

    def coordinates(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return s and offset of places, both in metres; any shape."""
        knots = np.asarray(x, np.float64) * (1 / STEP_M) - self._first
        index = np.clip(knots.astype(np.int64), 0, len(self._arc) - 2)
        part = knots - index
        offset = (np.asarray(y) - _between(self._middle, index, part)) * _between(
            self._scale, index, part
        )
        return _between(self._arc, index, part), offset

    def near(self, pose: Pose, span_m: float) -> Near:
        """Return the road around a pose, in single precision; s restarts every span_m."""
        knot = pose.x_m / STEP_M - self._first
        first = math.floor(knot) - _NEAR_KNOTS
        index = np.clip(np.arange(first, first + 2 * _NEAR_KNOTS), 0, len(self._arc) - 1)
        start = math.floor(float(self._arc[index[0]]) / span_m) * span_m
        return Near(
            pose.cosine,
            pose.sine,
            knot - first,
            (self._middle[index] - pose.y_m).astype(np.float32),
            self._scale[index].astype(np.float32),
            (self._arc[index] - start).astype(np.float32),
        )

    def pose(self, s: float, offset: float) -> tuple[float, float, float, float]:
        """Return x, y and the direction (cosine, sine) of the road at a place of the road."""
        index = int(np.searchsorted(self._arc, s, side='right')) - 1
        index = min(max(index, 0), len(self._arc) - 2)
        arc = self._arc[index : index + 2].tolist()
        part = (s - arc[0]) / (arc[1] - arc[0])
        low, high = self._slope[index : index + 2].tolist()
        slope = low + part * (high - low)
        cosine = 1 / math.sqrt(1 + slope * slope)
        sine = slope * cosine
        low, high = self._middle[index : index + 2].tolist()
        x = (self._first + index + part) * STEP_M
        return x - offset * sine, low + part * (high - low) + offset * cosine, cosine, sine


@dataclass(frozen=True, eq=False)
class Near:
    """The road around one pose, for the many places that one frame shows.

    cosine, sine: of the pose. knot: its index in the tables. middle, scale, arc: float32 (K,),
    f(x), 1 / sqrt(1 + f'(x)^2) and s at each knot.
    """

    cosine: float
    sine: float
    knot: float
    middle: Singles
    scale: Singles
    arc: Singles

    def coordinates(self, x: Singles, y: Singles) -> tuple[Singles, Singles]:
        """Return s and offset of places of base_link, any shape; see `Road.coordinates`."""
        cosine, sine = np.float32(self.cosine), np.float32(self.sine)
        knots = x * (cosine / np.float32(STEP_M)) - y * (sine / np.float32(STEP_M))
        knots += np.float32(self.knot)
        index = np.clip(knots.astype(np.int32), 0, len(self.arc) - 2)
        knots -= index
        away = x * sine + y * cosine
        away -= _between(self.middle, index, knots)
        away *= _between(self.scale, index, knots)
        return _between(self.arc, index, knots), away


def _between(table: Any, index: Any, part: Any) -> Any:
    """Return the values of a table between its knots."""
    low = table[index]
    return low + part * (table[index + 1] - low)


def kinds_at(s: Reals, offset: Reals) -> NDArray[np.uint8]:
    """Return the kind of ground, uint8, at coordinates along and across the road, any shape."""
    away = np.abs(offset)
    kinds = np.full(away.shape, Kind.GRASS, np.uint8)
    kinds[away <= HALF_ROAD_M + PAVEMENT_M] = Kind.PAVEMENT
    kinds[away <= HALF_ROAD_M] = Kind.ROAD
    dash = (away <= LINE_M / 2) & (s - np.floor(s / PERIOD_M) * PERIOD_M < DASH_M)
    kinds[dash] = Kind.MARKING
    return kinds
