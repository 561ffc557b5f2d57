# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The cameras of a recording, their calibration, and where they are fixed on the vehicle."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.cameras import choose_camera, first_calibration, list_cameras
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.transforms import StaticTransforms, static_transforms
from mfaranet_ros.geometry.mounting import MountingPose

NAMES = {
    'raw': '/front/image_raw',
    'jpeg': '/front/image_raw/compressed',
    'info': '/front/camera_info',
    'left': '/left/image',
    'left info': '/left/camera_info',
    'labels': '/truth/labels',
    'alone': '/rear/image/compressed',
}


@pytest.fixture
def open_with(recordings, tmp_path):
    """Open a recording that has these of the topics, with one message each."""
    kit = recordings
    raw = kit.image_message(kit.sample_image(0), 0)
    jpeg = kit.compressed(kit.sample_image(0), 0, 'jpg')
    kinds = {
        'jpeg': (kit.COMPRESSED, jpeg),
        'alone': (kit.COMPRESSED, jpeg),
        'info': (kit.CAMERA_INFO, kit.camera_info(0, 30.0)),
        'left info': (kit.CAMERA_INFO, kit.camera_info(0, 40.0)),
    }

    def write(*names):
        entries = [
            kit.Entry(NAMES[name], type_name, 0, message)
            for name in names
            for type_name, message in [kinds.get(name, (kit.IMAGE, raw))]
        ]
        return open_bag(kit.write_rosbags(tmp_path / 'bag', entries))

    return write


def test_each_image_topic_has_the_calibration_beside_it(open_with):
    with open_with(*NAMES) as bag:
        found = {
            camera.image.name: camera.info and camera.info.name for camera in list_cameras(bag)
        }
    assert found == {
        '/front/image_raw': '/front/camera_info',
        '/front/image_raw/compressed': '/front/camera_info',
        '/left/image': '/left/camera_info',
        '/rear/image/compressed': None,
        '/truth/labels': None,
    }


@pytest.mark.parametrize(
    ('topics', 'chosen'),
    [
        (('raw',), 'raw'),
        (('alone',), 'alone'),
        (('raw', 'jpeg', 'info'), 'raw'),
        (('jpeg', 'info'), 'jpeg'),
        (('labels', 'left', 'left info'), 'left'),
        (('labels', 'left'), 'left'),
    ],
)
def test_the_only_camera_is_chosen(open_with, topics, chosen):
    with open_with(*topics) as bag:
        assert choose_camera(bag, besides=(NAMES['labels'],)).image.name == NAMES[chosen]


def test_of_several_cameras_one_must_be_named(open_with):
    with open_with('raw', 'info', 'left', 'left info') as bag:
        with pytest.raises(SourceError, match='several image topics, /front/image_raw, /left'):
            choose_camera(bag)
        assert first_calibration(bag, choose_camera(bag, '/left/image')).k[0] == 40.0
        other = choose_camera(bag, '/left/image', '/front/camera_info')
        assert first_calibration(bag, other).k[0] == 30.0


def test_a_bag_without_images_says_what_it_has(open_with):
    with open_with('info') as bag, pytest.raises(SourceError, match='no images; it has /front'):
        choose_camera(bag)


def test_a_topic_of_no_images_is_refused(open_with):
    with open_with('raw', 'info') as bag, pytest.raises(SourceError, match='must be of sensor'):
        choose_camera(bag, '/front/camera_info')


# -- transforms ----------------------------------------------------------------------------------


@pytest.fixture
def transform(recordings):
    kit = recordings

    def build(parent, child, xyz, quaternion):
        vector = kit.make('geometry_msgs/msg/Vector3', *map(float, xyz))
        rotation = kit.make('geometry_msgs/msg/Quaternion', *map(float, quaternion))
        value = kit.make('geometry_msgs/msg/Transform', vector, rotation)
        return kit.make('geometry_msgs/msg/TransformStamped', kit.header(0, parent), child, value)

    return build


@pytest.fixture
def message(recordings):
    return lambda *transforms: recordings.make('tf2_msgs/msg/TFMessage', list(transforms))


UP = 1.5
HALF = math.sqrt(0.5)
OPTICAL = (-0.5, 0.5, -0.5, 0.5)
"""The turn of an optical frame in its camera's body (REP-103)."""
YAW = (0.0, 0.0, math.sin(0.2), math.cos(0.2))


def test_a_chain_gives_the_mounting_pose(recordings, transform, message, tmp_path):
    """Against the pose from angles; the chain goes up to the roof and down again."""
    kit = recordings
    sent = message(
        transform('roof', 'base_link', (-2, 0, -UP), (0, 0, 0, 1)),
        transform('roof', 'camera', (0.1, 0.4, 0), YAW),
    )
    more = message(transform('camera', '/camera_optical', (0, 0, 0), OPTICAL))
    entries = [kit.Entry('/tf_static', 'tf2_msgs/msg/TFMessage', n, m)
               for n, m in enumerate((sent, more))]  # fmt: skip
    with open_bag(kit.write_rosbags(tmp_path / 'bag', entries)) as bag:
        found = static_transforms(bag).find('base_link', 'camera_optical')
    pose = MountingPose.from_transform(found.translation, found.quaternion)
    expected = MountingPose.from_xyz_rpy(2.1, 0.4, UP, 0, 0, 0.4)
    np.testing.assert_allclose(pose.position_m, expected.position_m, atol=1e-12)
    np.testing.assert_allclose(pose.rotation, expected.rotation, atol=1e-12)


def test_a_turned_parent_turns_the_child(transform, message):
    tree = StaticTransforms(
        [message(transform('a', 'b', (1, 0, 0), (0, 0, HALF, HALF)),
                 transform('b', 'c', (1, 0, 0), (0, 0, HALF, HALF)))]
    )  # fmt: skip
    there, back = tree.find('a', 'c'), tree.find('c', 'a')
    np.testing.assert_allclose(there.translation, (1, 1, 0), atol=1e-12)
    np.testing.assert_allclose(there.quaternion, (0, 0, 1, 0), atol=1e-12)
    np.testing.assert_allclose(back.translation, (1, 1, 0), atol=1e-12)


def test_the_last_transform_holds_and_nonsense_is_left_out(transform, message):
    tree = StaticTransforms(
        [message(transform('a', 'b', (1, 0, 0), (0, 0, 0, 2)),
                 transform('a', 'b', (2, 0, 0), (0, 0, 0, 1)),
                 transform('a', 'b', (3, 0, 0), (0, 0, 0, 0)),
                 transform('', 'b', (4, 0, 0), (0, 0, 0, 1)))]
    )  # fmt: skip
    assert tree.find('a', 'b').translation == (2.0, 0.0, 0.0)
    assert tree.find('a', 'a').translation == (0.0, 0.0, 0.0)
    assert tree.find('a', 'elsewhere') is None


def test_without_static_transforms_there_are_none(recordings, tmp_path):
    with open_bag(recordings.write_rosbags(tmp_path / 'bag', recordings.drive(1))) as bag:
        assert static_transforms(bag).find('base_link', 'camera') is None
