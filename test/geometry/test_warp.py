# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A projection that follows a tilted camera, against tables made for the tilted camera."""

import math

import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import camera_model, extent_of, mounting_pose
from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.frame import METRIC_OUTPUTS
from mfaranet_ros.core.labels import CITYSCAPES
from mfaranet_ros.evaluation.metrics.ground import count_ground
from mfaranet_ros.geometry.attitude import Attitude, RangeLimit, metric_range_m
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.options import camera_of, preset, resized
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

CONFIG = GroundConfig()
LENSES = {'pinhole': (), 'barrel': ['coefficients=-0.25,0.08,0.001,-0.0005,-0.01'],
          'fisheye': ['model=equidistant', 'coefficients=0.02,-0.01,0.003,-0.0005']}  # fmt: skip


def project(camera):
    size = camera.height, camera.width
    return GroundProjection(camera_model(camera), mounting_pose(camera), CONFIG, size)


def outputs(labels, ground):
    found, _ = find_drivable(
        labels, None, CITYSCAPES.roles, DrivableConfig(), METRIC_OUTPUTS, ground
    )
    return found


@pytest.fixture(scope='module', params=LENSES)
def camera(request):
    return camera_of(LENSES[request.param], resized(270, 480))


def test_a_pixel_of_the_tables_shows_the_same_ground_in_the_tilted_image(camera):
    ground = project(camera)
    pose = ground.pose.tilted(math.radians(-1.0), math.radians(1.5))
    moved = ground.seen_from(pose)
    rng = np.random.default_rng(0)
    index = rng.choice(np.unique(np.concatenate(ground.cells.pixels)), 500)
    row, column = np.divmod(index, camera.width)
    tables = np.column_stack((column, row + ground.rows.start)).astype(float)
    points = np.column_stack((ground.ground_of(tables), np.zeros(500)))
    expected, valid = moved.pixel_of(points)
    inside = valid & moved.camera.inside(expected)
    assert inside.sum() > 300
    v, u = np.divmod(moved.image_index(index[inside]), camera.width)
    found = np.column_stack((u, v))
    assert np.abs(found - expected[inside]).max() < 0.56


def test_an_equal_pose_changes_nothing(camera):
    ground = project(camera)
    assert ground.seen_from(ground.pose) is ground
    assert ground.seen_from(ground.pose.tilted(0.0, 0.01)).seen_from(ground.pose)._places is None


@pytest.mark.parametrize('name', ['nod', 'sway'])
def test_with_the_true_tilt_metres_stay_metres(name):
    scene = SyntheticScene(0, preset(name), resized(360, 480))
    ground, finder = project(scene.camera), MetricGroundTruthFinder(scene, extent_of(CONFIG))
    tilts = [abs(scene.body(i).pitch_rad) + abs(scene.body(i).roll_rad) for i in range(200)]
    index = int(np.argmax(tilts))
    labels, truth = scene.labels(index), finder.at(index)
    after = outputs(labels, ground.seen_from(mounting_pose(scene.camera_at(index))))
    camera_m = scene.camera.x, scene.camera.y
    scores = [
        count_ground(found, truth.grid, truth.boundary_m, camera_m).between(0.0, 20.0)
        for found in (outputs(labels, ground), after)
    ]
    assert scores[0].free_iou < 0.95
    assert scores[1].free_iou > 0.97
    assert scores[1].boundary_error_m(95) <= 0.5
    assert scores[1].occluded_free == 0


def test_nothing_is_free_under_the_foot_of_an_obstacle():
    """Nearest pixels of a tilted image would put a foot up to half a pixel too far."""
    scene = SyntheticScene(1, preset('nod'), resized(360, 480))
    ground, finder = project(scene.camera), MetricGroundTruthFinder(scene, extent_of(CONFIG))
    labels, truth = scene.labels(89), finder.at(89)
    found = outputs(labels, ground.seen_from(mounting_pose(scene.camera_at(89))))
    counts = count_ground(found, truth.grid, None, (scene.camera.x, scene.camera.y))
    assert counts.between(0.0, 20.0).occluded_free == 0


def test_what_is_beyond_the_certain_range_is_unseen():
    scene = SyntheticScene(0, camera=resized(270, 480))
    ground, labels = project(scene.camera), scene.labels(40)
    attitude = Attitude(0.0, 0.0, math.radians(0.3), math.radians(0.2), 0, 'test')
    limit = RangeLimit(attitude, ground.pose.position_m[2], 0.5)
    whole, cut = outputs(labels, ground), outputs(labels, ground.limited(limit))
    range_m = np.hypot(*(ground.layout.centres() - ground.origin_m).T).reshape(200, 400)
    ahead = ground.layout.centres() - ground.origin_m
    known = range_m.ravel() <= limit.range_m(ahead)
    cells, before = cut.grid.cells.ravel(), whole.grid.cells.ravel()
    assert (cells[~known] != 0).all()
    assert (cells[known & (before == 0)] == 0).mean() > 0.999
    assert np.hypot(*(cut.boundary_m - ground.origin_m).T).max() <= limit.ahead_m + 1e-3
    assert np.hypot(*(cut.points.xyz_m[:, :2] - ground.origin_m).T).max() <= limit.ahead_m + 1e-3
    assert limit.ahead_m == pytest.approx(metric_range_m(1.4, math.radians(0.2), 0.5))
    range_std_m = (limit.ahead_m**2 + 1.4**2) / 1.4 * math.radians(0.2)
    assert 2 * range_std_m == pytest.approx(0.5)


def test_nothing_is_known_where_the_tilt_is_not():
    scene = SyntheticScene(0, camera=resized(270, 480))
    ground, labels = project(scene.camera), scene.labels(40)
    blind = Attitude(0.0, 0.0, 0.5, 0.5, 0, 'none')
    found = outputs(labels, ground.limited(RangeLimit(blind, 1.4, 0.5)))
    assert (found.grid.cells == -1).all()
    assert len(found.points.xyz_m) == 0
