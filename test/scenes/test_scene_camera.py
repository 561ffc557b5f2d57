# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The camera of the scene, held to OpenCV and to the camera of the pipeline."""

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.labels import CITYSCAPES
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene
from mfaranet_ros.scenes.world import Snapshot

LENSES = {
    'none': (470.0, 'plumb_bob', ()),
    'barrel': (450.0, 'plumb_bob', (-0.3, 0.1, 0.001, -0.002, 0.01)),
    'rational': (
        350.0,
        'rational_polynomial',
        (0.1, -0.05, 0.001, 0.0005, 0.002, 0.3, -0.04, 0.01),
    ),
    'fisheye': (160.0, 'equidistant', (-0.02, 0.003, -0.001, 0.0001)),
}


def camera_with(lens, **values):
    focal_px, model, coefficients = LENSES[lens]
    return SceneCamera(fx=focal_px, model=model, coefficients=coefficients, **values)


def pixels_of(camera):
    columns, rows = np.meshgrid(np.arange(0, camera.width, 7), np.arange(0, camera.height, 7))
    return np.column_stack((columns.ravel(), rows.ravel())).astype(float)


def project(camera, points):
    """Return where OpenCV sees points of the optical frame."""
    project = cv2.fisheye.projectPoints if camera.model == 'equidistant' else cv2.projectPoints
    zero = np.zeros(3)
    return project(points.reshape(-1, 1, 3), zero, zero, camera.k, camera.d)[0].reshape(-1, 2)


@pytest.mark.parametrize('lens', LENSES)
def test_opencv_sees_each_ray_at_its_pixel(lens):
    camera = camera_with(lens, roll=0.2, pitch=0.1, yaw=-0.7)
    pixels = pixels_of(camera)
    optical = camera.rays_of(pixels) @ camera.rotation
    ahead = optical[:, 2] > 0.02
    assert ahead.mean() > 0.85
    assert np.abs(project(camera, optical[ahead]) - pixels[ahead]).max() < 1e-6
    np.testing.assert_allclose(np.linalg.norm(optical, axis=1), 1, atol=1e-9)


@pytest.mark.parametrize('lens', LENSES)
def test_the_pipeline_sees_the_same(lens):
    camera = camera_with(lens, roll=0.2, pitch=0.1, yaw=-0.7)
    model = CameraModel(
        camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy,
        camera.model if camera.coefficients else 'pinhole', camera.coefficients,
    )  # fmt: skip
    pose = MountingPose.from_xyz_rpy(
        camera.x, camera.y, camera.z, camera.roll, camera.pitch, camera.yaw
    )
    pixels = pixels_of(camera)
    np.testing.assert_allclose(pose.to_base(model.rays(pixels)), camera.rays_of(pixels), atol=1e-9)


@pytest.mark.parametrize('lens', LENSES)
def test_a_known_point_is_painted_where_opencv_sees_it(lens):
    camera = camera_with(lens, pitch=0.05)
    scene = SyntheticScene(seed=5, camera=camera)
    frame, snapshot = scene.frame(30), scene.snapshot(30)
    cars = [
        (*frame.pose.to_base(car.x_m, car.y_m), car)
        for car in snapshot.things
        if car.shape == 'car'
    ]
    ahead, left, lead = min(car for car in cars if car[0] > 5 and abs(car[1]) < 2)
    rear = np.array((ahead - lead.length_m / 2, left, 0.6))
    assert 10 < rear[0] < 40
    seen = project(camera, (rear - (camera.x, camera.y, camera.z)) @ camera.rotation)[0]
    column, row = np.rint(seen).astype(int)
    assert CITYSCAPES.names[frame.labels[row, column]] == 'car'
    assert frame.depth_m[row, column] == pytest.approx(rear[0] - camera.x, abs=0.7)


def test_no_light_from_beyond_the_fold():
    camera = SceneCamera(fx=200.0, coefficients=(-0.4, 0.0, 0.0, 0.0))
    frame = SyntheticScene(seed=5, camera=camera).frame(0)
    dark = np.isnan(camera.rays()).any(axis=-1)
    assert dark[0, 0]
    assert not dark[180, 240]
    assert (frame.labels[dark] == 255).all()
    assert (frame.labels[~dark] != 255).all()
    assert not frame.rgb[dark].any()
    assert np.isnan(frame.depth_m[dark]).all()


@pytest.mark.parametrize(
    ('values', 'says'),
    [
        ({'fx': 0.0}, 'focal length fx = 0'),
        ({'fx': float('nan')}, 'fx = nan'),
        ({'z': -1.0}, 'at least 0.1 m above the ground'),
        ({'pitch': -1.0}, 'sees no ground'),
        ({'width': 0}, 'width = 0'),
        ({'height': 100_000}, 'must be 2 to 8192 px'),
        ({'model': 'plum_bob'}, "did you mean 'plumb_bob'"),
        ({'coefficients': (0.1,)}, 'it has 0 or 4 or 5'),
        ({'coefficients': (0.1, 0.0, 0.0, float('inf'))}, 'must be a finite number'),
    ],
)
def test_a_camera_that_cannot_be_is_refused(values, says):
    with pytest.raises(CalibrationError, match=says):
        SceneCamera(**values)


def test_the_scene_is_not_the_cameras(scene):
    assert isinstance(scene.snapshot(0), Snapshot)
    other = SyntheticScene(seed=3, camera=camera_with('fisheye'))
    assert other.snapshot(12).things == scene.snapshot(12).things
