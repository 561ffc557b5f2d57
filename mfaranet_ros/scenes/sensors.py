# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What an IMU and the wheels of the ego car measure.

The IMU is a Bosch BMI088 (data sheet BST-BMI088-DS001, revision 1.4) in the origin of base_link.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property

import numpy as np

from mfaranet_ros.core.motion import ImuSample, OdometrySample
from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.motion import BodyState
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

GRAVITY_MPS2 = 9.80665

GYRO_NOISE = math.radians(0.014)
"""rad/s per square root of Hz."""

GYRO_OFFSET_RADPS = math.radians(1.0)
"""Largest zero-rate offset; that of a scene is drawn between it and its negative."""

ACCELERATION_NOISE = 175e-6 * GRAVITY_MPS2
"""m/s^2 per square root of Hz."""

ACCELERATION_OFFSET_MPS2 = 0.020 * GRAVITY_MPS2
"""Largest zero-g offset."""

ODOMETRY_HZ = 50.0
SPEED_NOISE_MPS = 0.02
YAW_RATE_NOISE_RADPS = math.radians(0.1)

_AHEAD_S = 0.01


class Sensors:
    """IMU and odometry of a scene; samples do not depend on which were asked for before."""

    def __init__(self, scene: SyntheticScene) -> None:
        self._scene = scene
        self._seed = scene.world.seed
        self._imu_hz = scene.options.imu_rate_hz

    def imu(self, begin_ns: int, end_ns: int) -> Iterator[ImuSample]:
        """Yield the samples with stamps from begin_ns up to, but not with, end_ns."""
        for number, stamp_ns in _ticks(self._imu_hz, begin_ns, end_ns):
            body, yaw_rate = self._state(stamp_ns)
            noise = _bells(self._seed, 0, number, 6) * math.sqrt(self._imu_hz / 2)
            rates = _body_rates(body, yaw_rate) + self._offsets[:3] + GYRO_NOISE * noise[:3]
            forces = _specific_force(body, yaw_rate) + self._offsets[3:]
            forces = forces + ACCELERATION_NOISE * noise[3:]
            yield ImuSample(stamp_ns, _vector(rates), _vector(forces))

    def odometry(self, begin_ns: int, end_ns: int) -> Iterator[OdometrySample]:
        """Yield the samples with stamps from begin_ns up to, but not with, end_ns."""
        for number, stamp_ns in _ticks(ODOMETRY_HZ, begin_ns, end_ns):
            body, yaw_rate = self._state(stamp_ns)
            noise = _bells(self._seed, 1, number, 2)
            yield OdometrySample(
                stamp_ns,
                body.speed_mps + SPEED_NOISE_MPS * float(noise[0]),
                yaw_rate + YAW_RATE_NOISE_RADPS * float(noise[1]),
            )

    def _state(self, stamp_ns: int) -> tuple[BodyState, float]:
        """Return body and yaw rate at a time."""
        time_s = stamp_ns / 1e9
        body = self._scene.motion.at(time_s)
        before, after = (self._heading(body.s_m + side * _AHEAD_S) for side in (-1, 1))
        return body, (after - before) / (2 * _AHEAD_S) * body.speed_mps

    def _heading(self, s_m: float) -> float:
        _, _, cosine, sine = self._scene.world.road.pose(s_m, 0.0)
        return math.atan2(sine, cosine)

    @cached_property
    def _offsets(self) -> np.ndarray:
        """Constant offsets of the six axes, gyroscope first."""
        chance = generator(self._seed, Purpose.SENSOR, 2)
        drawn = 2 * chance.random(6) - 1
        return np.asarray(drawn * np.repeat((GYRO_OFFSET_RADPS, ACCELERATION_OFFSET_MPS2), 3))


def _ticks(rate_hz: float, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Yield number and time of the samples within a span."""
    number = max(0, math.ceil(begin_ns * rate_hz / 1e9 - 1e-6))
    while (stamp_ns := round(number * 1e9 / rate_hz)) < end_ns:
        if stamp_ns >= begin_ns:
            yield number, stamp_ns
        number += 1


def _body_rates(body: BodyState, yaw_rate: float) -> np.ndarray:
    """Return the angular velocity in the axes of the body, from the rates of its Euler angles."""
    roll, pitch = body.roll_rad, body.pitch_rad
    sr, cr, sp, cp = math.sin(roll), math.cos(roll), math.sin(pitch), math.cos(pitch)
    return np.array((
        body.roll_rate_radps - yaw_rate * sp,
        body.pitch_rate_radps * cr + yaw_rate * sr * cp,
        yaw_rate * cr * cp - body.pitch_rate_radps * sr,
    ))  # fmt: skip


def _specific_force(body: BodyState, yaw_rate: float) -> np.ndarray:
    """Return acceleration and gravity's reaction in the axes of the body, in m/s^2."""
    roll, pitch = body.roll_rad, body.pitch_rad
    sr, cr, sp, cp = math.sin(roll), math.cos(roll), math.sin(pitch), math.cos(pitch)
    force = np.array((body.acceleration_mps2, body.speed_mps * yaw_rate, GRAVITY_MPS2))
    to_base = np.array(((cp, sp * sr, sp * cr), (0, cr, -sr), (-sp, cp * sr, cp * cr)))
    return np.asarray(force @ to_base)


def _bells(seed: int, stream: int, number: int, count: int) -> np.ndarray:
    """Return nearly normal values of mean 0 and deviation 1, the sums of four uniform ones."""
    chance = generator(seed, Purpose.SENSOR, stream, number)
    return np.asarray((chance.random((count, 4)).sum(axis=1) - 2.0) * math.sqrt(3.0))


def _vector(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z
