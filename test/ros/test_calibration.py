# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the ground lies: TF where tf2_ros is installed, and no tables computed twice."""

import contextlib
import struct
import sys
import types

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from geometry_msgs.msg import TransformStamped

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.geometry import ground_source
from mfaranet_ros.ros.calibration import make_ground_source
from mfaranet_ros.ros.moving_transforms import MovingTransforms

GROUND = GroundConfig(resolution=0.5)


def frame(height=96, width=128, stamp_ns=0):
    return Frame(np.zeros((height, width, 3), np.uint8), 'bgr8', stamp_ns, 'camera_optical')


class FakeBuffer:
    """As much of tf2_ros.Buffer as the node uses; the tree is what the test puts into it.

    latest_ns: up to when moving transforms are known; a later time cannot be looked up.
    """

    tree: dict = {}
    asked: list = []
    latest_ns = 10**18

    def lookup_transform(self, target, source, time):
        self.asked.append(time.nanoseconds)
        if (target, source) not in self.tree:
            raise sys.modules['tf2_ros'].TransformException(f'"{source}" does not exist')
        if time.nanoseconds > self.latest_ns:
            raise sys.modules['tf2_ros'].TransformException('extrapolation into the future')
        return self.tree[target, source]

    def set_transform(self, transform, authority):
        self.tree['base_link', transform.child_frame_id] = transform

    set_transform_static = set_transform

    def clear(self):
        self.tree.clear()


class FakeHandle(contextlib.nullcontext):
    """The messages that wait in the middleware: what the tests put into `waiting`."""

    waiting: list = []

    def take_message(self, message_type, raw):
        return (self.waiting.pop(0), {}) if self.waiting else None


