# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""IMU, odometry and TF of a moving scene in its bag and in its folder."""

import csv

import numpy as np
import pytest

from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.synthetic_sensors import FOOTPRINT, IMU, ODOMETRY, TF
from mfaranet_ros.data.synthetic_writer import START_NS, SceneBag, SceneFolder
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.decode_motion import imu_sample, odometry_sample
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.options import preset
from mfaranet_ros.scenes.sensors import Sensors
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

FRAMES = 3
END_NS = 200_000_001


@pytest.fixture(scope='module')
def scene():
    return SyntheticScene(1, preset('nod'), SceneCamera(64, 48, fx=60.0))


def write(output, scene):
    finder = MetricGroundTruthFinder(scene, GridExtent(0.0, 20.0, -5.0, 5.0, 0.5))
    for index in range(FRAMES):
        output.add(scene.frame(index), finder.at(index))
    output.close()


def test_a_bag_carries_what_the_sensors_measure(scene, tmp_path):
    write(SceneBag(tmp_path / 'bag', scene), scene)
    found = {}
    with open_bag(tmp_path / 'bag') as bag:
        times = []
        for item in bag.messages():
            found.setdefault(item.topic.name, []).append(item.message)
            times.append(item.time_ns)
    assert times == sorted(times)
    sensors = Sensors(scene)
    imu, odometry = list(sensors.imu(0, END_NS)), list(sensors.odometry(0, END_NS))
    assert len(imu) == 21
    for message, sample in zip(found[IMU], imu, strict=True):
        read = imu_sample(message)
        assert read.stamp_ns == START_NS + sample.stamp_ns
        assert read.angular_velocity == pytest.approx(sample.angular_velocity)
        assert read.linear_acceleration == pytest.approx(sample.linear_acceleration)
        assert message.orientation_covariance[0] == -1
    for message, sample in zip(found[ODOMETRY], odometry, strict=True):
        assert odometry_sample(message).speed_mps == pytest.approx(sample.speed_mps)
    assert found['/truth/grid'][0].header.frame_id == FOOTPRINT
    for message, sample in zip(found[TF], odometry, strict=True):
        turn = message.transforms[1].transform.rotation
        body = scene.motion.at(sample.stamp_ns / 1e9)
        pose = MountingPose.from_transform((0, 0, 1), (turn.x, turn.y, turn.z, turn.w))
        assert pose.rotation[6] == pytest.approx(-np.sin(body.pitch_rad), abs=1e-9)


def test_a_folder_holds_them_as_tables(scene, tmp_path):
    write(SceneFolder(tmp_path, scene, '.png'), scene)
    with (tmp_path / 'imu.csv').open() as file:
        rows = list(csv.DictReader(file))
    sample = next(iter(Sensors(scene).imu(0, 1)))
    assert float(rows[0]['wy_radps']) == sample.angular_velocity[1]
    assert len(rows) == 2000
    assert len((tmp_path / 'odometry.csv').read_text().splitlines()) == 1001
    assert '"pitch_rad"' in (tmp_path / 'scene.json').read_text()
