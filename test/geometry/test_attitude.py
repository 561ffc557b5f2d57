# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The tilt of the vehicle from its sensors and its image, and what bad sensors do to it."""

import math

import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import camera_model, mounting_pose, project_ground
from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.labels import CITYSCAPES
from mfaranet_ros.core.motion import ImuSample, OdometrySample
from mfaranet_ros.core.settings import replace
from mfaranet_ros.geometry.attitude_filter import AttitudeFilter
from mfaranet_ros.geometry.attitude_source import AttitudeSource
from mfaranet_ros.geometry.ground_source import Ground
from mfaranet_ros.geometry.imu_buffer import ImuBuffer, SpeedBuffer
from mfaranet_ros.geometry.road_edges import PitchSeen, see_pitch
from mfaranet_ros.scenes.options import preset, resized
from mfaranet_ros.scenes.sensors import Sensors
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

ROLES = CITYSCAPES.roles
SECOND = 10**9
STD = math.radians(0.05)


@pytest.fixture(scope='module')
def nod():
    return SyntheticScene(0, preset('nod'), resized(360, 480))


def drive(scene, frames=100, *, imu=True, vision=True, change=lambda sample: sample, order=None):
    """Return the errors of pitch in degrees, and the attitudes, of a drive of 10 Hz."""
    filter_, sensors, before = AttitudeFilter(), Sensors(scene), 0
    errors, found = [], []
    for index in range(frames):
        stamp_ns = scene.stamp_ns(index)
        samples = [change(s) for s in sensors.imu(before, stamp_ns + 1)] if imu else []
        for sample in order(samples) if order else samples:
            if sample is not None:
                filter_.add_imu(sample)
        for sample in sensors.odometry(before, stamp_ns + 1) if imu else ():
            filter_.add_odometry(sample)
        before = stamp_ns + 1
        true = scene.body(index).pitch_rad
        # the image shows the pitch in two of three frames
        seen = PitchSeen(true, STD) if vision and index % 3 else None
        found.append(filter_.at(stamp_ns, seen))
        errors.append(math.degrees(found[-1].pitch_rad - true))
    return np.abs(errors), found, filter_


@pytest.mark.parametrize('index', [0, 40, 120])
def test_parallel_edges_show_the_pitch(nod, index):
    camera, pose = camera_model(nod.camera), mounting_pose(nod.camera)
    seen = see_pitch(nod.labels(index), ROLES, camera, pose)
    error = seen.pitch_rad - nod.body(index).pitch_rad
    assert abs(error) < math.radians(0.12)
    assert abs(error) < 3 * seen.std_rad


@pytest.mark.parametrize('seed', [1, 3])
def test_edges_of_a_bend_are_parallel_along_its_normal(seed):
    """Parallel along y instead, they would look 0.1 degrees wrong on these roads."""
    scene = SyntheticScene(seed, None, resized(360, 480))
    camera, pose = camera_model(scene.camera), mounting_pose(scene.camera)
    seen = [see_pitch(scene.labels(index), ROLES, camera, pose) for index in range(0, 100, 10)]
    pitches = [math.degrees(one.pitch_rad) for one in seen if one is not None]
    assert len(pitches) > 5
    assert abs(np.median(pitches)) < 0.03


def test_an_image_without_a_road_shows_nothing(nod):
    labels = np.full((360, 480), CITYSCAPES.names.index('building'), np.uint8)
    camera, pose = camera_model(nod.camera), mounting_pose(nod.camera)
    assert see_pitch(labels, ROLES, camera, pose) is None
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (360, 480)).astype(np.uint8)
    assert see_pitch(noise, ROLES, camera, pose) is None


def test_an_imu_and_the_image_follow_a_nod(nod):
    errors, found, _ = drive(nod)
    assert np.percentile(errors, 95) < 0.1
    assert np.median([a.pitch_std_rad for a in found]) < math.radians(0.1)
    assert 'imu' in found[-1].source
    assert 'odometry' in found[-1].source


def test_roll_is_known_as_well_as_is_said():
    scene = SyntheticScene(1, preset('sway'), resized(360, 480))
    _, found, _ = drive(scene, 200)
    rolls = [scene.body(index).roll_rad for index in range(200)]
    errors = np.array([one.roll_rad - roll for one, roll in zip(found, rolls, strict=True)])
    stds = np.array([one.roll_std_rad for one in found])
    assert (abs(errors) < 2 * stds).mean() > 0.95
    assert stds[-1] < math.radians(0.25)
    assert np.ptp(rolls) > math.radians(1.5)