def serialized(stamp_ns, parent, child, content=b''):
    """Return the beginning of a TFMessage of one transform in CDR, and what follows it."""
    stamp = struct.pack('<IiI', 1, stamp_ns // 10**9, stamp_ns % 10**9)
    names = b''
    for name in (parent, child):
        names += b'\0' * (-len(names) % 4)
        names += struct.pack('<I', len(name) + 1) + name.encode() + b'\0'
    return b'\0\1\0\0' + stamp + names + content


class FakeNode:
    """Notes which topics are subscribed to."""

    def __init__(self):
        self.callbacks = {}

    def create_subscription(
        self, message_type, topic, callback, qos, *, callback_group=None, raw=False
    ):
        assert message_type.__name__ == 'TFMessage'
        self.callbacks[topic] = callback
        assert raw == (topic == '/tf')
        return types.SimpleNamespace(topic_name=topic, handle=FakeHandle())

    def destroy_subscription(self, subscription):
        del self.callbacks[subscription.topic_name]

    def resolve_topic_name(self, name):
        return f'/{name}'


@pytest.fixture
def node():
    return FakeNode()


@pytest.fixture
def tf(monkeypatch):
    """A tf2_ros that is installed, with an empty tree."""
    module = types.ModuleType('tf2_ros')
    module.__spec__ = types.SimpleNamespace()
    module.TransformException = type('TransformException', (Exception,), {})
    module.Buffer = FakeBuffer
    messages = types.ModuleType('tf2_msgs.msg')
    messages.TFMessage = type('TFMessage', (), {})
    monkeypatch.setitem(sys.modules, 'tf2_ros', module)
    monkeypatch.setitem(sys.modules, 'tf2_msgs', types.ModuleType('tf2_msgs'))
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', messages)
    for name, value in (('tree', {}), ('asked', []), ('latest_ns', 10**18)):
        monkeypatch.setattr(FakeBuffer, name, value)
    return FakeBuffer.tree


def looking_ahead(height_m):
    transform = TransformStamped()
    transform.transform.translation.z = height_m
    q = transform.transform.rotation  # optical axes (right, down, ahead) in base axes
    q.x, q.y, q.z, q.w = -0.5, 0.5, -0.5, 0.5
    return transform


def test_without_tf2_ros_the_pose_comes_from_the_parameters(node, camera_info):
    calibration = make_ground_source(node, 'auto')
    assert calibration.poses.name == 'parameters'
    calibration.take_camera_info(camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is not None


def test_asking_for_tf_without_tf2_ros_is_refused(node, camera_info):
    with pytest.raises(ConfigError, match='tf2_ros is not installed'):
        make_ground_source(node, 'tf')


def test_with_tf2_ros_the_pose_comes_from_tf(node, tf, camera_info):
    calibration = make_ground_source(node, 'auto')
    assert calibration.poses.name == 'tf'
    calibration.take_camera_info(camera_info())
    ground = calibration.at(frame(), (96, 128), GROUND)
    assert ground.projection is None
    assert "no transform base_link <- 'camera_optical'" in ground.problem
    assert 'ground.extrinsics' in ground.problem
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    by_tf = calibration.at(frame(), (96, 128), GROUND).projection
    by_parameters = make_ground_source(node, 'parameters')
    by_parameters.take_camera_info(camera_info())
    expected = by_parameters.at(frame(), (96, 128), GROUND).projection
    probe = np.array([[5.0, 1.0, 0.0], [20.0, -3.0, 0.0]])
    np.testing.assert_allclose(by_tf.pixel_of(probe)[0], expected.pixel_of(probe)[0], atol=1e-6)


def test_the_pose_is_that_of_the_images_stamp_or_the_newest_where_tf_lags(node, tf, camera_info):
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    calibration.at(frame(stamp_ns=7_000_000_000), (96, 128), GROUND)
    assert FakeBuffer.asked == [7_000_000_000]
    FakeBuffer.latest_ns = 6_000_000_000
    ground = calibration.at(frame(stamp_ns=8_000_000_000), (96, 128), GROUND)
    assert ground.projection is not None
    assert FakeBuffer.asked[1:] == [8_000_000_000, 0]


def around(node, stamp_ns, moving=None):
    """Return which messages are deserialized for a stamp."""
    moving = moving or MovingTransforms(node, type('TFMessage', (), {}), lambda raw: raw)
    return moving, list(moving.around(stamp_ns))


def test_only_the_transforms_around_a_stamp_are_deserialized(node, monkeypatch):
    wheel = [serialized(n * 5, 'base_link', 'wheel', b'w') for n in range(200)]
    odom = [serialized(n * 20 + 3, 'odom', 'base_link', b'o') for n in range(50)]
    monkeypatch.setattr(FakeHandle, 'waiting', wheel + odom)
    moving, found = around(node, 501)
    assert set(found) == {wheel[100], wheel[101], odom[24], odom[25]}
    assert set(around(node, 508, moving)[1]) == {wheel[102], odom[26]}  # those not known yet
    monkeypatch.setattr(FakeHandle, 'waiting', [wheel[3], b'broken', b''])
    moving.clear()
    assert around(node, 600, moving)[1] == []


def test_a_stamp_after_all_transforms_gets_the_newest(node, monkeypatch):
    monkeypatch.setattr(
        FakeHandle, 'waiting', [serialized(n, 'odom', 'base_link') for n in (30, 10, 20)]
    )
    assert around(node, 99)[1] == [serialized(30, 'odom', 'base_link')]


def test_tf_is_followed_only_where_tf_static_does_not_join_the_frames(
    node, tf, camera_info, monkeypatch
):
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    mounted = looking_ahead(1.5)
    mounted.child_frame_id = 'camera_optical'
    node.callbacks['/tf_static'](types.SimpleNamespace(transforms=[mounted]))
    for _ in range(10):
        assert calibration.at(frame(), (96, 128), GROUND).projection is not None
    assert set(node.callbacks) == {'/tf_static'}
    tf.clear()
    for _ in range(10):
        assert calibration.at(frame(), (96, 128), GROUND).projection is None
    assert set(node.callbacks) == {'/tf_static', '/tf'}
    monkeypatch.setattr(FakeHandle, 'waiting', [serialized(5, 'base_link', 'camera_optical')])
    monkeypatch.setattr(
        'mfaranet_ros.ros.calibration.deserialize_message',
        lambda raw, kind: types.SimpleNamespace(transforms=[mounted]),
    )
    assert calibration.at(frame(), (96, 128), GROUND).projection is not None
    calibration.close()
    assert node.callbacks == {}


def test_a_camera_that_moved_in_tf_gets_new_tables_and_one_that_trembles_does_not(
    node, tf, camera_info
):
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    first = calibration.at(frame(), (96, 128), GROUND).projection
    tf['base_link', 'camera_optical'] = looking_ahead(1.5 + 1e-5)
    assert calibration.at(frame(), (96, 128), GROUND).projection is first
    tf['base_link', 'camera_optical'] = looking_ahead(1.7)
    moved = calibration.at(frame(), (96, 128), GROUND).projection
    assert moved is not first
    assert moved.pose.position_m[2] == pytest.approx(1.7)


def test_a_camera_that_keeps_moving_computes_no_tables_and_has_no_ground(
    node, tf, camera_info, monkeypatch
):
    built = []
    whole = ground_source.GroundProjection
    monkeypatch.setattr(
        ground_source, 'GroundProjection', lambda *given: (built.append(given), whole(*given))[1]
    )
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    for number in range(30):
        tf['base_link', 'camera_optical'] = looking_ahead(1.5 + 0.2 * number)
        ground = calibration.at(frame(stamp_ns=number * 10**8), (96, 128), GROUND)
    assert len(built) == 2  # at the start, and at the first change, which could be the only one
    assert ground.projection is None
    assert 'moves' in ground.problem
    still = calibration.at(frame(stamp_ns=5 * 10**9), (96, 128), GROUND).projection
    assert still.pose.position_m[2] == pytest.approx(7.3)


def test_a_body_that_tilts_in_tf_keeps_its_tables_and_moves_the_ground(node, tf, camera_info):
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    tf['base_link', 'camera_optical'] = looking_ahead(1.5)
    first = calibration.at(frame(), (96, 128), GROUND).projection
    tilted = looking_ahead(1.5)
    tilted.transform.rotation.x += 0.01
    tf['base_link', 'camera_optical'] = tilted
    moved = calibration.at(frame(stamp_ns=10**8), (96, 128), GROUND).projection
    assert moved.cells is first.cells
    pixel = np.array([[64.0, 80.0]])
    assert np.abs(moved.ground_of(pixel) - first.ground_of(pixel)).max() > 0.05


def test_a_mount_below_the_ground_is_refused_each_time(node, tf, camera_info):
    calibration = make_ground_source(node, 'tf')
    calibration.take_camera_info(camera_info())
    tf['base_link', 'camera_optical'] = looking_ahead(-0.5)
    for _ in range(3):
        ground = calibration.at(frame(), (96, 128), GROUND)
        assert ground.projection is None
        assert '-0.5 m above the ground' in ground.problem


def test_tables_are_computed_again_only_when_something_changed(node, camera_info):
    calibration = make_ground_source(node, 'parameters')
    calibration.take_camera_info(camera_info())
    first = calibration.at(frame(), (96, 128), GROUND).projection
    calibration.take_camera_info(camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is first
    calibration.take_camera_info(camera_info(d=[0.1, 0.0, 0.0, 0.0, 0.0]))
    second = calibration.at(frame(), (96, 128), GROUND).projection
    assert second is not first
    other_mount = GroundConfig(resolution=0.5, pitch=0.1)
    assert calibration.at(frame(), (96, 128), other_mount).projection is not second


def test_a_calibration_of_another_size_is_refused_until_the_right_one_comes(node, camera_info):
    calibration = make_ground_source(node, 'parameters')
    calibration.take_camera_info(camera_info(48, 64))
    ground = calibration.at(frame(), (96, 128), GROUND)
    assert ground.projection is None
    assert '48' in ground.problem
    assert '128' in ground.problem
    calibration.take_camera_info(camera_info())
    assert calibration.at(frame(), (96, 128), GROUND).projection is not None
    assert calibration.at(frame(), (96, 128), GROUND).problem == ''
