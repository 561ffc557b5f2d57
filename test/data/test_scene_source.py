# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The drive as a source: its frames with ground truth, its calibration and its mounting pose."""

import math

import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import camera_model, mounting_pose
from mfaranet_ros.core.errors import CalibrationError, ConfigError, UnknownNameError
from mfaranet_ros.core.settings import replace
from mfaranet_ros.data.synthetic_source import SceneSource, ground_settings, mounting
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline import encode
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.options import preset

SMALL = 'width=64 height=48 fx=60'
FISHEYE = SceneCamera(
    64, 48, fx=30, model='equidistant', coefficients=(0.02, -0.01, 0.003, -5e-4),
    x=1.0, y=-0.3, z=1.2, roll=0.1, pitch=0.4, yaw=-2.0,
)  # fmt: skip
CAMERAS = [SceneCamera(), SceneCamera(coefficients=(-0.2, 0.05, 1e-3, 0.0, 0.0)), FISHEYE]


def test_it_plays_the_frames_of_the_drive_with_their_ground_truth():
    source = SceneSource(3, 'duration_s=0.3 rain=0.5', SMALL)
    images = list(source)
    assert [image.number for image in images] == [0, 1, 2]
    assert (len(source), source.rate_hz, source.has_ground_truth) == (3, 10.0, True)
    for image in images:
        frame = source.scene.frame(image.number)
        assert (image.size, image.encoding) == ((48, 64), 'rgb8')
        np.testing.assert_array_equal(image.pixels, frame.rgb)
        np.testing.assert_array_equal(image.ground_truth, frame.labels)


def test_options_may_begin_with_a_preset():
    options = SceneSource(0, 'people=2 preset=rain').scene.options
    assert options == replace(preset('rain'), {'people': 2.0})


@pytest.mark.parametrize('camera', CAMERAS, ids=['pinhole', 'plumb_bob', 'fisheye'])
def test_the_node_reads_the_camera_as_it_is(camera):
    texts = [f'{name}={value}' for name, value in vars(camera).items() if name != 'coefficients']
    texts.append(f'coefficients={",".join(map(str, camera.coefficients))}')
    source = SceneSource(camera=' '.join(texts))
    assert source.scene.camera == camera
    assert read_camera_info(source.camera_info) == camera_model(camera)


@pytest.mark.parametrize('camera', CAMERAS, ids=['pinhole', 'plumb_bob', 'fisheye'])
def test_its_transform_and_its_settings_are_its_mounting_pose(camera):
    (stamped,) = mounting(camera, encode.header(0, 'base_link'), 'camera').transforms
    place, turn = stamped.transform.translation, stamped.transform.rotation
    pose = MountingPose.from_transform(
        (place.x, place.y, place.z), (turn.x, turn.y, turn.z, turn.w)
    )
    values = (value for value in ground_settings(camera).values())
    for other in (mounting_pose(camera), MountingPose.from_xyz_rpy(*values)):
        assert other.position_m == pose.position_m
        np.testing.assert_allclose(other.rotation, pose.rotation, atol=1e-12)
    assert math.hypot(turn.x, turn.y, turn.z, turn.w) == pytest.approx(1)


@pytest.mark.parametrize(
    ('options', 'camera', 'error', 'words'),
    [
        ('rian=0.5', '', UnknownNameError, "did you mean 'rain'"),
        ('rain', '', ConfigError, 'write NAME=VALUE'),
        ('preset=rian', '', UnknownNameError, "did you mean 'rain'"),
        ('rain=2', '', ConfigError, '0 to 1'),
        ('', 'pich=0.1', UnknownNameError, "did you mean 'pitch'"),
        ('', 'pitch=down', ConfigError, "camera pitch = 'down': must be float"),
        ('', 'fx=0', CalibrationError, 'focal length'),
        ('', 'z=-1', CalibrationError, 'above the ground'),
        ('', 'pitch=-1.3', CalibrationError, 'sees no ground'),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(options, camera, error, words):
    with pytest.raises(error) as caught:
        SceneSource(0, options, camera)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)
