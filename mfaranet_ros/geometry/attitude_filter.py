# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fuses what an IMU, odometry and the image say about the tilt of the vehicle.

A Kalman filter of small angles. Its states: pitch and roll of the body about its rest position,
the offsets of two gyroscopes, the constant pitch of the mounting against its calibration, and what
accelerometers show at rest (their offsets and the slope of the road). Without an IMU the body's
pitch is forgotten within a fraction of a second, and what remains is a spread as wide as was
lately seen: nothing is made up.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.motion import ImuSample, OdometrySample
from mfaranet_ros.geometry.attitude import Attitude
from mfaranet_ros.geometry.imu_buffer import GRAVITY_MPS2, ImuBuffer, SpeedBuffer
from mfaranet_ros.geometry.road_edges import PitchSeen

Floats = NDArray[np.float64]

PITCH, ROLL, PITCH_RATE, ROLL_RATE, OFFSET, FELT_PITCH, FELT_ROLL = range(7)
STATES = 7

HISTORY_NS = 1_500_000_000
"""How late a measurement may come and still be used in its place."""

JUMP_NS = 5_000_000_000
"""A frame farther from the last one begins the filter again."""

OUTLIER = 5.0
"""Standard deviations beyond which a pitch that was seen is a surprise. One that an IMU did not
feel is ignored; a second one in a row is believed."""


@dataclass(frozen=True)
class Tuning:
    """How the body moves and how sensors err; angles in radians.

    pitch_std, roll_std: of the body about its rest position. body_s: how fast it moves without
    an IMU watching. settle_s: how long it stays on one side of its rest position. drift: of a
    tilt that only gyroscopes follow, per square root of s. offset_std, offset_drift: of the
    mounting. gyro_std: of gyroscope offsets, rad/s.
    """

    pitch_std: float = math.radians(1.0)
    roll_std: float = math.radians(0.3)
    body_s: float = 0.25
    settle_s: float = 1.0
    drift: float = math.radians(0.03)
    calm_s: float = 8.0
    calm_std: float = math.radians(0.05)
    offset_std: float = math.radians(0.3)
    offset_drift: float = math.radians(0.02)
    gyro_std: float = math.radians(1.0)
    gyro_drift: float = math.radians(0.001)
    felt_std: float = math.radians(2.0)
    felt_drift: float = math.radians(0.2)
    felt_pitch_noise: float = math.radians(1.5)
    felt_roll_noise: float = math.radians(0.5)
    blind_noise: float = math.radians(6.0)


@dataclass(frozen=True, eq=False)
class _State:
    """The filter at one time: mean (7,), covariance (7, 7), and how far pitch lately went.

    surprised: whether the last pitch that was seen was ignored.
    """

    stamp_ns: int
    mean: Floats
    covariance: Floats
    lively: float
    surprised: bool = False


