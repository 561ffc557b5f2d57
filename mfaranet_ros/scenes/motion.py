# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How the ego car drives and how its body moves on the suspension, as functions of time.

Pitch and roll follow a spring and a damper each: braking and accelerating pitch the body by
inertia, bumps and sway tilt the ground under the wheels. Only rotation is modelled: the body turns
about the origin of base_footprint, and the camera with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.road import rounded

STEP_S = 0.005
"""Step of the simulation; in between, values are interpolated."""

NATURAL_HZ, DAMPING = 1.4, 0.3
"""Natural frequency and damping ratio of pitch and roll of a passenger car."""

NOD_RAD_PER_MPS2 = math.radians(0.5)
"""Static pitch per deceleration: 5 degrees per g."""

_OVERSHOOT = 1.37
"""Largest pitch in a step of braking, relative to the static one, at this damping ratio."""

WHEELBASE_M, TRACK_M = 2.7, 1.55

BLOCK_S = 6.0
"""In each block the car brakes once and accelerates once, in the next one the other way round."""

_HOLD_S, _RAMP_S, _PAUSE_S = 1.0, 0.2, 0.5
_SLOWEST = 0.15
"""Least speed while braking, relative to the mean."""

BUMP_PERIOD_S, BUMP_M = 1.7, 0.8
"""Mean time between bumps, and their length along the road."""

_SWAYS_S = (2.3, 3.7)
"""Periods of the sway."""


@dataclass(frozen=True)
class BodyState:
    """The ego car at one moment.

    s_m: place along the road. speed_mps, acceleration_mps2: along the road. roll_rad, pitch_rad:
    of the body against the road (REP-103: positive pitch is nose down); their rates in rad/s.
    """

    s_m: float
    speed_mps: float
    acceleration_mps2: float = 0.0
    roll_rad: float = 0.0
    pitch_rad: float = 0.0
    roll_rate_radps: float = 0.0
    pitch_rate_radps: float = 0.0


class Motion:
    """The motion of the ego car in a scene with these options; the same for the same seed."""

    def __init__(self, seed: int, options: SceneOptions) -> None:
        self._seed = seed
        self._options = options
        self.is_still = not (options.nod_deg or options.bump_m or options.sway_deg)
        """Whether the body never moves against the road, and the speed is constant."""

    def at(self, time_s: float) -> BodyState:
        """Return the state at a time from the start of the scene."""
        if self.is_still:
            return BodyState(self._options.speed_mps * time_s, self._options.speed_mps)
        place = min(max(time_s / STEP_S, 0.0), len(self._states) - 1.001)
        index = int(place)
        low, high = self._states[index], self._states[index + 1]
        return BodyState(*(low + (place - index) * (high - low)).tolist())

    def mount_shift_rad(self, time_s: float) -> float:
        """Return by how much the camera has pitched on its mount at a time."""
        shifted = time_s >= self._options.mount_shift_s
        return math.radians(self._options.mount_shift_deg) if shifted else 0.0

    @cached_property
    def _states(self) -> NDArray[np.float64]:
        """The state at each step: float64 (N, 7), in the order of BodyState."""
        count = math.ceil(self._options.duration_s / STEP_S) + 200
        accelerations = self._accelerations(count)
        speed = self._options.speed_mps + np.cumsum(accelerations) * STEP_S
        s = np.cumsum(speed) * STEP_S - speed[0] * STEP_S
        pitch_tilt, roll_tilt = self._tilts(count)
        pitch, pitch_rate = _suspended(pitch_tilt - NOD_RAD_PER_MPS2 * accelerations)
        roll, roll_rate = _suspended(roll_tilt)
        return np.column_stack((s, speed, accelerations, roll, pitch, roll_rate, pitch_rate))

    def _accelerations(self, count: int) -> NDArray[np.float64]:
        """Return the acceleration at each step; over two blocks speed and place come back."""
        time: NDArray[Any] = np.arange(count) * STEP_S
        result = np.zeros(count)
        if not self._options.nod_deg:
            return result
        strongest = math.radians(self._options.nod_deg) / (NOD_RAD_PER_MPS2 * _OVERSHOOT)
        slowest = (1 - _SLOWEST) * self._options.speed_mps / (_HOLD_S + _RAMP_S)
        strongest = min(strongest, slowest)
        for block in range(math.ceil(count * STEP_S / BLOCK_S)):
            chance = generator(self._seed, Purpose.MOTION, 0, block // 2)
            strength = strongest * (0.4 + 0.6 * chance.random()) * (1 if block % 2 else -1)
            start = block * BLOCK_S + 0.5 + chance.random()
            second = start + _HOLD_S + 2 * _RAMP_S + _PAUSE_S
            result += strength * (_pulse(time - start) - _pulse(time - second))
        return result

    def _tilts(self, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pitch and roll of the ground under the wheels at each step, in radians."""
        time = np.arange(count) * STEP_S
        pitch, roll = np.zeros(count), np.zeros(count)
        speed = max(self._options.speed_mps, 0.5)
        bumps = math.ceil(count * STEP_S / BUMP_PERIOD_S) if self._options.bump_m else 0
        for number in range(bumps):
            chance = generator(self._seed, Purpose.MOTION, 1, number)
            begin = (number + chance.random()) * BUMP_PERIOD_S
            height = self._options.bump_m * (0.3 + 0.7 * chance.random())
            left, right = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0))[int(chance.integers(0, 3))]
            front, rear = (
                height * _hump((time - begin) * speed - back) for back in (0.0, WHEELBASE_M)
            )
            pitch += (rear - front) * (left + right) / (2 * WHEELBASE_M)
            roll += (rear + front) * (left - right) / (2 * TRACK_M)
        if self._options.sway_deg:
            chance = generator(self._seed, Purpose.MOTION, 2)
            for period in _SWAYS_S:
                wave = np.sin(2 * math.pi * (time / period + chance.random()))
                roll += math.radians(self._options.sway_deg) / len(_SWAYS_S) * rounded(wave)
        return pitch, roll


def _pulse(time: NDArray[Any]) -> NDArray[np.float64]:
    """Return 1 for a while from time 0 on, with ramps."""
    whole = _HOLD_S + 2 * _RAMP_S
    pulse: NDArray[np.float64] = np.clip(np.minimum(time, whole - time) / _RAMP_S, 0, 1)
    return pulse


def _hump(place: NDArray[Any]) -> NDArray[np.float64]:
    """Return the height of a bump of height 1 and length BUMP_M along the road."""
    share = np.clip(place / BUMP_M, 0, 1)
    return np.asarray(16 * (share * (1 - share)) ** 2)


def _suspended(tilt: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return angle and rate of a body whose rest position is the tilt."""
    stiffness, damping = (2 * math.pi * NATURAL_HZ) ** 2, 4 * math.pi * NATURAL_HZ * DAMPING
    angle = rate = 0.0
    result = np.zeros((len(tilt), 2))
    for index, rest in enumerate(tilt.tolist()):
        rate += STEP_S * (stiffness * (rest - angle) - damping * rate)
        angle += STEP_S * rate
        result[index] = angle, rate
    return result[:, 0], result[:, 1]
