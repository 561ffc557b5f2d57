# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the ground lies: TF where tf2_ros is installed, and no tables computed twice."""

import sys
import types

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from geometry_msgs.msg import TransformStamped

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.ros.calibration import make_ground_source

GROUND = GroundConfig(resolution=0.5)


def frame(height=96, width=128):
    return Frame(np.zeros((height, width, 3), np.uint8), 'bgr8', 0, 'camera_optical')


class FakeBuffer:
    """As much of tf2_ros.Buffer as the node uses; the tree is what the test puts into it."""

    tree: dict = {}

    def __init__(self, node):
        pass

    def lookup_transform(self, target, source, time):
        try:
            return self.tree[target, source]
        except KeyError:
            raise sys.modules['tf2_ros'].TransformException(f'"{source}" does not exist') from None


class FakeListener:
    def __init__(self, buffer, node, spin_thread):
        assert not spin_thread

    def unregister(self):
        pass


@pytest.fixture
def tf(monkeypatch):
    """A tf2_ros that is installed, with an empty tree."""
    module = types.ModuleType('tf2_ros')
    module.__spec__ = types.SimpleNamespace()
    module.TransformException = type('TransformException', (Exception,), {})
    module.Buffer, module.TransformListener = FakeBuffer, FakeListener
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    monkeypatch.setattr(FakeBuffer, 'tree', {})
    return FakeBuffer.tree


def looking_ahead(height_m):
    transform = TransformStamped()
    transform.transform.translation.z = height_m
    q = transform.transform.rotation  # optical axes (right, down, ahead) in base axes
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return transform


def test_without_tf2_ros_the_pose_comes_from_the_parameters(vehicle):
    calibration = make_ground_source(vehicle.node, 'auto')
    assert calibration.poses.name == 'parameters'
    calibration.take_camera_info(vehicle.camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is not None


def test_asking_for_tf_without_tf2_ros_is_refused(vehicle):
    with pytest.raises(ConfigError, match='tf2_ros is not installed'):
        make_ground_source(vehicle.node, 'tf')


def test_with_tf2_ros_the_pose_comes_from_tf(vehicle, tf):
    calibration = make_ground_source(vehicle.node, 'auto')
    assert calibration.poses.name == 'tf'
    calibration.take_camera_info(vehicle.camera_info())
    ground = calibration.at(frame(), (96, 128), GROUND)
    assert ground.projection is None
    assert "no transform base_link <- 'camera_optical'" in ground.problem
    assert 'ground.extrinsics' in ground.problem
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    by_tf = calibration.at(frame(), (96, 128), GROUND).projection
    by_parameters = make_ground_source(vehicle.node, 'parameters')
    by_parameters.take_camera_info(vehicle.camera_info())
    expected = by_parameters.at(frame(), (96, 128), GROUND).projection
    probe = np.array([[5.0, 1.0, 0.0], [20.0, -3.0, 0.0]])
    np.testing.assert_allclose(by_tf.pixel_of(probe)[0], expected.pixel_of(probe)[0], atol=1e-6)
    calibration.close()


def test_a_camera_that_moved_in_tf_gets_new_tables_and_one_that_trembles_does_not(vehicle, tf):
    calibration = make_ground_source(vehicle.node, 'tf')
    calibration.take_camera_info(vehicle.camera_info())
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    first = calibration.at(frame(), (96, 128), GROUND).projection
    tf['base_link', 'camera_optical'] = looking_ahead(1.5 + 1e-5)
    assert calibration.at(frame(), (96, 128), GROUND).projection is first
    tf['base_link', 'camera_optical'] = looking_ahead(1.7)
    assert calibration.at(frame(), (96, 128), GROUND).projection is not first


def test_tables_are_computed_again_only_when_something_changed(vehicle):
    calibration = make_ground_source(vehicle.node, 'parameters')
    calibration.take_camera_info(vehicle.camera_info())
    first = calibration.at(frame(), (96, 128), GROUND).projection
    calibration.take_camera_info(vehicle.camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is first
    calibration.take_camera_info(vehicle.camera_info(d=[0.1, 0.0, 0.0, 0.0, 0.0]))
    second = calibration.at(frame(), (96, 128), GROUND).projection
    assert second is not first
    other_mount = GroundConfig(resolution=0.5, pitch=0.1)
    assert calibration.at(frame(), (96, 128), other_mount).projection is not second


def test_a_calibration_of_another_size_is_refused_until_the_right_one_comes(vehicle):
    calibration = make_ground_source(vehicle.node, 'parameters')
    calibration.take_camera_info(vehicle.camera_info(48, 64))
    ground = calibration.at(frame(), (96, 128), GROUND)
    assert ground.projection is None
    assert '48' in ground.problem
    assert '128' in ground.problem
    calibration.take_camera_info(vehicle.camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is not None
    assert calibration.at(frame(), (96, 128), GROUND).problem == ''
