# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The moving ego car: what its camera sees, what its sensors measure, and where it is."""

import math

import numpy as np
import pytest

from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.settings import replace
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.motion import Motion
from mfaranet_ros.scenes.options import SceneOptions, preset
from mfaranet_ros.scenes.sensors import GRAVITY_MPS2, GYRO_OFFSET_RADPS, Sensors
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

MOVING = ('nod', 'bumps', 'sway')
SMALL = SceneCamera(160, 120, fx=157.0)


def states(name, seed=0):
    motion = Motion(seed, preset(name))
    return [motion.at(time / 100) for time in range(2000)]


@pytest.mark.parametrize(
    ('name', 'pitch', 'roll'), [('nod', (1.2, 2.05), (0, 0)), ('bumps', (0.2, 1.5), (0.2, 1.5)),
                                ('sway', (0, 0), (0.7, 2.0))],
)  # fmt: skip
def test_a_preset_moves_as_far_as_it_says(name, pitch, roll):
    most = np.abs([(state.pitch_rad, state.roll_rad) for state in states(name)]).max(axis=0)
    assert pitch[0] <= math.degrees(most[0]) <= pitch[1]
    assert roll[0] <= math.degrees(most[1]) <= roll[1]


@pytest.mark.parametrize('name', MOVING)
def test_rates_are_the_derivatives(name):
    before = states(name)
    roll, pitch, s = (
        np.gradient([getattr(state, key) for state in before], 0.01)
        for key in ('roll_rad', 'pitch_rad', 's_m')
    )
    for index in range(1, 1999):
        assert before[index].roll_rate_radps == pytest.approx(roll[index], abs=0.03)
        assert before[index].pitch_rate_radps == pytest.approx(pitch[index], abs=0.03)
        assert before[index].speed_mps == pytest.approx(s[index], abs=0.05)


def test_braking_pitches_the_nose_down_and_the_car_keeps_its_schedule():
    nod = states('nod')
    braking = [state for state in nod if state.acceleration_mps2 < -1]
    assert np.mean([state.pitch_rad for state in braking]) > math.radians(0.3)
    assert min(state.speed_mps for state in nod) > 1
    assert max(abs(state.s_m - 8.0 * time / 100) for time, state in enumerate(nod)) < 8


def test_a_still_scene_is_still():
    motion = Motion(0, SceneOptions())
    assert motion.is_still
    scene = SyntheticScene(0, camera=SMALL)
    assert scene.camera_at(50) is scene.camera


@pytest.mark.parametrize('name', ['sway', 'mount_shift'])
def test_a_tilted_camera_sees_the_ground_where_the_truth_has_it(name):
    scene = SyntheticScene(3, replace(preset(name), {'traffic': 0.0, 'people': 0.0}), SMALL)
    still = SyntheticScene(3, camera=SMALL)
    index = max(range(20, 120), key=lambda i: abs(scene.camera_at(i).pitch)
                + abs(scene.camera_at(i).roll))  # fmt: skip
    ground_truth = MetricGroundTruthFinder(scene).at(index)
    camera = scene.camera_at(index)
    pose = MountingPose.from_xyz_rpy(
        camera.x, camera.y, camera.z, camera.roll, camera.pitch, camera.yaw
    )
    model = CameraModel(160, 120, 157.0, 157.0, 79.5, 59.5)
    x, y = np.meshgrid(np.arange(0.05, 40, 0.1), np.arange(-9.95, 10, 0.1))
    free = ground_truth.grid.cells == 0
    points = np.column_stack((x[free], y[free], np.zeros(free.sum())))
    pixels, valid = model.project(pose.to_camera(points))
    column, row = np.floor(pixels + 0.5).astype(int).T
    labels = scene.labels(index)
    assert (labels == scene.frame(index).labels).all()
    seen = labels[np.clip(row, 0, 119), np.clip(column, 0, 159)]
    assert valid.all()
    assert (seen == 0).mean() > 0.97
    assert (labels != UNLABELED).all()
    assert scene.camera_at(index) != still.camera_at(index)


@pytest.mark.parametrize('name', MOVING)
def test_the_gyroscope_integrates_to_the_tilt(name):
    scene = SyntheticScene(0, replace(preset(name), {'curvature': 0.0}), SMALL)
    samples = list(Sensors(scene).imu(0, 10**10))
    assert len(samples) == 1000
    rates = np.array([sample.angular_velocity for sample in samples])
    states = [scene.motion.at(sample.stamp_ns / 1e9) for sample in samples]
    true = np.array([(s.roll_rate_radps, s.pitch_rate_radps) for s in states])
    error = rates[:, :2] - true
    assert np.abs(error.mean(axis=0)).max() <= GYRO_OFFSET_RADPS
    assert error.std(axis=0) == pytest.approx(math.radians(0.014) * math.sqrt(50), rel=0.1)


def test_the_accelerometer_feels_gravity_and_braking():
    scene = SyntheticScene(0, preset('nod'), SMALL)
    samples = list(Sensors(scene).imu(0, 2 * 10**10))
    felt = np.array([sample.linear_acceleration for sample in samples])
    true = np.array([scene.motion.at(s.stamp_ns / 1e9).acceleration_mps2 for s in samples])
    assert felt[:, 2].mean() == pytest.approx(GRAVITY_MPS2, abs=0.3)
    assert np.corrcoef(felt[:, 0], true)[0, 1] > 0.95


def test_samples_do_not_depend_on_what_was_asked_before():
    sensors = Sensors(SyntheticScene(4, preset('nod'), SMALL))
    whole = list(sensors.imu(0, 10**9)), list(sensors.odometry(0, 10**9))
    parts = list(sensors.imu(0, 123_456_789)), list(sensors.odometry(0, 123_456_789))
    rest = list(sensors.imu(123_456_789, 10**9)), list(sensors.odometry(123_456_789, 10**9))
    assert [a + b for a, b in zip(parts, rest, strict=True)] == [list(w) for w in whole]
    assert len(whole[1]) == 50