def outlier(filter_, scene, index, pitch_rad):
    """Return the attitude at a frame whose image shows a wrong pitch."""
    stamp_ns = scene.stamp_ns(index)
    for sample in Sensors(scene).imu(stamp_ns - SECOND // 10 + 1, stamp_ns + 1):
        filter_.add_imu(sample)
    return filter_.at(stamp_ns, PitchSeen(pitch_rad, STD))


def test_a_pitch_that_no_imu_felt_is_believed_the_second_time(nod):
    _, _, filter_ = drive(nod, 100)
    wrong = math.radians(3.0)
    first = outlier(filter_, nod, 100, wrong)
    assert 'vision' not in first.source
    assert abs(first.pitch_rad - nod.body(100).pitch_rad) < math.radians(0.2)
    second = outlier(filter_, nod, 101, wrong)
    assert 'vision' in second.source
    assert second.pitch_rad == pytest.approx(wrong, abs=math.radians(0.3))


def test_without_any_source_nothing_is_made_up(nod):
    _, found, _ = drive(nod, imu=False, vision=False)
    assert all(a.pitch_rad == a.roll_rad == 0 for a in found)
    assert all(a.pitch_std_rad > math.radians(0.9) for a in found[:10])
    assert found[-1].source == 'none'


def test_out_of_order_samples_are_put_in_their_place(nod):
    inside, _, _ = drive(nod)
    rng = np.random.default_rng(0)
    mixed, _, _ = drive(nod, order=lambda samples: list(rng.permutation(samples)))
    np.testing.assert_allclose(mixed, inside, atol=1e-9)


@pytest.mark.parametrize('rate_hz', [10.0, 1000.0])
def test_slow_and_fast_imus_serve(rate_hz):
    scene = SyntheticScene(0, replace(preset('nod'), {'imu_rate_hz': rate_hz}), resized(360, 480))
    errors, found, _ = drive(scene, 60)
    assert 'imu' in found[-1].source
    assert np.percentile(errors, 95) < 0.6


def nan(sample):
    return ImuSample(sample.stamp_ns, (math.nan,) * 3, sample.linear_acceleration)


def late_clock(sample):
    return ImuSample(
        sample.stamp_ns + 100 * SECOND, sample.angular_velocity, sample.linear_acceleration
    )


def stuck(sample):
    return ImuSample(sample.stamp_ns, (0.1, 0.2, 0.3), (0.0, 0.0, 9.8))


@pytest.mark.parametrize(
    ('change', 'words'),
    [(nan, 'not finite'), (late_clock, 'another clock'), (stuck, 'stuck'),
     (lambda s: s.turned(math.pi, 0.0, 0.0), 'wrong side')],
    ids=['nan', 'clock', 'stuck', 'upside down'],
)  # fmt: skip
def test_a_bad_imu_is_left_out_with_the_reason(nod, change, words):
    alone, _, _ = drive(nod, 60, imu=False)
    errors, found, filter_ = drive(nod, 60, change=change)
    assert words in filter_.imu_problem
    assert 'imu' not in found[-1].source
    np.testing.assert_allclose(errors[30:], alone[30:], atol=0.05)


def test_a_gap_is_not_bridged(nod):
    _, found, _ = drive(
        nod, 60, vision=False, change=lambda s: None if s.stamp_ns > 3 * SECOND else s
    )
    assert 'imu' in found[29].source
    assert 'imu' not in found[45].source
    assert found[45].pitch_std_rad > math.radians(0.5)


def test_odometry_that_jumps_is_left_out():
    speeds = SpeedBuffer()
    for number in range(50):
        speeds.add(OdometrySample(number * SECOND // 50, 8.0, 0.0))
    speeds.add(OdometrySample(SECOND, 80.0, 0.0))
    speeds.add(OdometrySample(SECOND, math.nan, 0.0))
    assert speeds.jumps == 2
    assert speeds.span(0, SECOND) is None


def test_a_clock_that_is_set_back_begins_again():
    buffer = ImuBuffer()
    for stamp_ns in (100 * SECOND, 101 * SECOND, SECOND):
        buffer.add(ImuSample(stamp_ns, (0.0, 0.0, 0.001 * stamp_ns), (0.0, 0.0, 9.8)))
    assert buffer.problem(SECOND) == ''


def level(scene, mode, frames, **tilt):
    """Return the grounds of a drive in which the image always shows the pitch."""
    config = replace(GroundConfig(), {'attitude': mode})
    source, ground = AttitudeSource(), Ground(project_ground(scene.camera, config))
    source.configure(config)
    labels = scene.labels(40)
    return [
        source.level(ground, Frame(np.zeros((1, 1, 3), np.uint8), 'rgb8', index * SECOND, 'c'),
                     labels, ROLES, config)
        for index in range(frames)
    ]  # fmt: skip


@pytest.fixture(scope='module')
def shifted():
    return SyntheticScene(
        0, replace(preset('mount_shift'), {'mount_shift_s': 0.0}), resized(360, 480)
    )


def test_a_shifted_mount_is_reported_within_a_minute(shifted):
    grounds = level(shifted, 'warn', 60)
    assert not grounds[40].mount_problem
    assert '+0.5' in grounds[-1].mount_problem or '+0.4' in grounds[-1].mount_problem
    assert not grounds[-1].projection.is_resampled
    assert grounds[-1].projection.limit is None


def test_it_is_corrected_where_that_is_asked_for(shifted):
    ground = level(shifted, 'correct', 3)[-1]
    assert ground.projection.is_resampled
    assert ground.attitude.pitch_rad == pytest.approx(math.radians(0.5), abs=math.radians(0.1))
    assert 0 < ground.metric_range_m < 60
    assert 'vision' in ground.range_reason


def test_a_level_drive_changes_nothing_and_warns_of_nothing():
    grounds = level(SyntheticScene(0, camera=resized(360, 480)), 'correct', 60)
    assert not any(ground.mount_problem for ground in grounds)
    assert not grounds[-1].projection.is_resampled
    off = level(SyntheticScene(0, camera=resized(360, 480)), 'none', 1)[0]
    assert off.attitude is None
