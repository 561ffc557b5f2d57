# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground under a frame at the tilt of its moment, and how far it is known.

The live node and the evaluation of bags feed and ask the same object.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.geometry.attitude import Attitude, RangeLimit
from mfaranet_ros.geometry.attitude_filter import AttitudeFilter, Tuning
from mfaranet_ros.geometry.ground_source import Ground
from mfaranet_ros.geometry.road_edges import see_pitch

Bytes = NDArray[np.uint8]

LEVEL_RAD = math.radians(0.05)
"""A tilt below it is not followed: resampling would cost more than it gains."""

SETTLED_NS = 45_000_000_000
"""Time over which the pitch is averaged for a constant offset of the mounting."""

OFFSET_RAD = math.radians(0.3)
"""Least offset that is reported."""

_CERTAIN_RAD = math.radians(0.2)
_LEAST_SHARE = 0.3


class AttitudeLookup(Protocol):
    """What a FrameProcessor needs: the ground at the tilt of a frame."""

    def level(
        self, ground: Ground, frame: Frame, labels: Bytes, roles: Bytes, config: GroundConfig
    ) -> Ground:
        """Return the ground as it is under the frame; labels: of its image."""
        ...


class AttitudeSource:
    """Estimates the tilt from IMU, odometry and the road's edges, for `ground.attitude`.

    `none` changes nothing; `warn` estimates and reports; `correct` also moves the ground and
    leaves unseen what the tilt's certainty does not support.
    """

    def __init__(self) -> None:
        self.filter = AttitudeFilter()
        self._pitches: deque[tuple[int, float]] = deque()
        self._begun_ns: int | None = None

    def configure(self, config: GroundConfig) -> None:
        """Take the settings of the filter; it begins again if they changed."""
        tuning = Tuning(
            pitch_std=math.radians(config.pitch_std_deg),
            roll_std=math.radians(config.roll_std_deg),
        )
        if tuning != self.filter.tuning:
            self.filter = AttitudeFilter(tuning)

    def clear(self) -> None:
        """Forget everything, since the clock has jumped."""
        self.filter.clear()
        self._pitches.clear()
        self._begun_ns = None

    def level(
        self, ground: Ground, frame: Frame, labels: Bytes, roles: Bytes, config: GroundConfig
    ) -> Ground:
        """Return the ground at the tilt of this frame, with how far it is known and why."""
        projection = ground.projection
        if config.attitude == 'none' or projection is None:
            return ground
        pose = projection.image_pose
        roll_rad = self.filter.at(frame.stamp_ns, None).roll_rad
        seen = see_pitch(labels, roles, projection.camera, pose.tilted(roll_rad, 0.0))
        attitude = self.filter.at(frame.stamp_ns, seen)
        limit = RangeLimit(attitude, pose.position_m[2], config.max_error)
        if config.attitude == 'correct':
            if math.hypot(attitude.roll_rad, attitude.pitch_rad) > LEVEL_RAD:
                tilted = pose.tilted(attitude.roll_rad, attitude.pitch_rad)
                projection = projection.seen_from(tilted)
            projection = projection.limited(limit)
        return replace(
            ground,
            projection=projection,
            attitude=attitude,
            metric_range_m=limit.ahead_m,
            range_reason=self._reason(attitude),
            mount_problem=self._offset(attitude),
        )

    def _reason(self, attitude: Attitude) -> str:
        spread = 2 * math.degrees(attitude.pitch_std_rad)
        text = f'pitch known to +-{spread:.2f} deg from {attitude.source}'
        if 'vision' not in attitude.source:
            text += '; no road edges in sight'
        problem = self.filter.imu_problem
        return f'{text}; {problem}' if problem else text

    def _offset(self, attitude: Attitude) -> str:
        """Return the warning of a constant offset of the mounting, empty where there is none."""
        stamp_ns, pitches = attitude.stamp_ns, self._pitches
        if self._begun_ns is None or stamp_ns < self._begun_ns:
            self._begun_ns = stamp_ns
            pitches.clear()
        pitches.append(
            (stamp_ns, attitude.pitch_rad if attitude.pitch_std_rad < _CERTAIN_RAD else math.nan)
        )
        while stamp_ns - pitches[0][0] > SETTLED_NS:
            pitches.popleft()
        if stamp_ns - self._begun_ns < SETTLED_NS:
            return ''
        values = np.array([pitch for _, pitch in pitches])
        known = values[~np.isnan(values)]
        if len(known) < _LEAST_SHARE * len(values):
            return ''
        mean = float(known.mean())
        if abs(mean) < OFFSET_RAD:
            return ''
        return (
            f'the camera is pitched {math.degrees(mean):+.2f} deg against its calibration '
            f'(mean of {SETTLED_NS / 1e9:g} s, positive is down): correct its mounting pose'
        )
