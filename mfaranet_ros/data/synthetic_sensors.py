# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""IMU, odometry and TF of the synthetic scene as messages and as files."""

from __future__ import annotations

import csv
import heapq
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mfaranet_ros.core.files import write_file
from mfaranet_ros.pipeline import encode, messages
from mfaranet_ros.pipeline.messages import Quaternion, Vector3
from mfaranet_ros.scenes.motion import BodyState
from mfaranet_ros.scenes.road import LANE_M
from mfaranet_ros.scenes.sensors import (
    ACCELERATION_NOISE,
    GYRO_NOISE,
    SPEED_NOISE_MPS,
    YAW_RATE_NOISE_RADPS,
    Sensors,
)
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

IMU, ODOMETRY, TF = '/imu/data', '/odom', '/tf'
BODY, FOOTPRINT, WORLD = 'base_link', 'base_footprint', 'odom'
"""The frames of the vehicle (REP-120): the body, the road below it, and where it started."""

Stamped = tuple[str, Any, int]
"""A topic, a message as a value, and the time of both in nanoseconds."""


class SensorMessages:
    """The messages of a scene's sensors in the order of their stamps."""

    def __init__(self, scene: SyntheticScene) -> None:
        self._scene = scene
        self._sensors = Sensors(scene)
        self._next_ns = 0
        self._start_ns = 0

    def until(self, time_ns: int, start_ns: int) -> Iterator[Stamped]:
        """Yield what was measured after the last call up to a time from the scene's beginning.

        start_ns: the stamp of the scene's beginning. A time before that of the last call begins
        again.
        """
        self._start_ns = start_ns
        if time_ns + 1 < self._next_ns:
            self._next_ns = 0
        span = self._next_ns, time_ns + 1
        self._next_ns = time_ns + 1
        streams = self._imu(*span), self._odometry(*span)
        yield from heapq.merge(*streams, key=lambda item: item[2])

    def _imu(self, begin_ns: int, end_ns: int) -> Iterator[Stamped]:
        variances = GYRO_NOISE**2, ACCELERATION_NOISE**2
        hz = self._scene.options.imu_rate_hz / 2
        gyro, acceleration = (np.eye(3).ravel() * variance * hz for variance in variances)
        unknown = np.append(-1.0, np.zeros(8))
        for sample in self._sensors.imu(begin_ns, end_ns):
            stamp_ns = self._start_ns + sample.stamp_ns
            rates, forces = (
                Vector3(*values)
                for values in (sample.angular_velocity, sample.linear_acceleration)
            )
            header = encode.header(stamp_ns, BODY)
            yield (
                IMU,
                messages.Imu(header, Quaternion(), unknown, rates, gyro, forces, acceleration),
                stamp_ns,
            )

    def _odometry(self, begin_ns: int, end_ns: int) -> Iterator[Stamped]:
        pose_unknown = np.zeros(36)
        spread = np.zeros(36)
        spread[0], spread[35] = SPEED_NOISE_MPS**2, YAW_RATE_NOISE_RADPS**2
        for sample in self._sensors.odometry(begin_ns, end_ns):
            stamp_ns = self._start_ns + sample.stamp_ns
            world, footprint = (encode.header(stamp_ns, name) for name in (WORLD, FOOTPRINT))
            x, y, turn = self._place(sample.stamp_ns)
            twist = messages.Twist(
                Vector3(sample.speed_mps), Vector3(0.0, 0.0, sample.yaw_rate_radps)
            )
            yield (
                ODOMETRY,
                messages.Odometry(
                    world,
                    FOOTPRINT,
                    messages.PoseWithCovariance(
                        messages.Pose(messages.Point(x, y), turn), pose_unknown
                    ),
                    messages.TwistWithCovariance(twist, spread),
                ),
                stamp_ns,
            )
            tilt = _quaternion(self._scene.motion.at(sample.stamp_ns / 1e9))
            transforms = (
                _transform(world, FOOTPRINT, Vector3(x, y), turn),
                _transform(footprint, BODY, Vector3(), tilt),
            )
            yield TF, messages.TFMessage(transforms), stamp_ns

    def _place(self, time_ns: int) -> tuple[float, float, Quaternion]:
        s_m = self._scene.motion.at(time_ns / 1e9).s_m
        offset = self._scene.world.lane_sign * LANE_M
        x, y, cosine, sine = self._scene.world.road.pose(s_m, offset)
        half = math.atan2(sine, cosine) / 2
        return x, y, Quaternion(0.0, 0.0, math.sin(half), math.cos(half))


def _transform(
    header: messages.Header, child: str, move: Vector3, turn: Quaternion
) -> messages.TransformStamped:
    return messages.TransformStamped(header, child, messages.Transform(move, turn))


def _quaternion(body: BodyState) -> Quaternion:
    """Return the rotation base_footprint <- base_link: roll, then pitch."""
    (sr, cr), (sp, cp) = (
        (math.sin(angle / 2), math.cos(angle / 2)) for angle in (body.roll_rad, body.pitch_rad)
    )
    return Quaternion(sr * cp, cr * sp, -sr * sp, cr * cp)


IMU_COLUMNS = ('stamp_ns', 'wx_radps', 'wy_radps', 'wz_radps', 'ax_mps2', 'ay_mps2', 'az_mps2')
ODOMETRY_COLUMNS = ('stamp_ns', 'speed_mps', 'yaw_rate_radps')


def write_sensor_files(folder: Path, scene: SyntheticScene) -> None:
    """Write imu.csv and odometry.csv of a whole scene; raises OutputError."""
    sensors, end_ns = Sensors(scene), round(scene.options.duration_s * 1e9)
    imu = (
        (sample.stamp_ns, *sample.angular_velocity, *sample.linear_acceleration)
        for sample in sensors.imu(0, end_ns)
    )
    odometry = (
        (sample.stamp_ns, sample.speed_mps, sample.yaw_rate_radps)
        for sample in sensors.odometry(0, end_ns)
    )
    for name, columns, rows in (
        ('imu.csv', IMU_COLUMNS, imu),
        ('odometry.csv', ODOMETRY_COLUMNS, odometry),
    ):
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(columns)
        writer.writerows(rows)
        write_file(folder / name, text.getvalue(), advice='give another DIR')
