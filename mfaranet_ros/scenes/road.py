"""The course of the road: where its middle is, and how far to its side a place lies.

The world frame: x along the general direction of the road, y to its left, z up, in metres; the
ground is z = 0. The middle of the road is y = f(x), a few long waves, as a polyline of short
pieces. A place has the coordinates s, the length of the middle up to it, and the offset, how far
it lies to the left of the middle: (y - f(x)) / sqrt(1 + f'(x)^2).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator

Floats = NDArray[np.float64]

STEP_M = 0.25
"""Length in x of one piece of the polyline: a kink is at most 0.006 rad."""

REACH_M = 500.0
"""So far the road goes on before the start and after the end of the drive."""

_WAVES = ((95.0, 130.0, 2.5), (170.0, 260.0, 8.0), (400.0, 700.0, 20.0))
"""Shortest and longest wavelength and amplitude at curvature 1, in metres."""

_GRAIN = 2.0**-30
"""Values from sin and cos, whose last bits differ between machines, are rounded to it."""


def rounded(value: Floats) -> Floats:
    """Return values without the bits in which mathematical libraries differ."""
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

    def coordinates(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return s and offset of places, both in metres; any shape."""
        knots = np.asarray(x, np.float64) * (1 / STEP_M) - self._first
        index = np.clip(knots.astype(np.int64), 0, len(self._arc) - 2)
        part = knots - index
        offset = (np.asarray(y) - _between(self._middle, index, part)) * _between(
            self._scale, index, part
        )
        return _between(self._arc, index, part), offset

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


def _between(table: Floats, index: NDArray[np.int64], part: Floats) -> Floats:
    """Return the values of a table between its knots."""
    low = table[index]
    return np.asarray(low + part * (table[index + 1] - low))