class AttitudeFilter:
    """Answers the attitude at the stamp of a frame; may be fed from other threads."""

    def __init__(self, tuning: Tuning | None = None) -> None:
        self.tuning = tuning or Tuning()
        self._lock = threading.Lock()
        self.imu = ImuBuffer()
        self.odometry = SpeedBuffer()
        self._states: list[_State] = []
        self._seen: dict[int, PitchSeen] = {}
        self._late_ns: int | None = None
        self.imu_problem = 'no IMU samples'

    def add_imu(self, sample: ImuSample) -> None:
        """Take a sample in the axes of the base frame."""
        with self._lock:
            if (
                self.imu.add(sample)
                and self._states
                and (sample.stamp_ns <= self._states[-1].stamp_ns)
            ):
                late_ns = self._late_ns
                self._late_ns = (
                    sample.stamp_ns if late_ns is None else min(sample.stamp_ns, late_ns)
                )

    def add_odometry(self, sample: OdometrySample) -> None:
        """Take a sample of the base frame."""
        with self._lock:
            self.odometry.add(sample)

    def clear(self) -> None:
        """Forget everything, since the clock has jumped."""
        with self._lock:
            self.imu.clear()
            self.odometry.clear()
            self._begin()

    def at(self, stamp_ns: int, seen: PitchSeen | None) -> Attitude:
        """Return the attitude at the stamp of a frame; seen: what its image shows.

        Frames of several cameras may come in any order; measurements that came late are put in
        their place. The attitude contains the constant offset of the mounting.
        """
        with self._lock:
            self._go_back(stamp_ns)
            if seen is not None:
                self._seen[stamp_ns] = seen
            again = sorted(stamp for stamp in self._seen if stamp > self._states[-1].stamp_ns)
            used = ''
            for stamp in again:
                state, used = self._step(self._states[-1], stamp)
                self._states.append(state)
            state = next(s for s in reversed(self._states) if s.stamp_ns <= stamp_ns)
            if state.stamp_ns < stamp_ns:
                state, used = self._step(state, stamp_ns)
                if stamp_ns > self._states[-1].stamp_ns:
                    self._states.append(state)
            self._forget()
            return self._answer(state, used)

    def _begin(self) -> None:
        self._states.clear()
        self._seen.clear()
        self._late_ns = None

    def _go_back(self, stamp_ns: int) -> None:
        """Drop the states that a measurement with an earlier stamp changes."""
        if self._states and abs(stamp_ns - self._states[-1].stamp_ns) > JUMP_NS:
            self._begin()
        if not self._states:
            self._states.append(self._first(stamp_ns))
        since = min(stamp_ns, stamp_ns if self._late_ns is None else self._late_ns)
        self._late_ns = None
        while len(self._states) > 1 and self._states[-1].stamp_ns >= since:
            self._states.pop()
        if self._states[0].stamp_ns > stamp_ns:
            self._states.insert(0, replace(self._states[0], stamp_ns=stamp_ns))

    def _forget(self) -> None:
        oldest = self._states[-1].stamp_ns - HISTORY_NS
        while len(self._states) > 2 and self._states[1].stamp_ns < oldest:
            self._states.pop(0)
        first = self._states[0].stamp_ns
        self._seen = {stamp: seen for stamp, seen in self._seen.items() if stamp > first}

    def _first(self, stamp_ns: int) -> _State:
        tuning = self.tuning
        spread = np.array((
            tuning.pitch_std, tuning.roll_std, tuning.gyro_std, tuning.gyro_std,
            tuning.offset_std, tuning.felt_std, tuning.felt_std,
        ))  # fmt: skip
        return _State(stamp_ns - 1, np.zeros(STATES), np.diag(spread**2), tuning.pitch_std)

    def _step(self, state: _State, stamp_ns: int) -> tuple[_State, str]:
        """Return the state at a later time with all that was measured, and what that was."""
        used = []
        self.imu_problem = self.imu.problem(stamp_ns)
        span = self.imu.span(state.stamp_ns, stamp_ns)
        if self.imu_problem:
            span = replace(span, covered_s=0.0)
        dt_s = max((stamp_ns - state.stamp_ns) / 1e9, 0.0)
        covered_s = min(span.covered_s, dt_s)
        mean, covariance = self._predict(state, dt_s, covered_s, span.turned_rad)
        if covered_s > 0:
            used.append('imu')
            self._rest(mean, covariance, covered_s)
            speed = self.odometry.span(state.stamp_ns, stamp_ns)
            yaw_rate = span.turned_rad[2] / span.covered_s
            self._feel(mean, covariance, span.force_mps2, speed, float(yaw_rate))
            if speed is not None:
                used.append('odometry')
        tuning = self.tuning
        lively = max(state.lively * math.exp(-dt_s / tuning.calm_s), tuning.calm_std)
        seen, surprised = self._seen.get(stamp_ns), state.surprised
        if seen is not None:
            apart = abs(seen.pitch_rad - mean[OFFSET])
            row = _row(PITCH, OFFSET)
            expected = float(row @ covariance @ row) + seen.std_rad**2
            surprise = abs(seen.pitch_rad - float(row @ mean)) / math.sqrt(expected)
            surprised = surprise > OUTLIER and covered_s > 0 and not state.surprised
            if not surprised:
                used.append('vision')
                lively = max(lively, min(apart, 2 * tuning.pitch_std))
                if surprise > OUTLIER:  # the body moved more than was assumed
                    covariance[PITCH, PITCH] += apart**2
                _correct(mean, covariance, row, seen.pitch_rad, seen.std_rad)
        return _State(stamp_ns, mean, covariance, lively, surprised), '+'.join(used)

    def _predict(
        self, state: _State, dt_s: float, covered_s: float, turned: Floats
    ) -> tuple[Floats, Floats]:
        tuning, mean = self.tuning, state.mean.copy()
        blind_s = dt_s - covered_s
        kept = math.exp(-blind_s / tuning.body_s)
        move = np.eye(STATES)
        noise = np.zeros(STATES)
        forgotten = 1 - math.exp(-2 * blind_s / tuning.body_s)
        pitch_std = state.lively if covered_s <= 0 else tuning.pitch_std
        share = covered_s / dt_s if dt_s > 0 else 0.0
        for angle, rate, std, sign in (
            (PITCH, PITCH_RATE, min(state.lively, pitch_std), -1.0),
            (ROLL, ROLL_RATE, tuning.roll_std, 1.0),
        ):
            other = ROLL if angle == PITCH else PITCH
            axis = 1 if angle == PITCH else 0
            move[angle, angle] = kept
            move[angle, rate] = -covered_s
            move[angle, other] += sign * turned[2] * share
            noise[angle] = std**2 * forgotten + tuning.drift**2 * covered_s
            noise[rate] = tuning.gyro_drift**2 * dt_s
            mean_turn = turned[axis] * (1.0 if covered_s > 0 else 0.0)
            mean[angle] += 0.0 if covered_s <= 0 else mean_turn / kept
        noise[OFFSET] = tuning.offset_drift**2 * dt_s
        noise[[FELT_PITCH, FELT_ROLL]] = tuning.felt_drift**2 * dt_s
        return move @ mean, move @ state.covariance @ move.T + np.diag(noise)

    def _rest(self, mean: Floats, covariance: Floats, covered_s: float) -> None:
        """Use that springs pull the body back, so that its tilt is small in the long run."""
        tuning = self.tuning
        for angle, std in ((PITCH, tuning.pitch_std), (ROLL, tuning.roll_std)):
            spread = std * math.sqrt(2 * tuning.settle_s / covered_s)
            _correct(mean, covariance, _row(angle), 0.0, spread)

    def _feel(
        self,
        mean: Floats,
        covariance: Floats,
        force: Floats,
        speed: tuple[float, float] | None,
        yaw_rate: float,
    ) -> None:
        """Use what the accelerometers feel, less the acceleration that odometry knows of."""
        tuning = self.tuning
        ahead, aside = (0.0, 0.0) if speed is None else (speed[1], speed[0] * yaw_rate)
        for value, angle, felt, noise in (
            ((ahead - force[0]) / GRAVITY_MPS2, PITCH, FELT_PITCH, tuning.felt_pitch_noise),
            ((force[1] - aside) / GRAVITY_MPS2, ROLL, FELT_ROLL, tuning.felt_roll_noise),
        ):
            std = tuning.blind_noise if speed is None else noise
            _correct(mean, covariance, _row(angle, felt), float(value), std)

    def _answer(self, state: _State, used: str) -> Attitude:
        row = _row(PITCH, OFFSET)
        variance = float(row @ state.covariance @ row)
        return Attitude(
            float(state.mean[ROLL]),
            float(row @ state.mean),
            math.sqrt(max(float(state.covariance[ROLL, ROLL]), 0.0)),
            math.sqrt(max(variance, 0.0)),
            state.stamp_ns,
            used or 'none',
        )


def _row(*states: int) -> Floats:
    row = np.zeros(STATES)
    row[list(states)] = 1.0
    return row


def _correct(mean: Floats, covariance: Floats, row: Floats, value: float, std: float) -> None:
    """Correct mean and covariance in place by a measurement of a sum of states."""
    along = covariance @ row
    gain = along / (float(row @ along) + std**2)
    mean += gain * (value - float(row @ mean))
    covariance -= np.outer(gain, along)
