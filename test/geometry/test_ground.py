# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Mounting poses, the grid's layout, and the tables between ground and image."""

import dataclasses
import math

import numpy as np
import pytest

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.geometry.ground import MAX_CELLS, GridLayout, GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose

KINDS = ('pinhole', 'plumb_bob', 'rational_polynomial', 'equidistant')
MOUNTINGS = {
    'ahead': (1.5, 0.0, 1.5, 0.0, 0.03, 0.0),
    'rolled': (1.5, 0.2, 1.4, 0.15, 0.2, -0.1),
    'left': (15.0, 0.5, 1.8, 0.0, 0.3, math.pi / 2),
    'rear': (38.0, 1.0, 2.5, -0.05, 0.2, math.pi),
    'upright': (1.5, 0.0, 1.6, math.pi / 2, 0.1, 0.0),
    'down': (20.0, 0.0, 4.0, 0.0, math.pi / 2, 0.0),
}
GRID = GroundConfig()


def project(camera, mounting, config=GRID, mask_size=None):
    pose = MountingPose.from_xyz_rpy(*MOUNTINGS[mounting])
    return GroundProjection(camera, pose, config, mask_size or camera.size)


@pytest.fixture(scope='module', params=[(k, m) for k in KINDS for m in MOUNTINGS], ids='-'.join)
def ground(request, make_camera):
    """One camera of each kind in each mounting."""
    kind, mounting = request.param
    return project(make_camera(kind, 120, 160), mounting)


# The mounting pose


@pytest.mark.parametrize(
    ('angles', 'looks', 'right'),
    [
        ((0, 0, 0), (1, 0, 0), (0, -1, 0)),
        ((0, 0.5, 0), (math.cos(0.5), 0, -math.sin(0.5)), (0, -1, 0)),
        ((0, 0, 0.5), (math.cos(0.5), math.sin(0.5), 0), (math.sin(0.5), -math.cos(0.5), 0)),
        ((0.5, 0, 0), (1, 0, 0), (0, -math.cos(0.5), -math.sin(0.5))),
        ((0, 0, math.pi), (-1, 0, 0), (0, 1, 0)),
        ((math.pi / 2, 0, math.pi / 2), (0, 1, 0), (0, 0, -1)),
    ],
)
def test_the_angles_are_those_of_rep_103(angles, looks, right):
    pose = MountingPose.from_xyz_rpy(0, 0, 1, *angles)
    optical = np.array(((0, 0, 1.0), (1, 0, 0)))
    np.testing.assert_allclose(pose.to_base(optical), (looks, right), atol=1e-12)


@pytest.mark.parametrize('mounting', MOUNTINGS.values(), ids=MOUNTINGS)
@pytest.mark.parametrize('length', [1.0, -0.7])
def test_a_transform_gives_the_same_pose_as_its_angles(mounting, length):
    def turn(angle, axis):
        return np.array((*(math.sin(angle / 2) * (np.arange(3) == axis)), math.cos(angle / 2)))

    def times(a, b):
        vector = a[3] * b[:3] + b[3] * a[:3] + np.cross(a[:3], b[:3])
        return np.append(vector, a[3] * b[3] - a[:3] @ b[:3])

    *position, roll, pitch, yaw = mounting
    body = times(times(turn(yaw, 2), turn(pitch, 1)), turn(roll, 0))
    optical = times(body, np.array((-0.5, 0.5, -0.5, 0.5)))
    pose = MountingPose.from_transform(position, length * optical)
    same = MountingPose.from_xyz_rpy(*mounting)
    assert pose.position_m == same.position_m
    np.testing.assert_allclose(pose.rotation, same.rotation, atol=1e-12)


def test_poses_are_values():
    pose = MountingPose.from_xyz_rpy(*MOUNTINGS['rolled'])
    assert pose == MountingPose.from_xyz_rpy(*MOUNTINGS['rolled'])
    assert pose != MountingPose.from_xyz_rpy(*MOUNTINGS['ahead'])
    assert len({pose, MountingPose.from_xyz_rpy(*MOUNTINGS['rolled'])}) == 1
    points = np.random.default_rng(0).normal(size=(20, 3))
    there = pose.to_base(pose.to_camera(points)) + pose.position_m
    np.testing.assert_allclose(there, points, atol=1e-12)


@pytest.mark.parametrize(
    ('make', 'words'),
    [
        (lambda: MountingPose.from_xyz_rpy(0, 0, -0.4, 0, 0, 0), 'is -0.4 m above the ground'),
        (lambda: MountingPose.from_xyz_rpy(0, 0, 0.0, 0, 0, 0), 'is 0 m above the ground'),
        (lambda: MountingPose.from_xyz_rpy(0, 0, 1, math.nan, 0, 0), 'must be finite'),
        (lambda: MountingPose.from_xyz_rpy(math.inf, 0, 1, 0, 0, 0), 'must be finite'),
        (lambda: MountingPose.from_transform((0, 0, -1), (0, 0, 0, 1)), 'above the ground'),
        (lambda: MountingPose.from_transform((0, 0, 1), (0, 0, 0, 0)), 'must be a quaternion'),
        (lambda: MountingPose.from_transform((0, 0, 1), (0, 0, math.nan, 1)), 'quaternion'),
    ],
)
def test_a_pose_no_camera_can_have_is_refused_in_one_line(make, words):
    with pytest.raises(CalibrationError) as caught:
        make()
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


# The grid


def test_cells_are_counted_from_the_lower_corner():
    layout = GridLayout.from_config(GRID)
    assert layout.shape == (200, 400)
    centres = layout.centres()
    rows, columns = np.indices(layout.shape).reshape(2, -1)
    np.testing.assert_array_equal(layout.cell_of(centres), np.column_stack((rows, columns)))
    np.testing.assert_allclose(centres[0], (0.05, -9.95))
    np.testing.assert_allclose(centres[1], (0.15, -9.95))
    outside = ((-0.01, 0), (40.01, 0), (1, -10.01), (1, 10.01), (math.nan, 0))
    assert (layout.cell_of(outside) == -1).all()


def test_an_extent_that_is_no_multiple_of_the_resolution_is_covered():
    config = GroundConfig(x_min=0.0, x_max=1.0, y_min=-0.35, y_max=0.35, resolution=0.3)
    assert GridLayout.from_config(config).shape == (3, 4)


def test_rays_enter_and_leave_the_grid_at_its_edges():
    layout = GridLayout.from_config(GRID)
    directions = np.array(((1.0, 0), (-1, 0), (0, 1), (0.6, 0.8)))
    for origin, enter, leave in (
        ((2.0, 1.0), (0, 0, 0, 0), (38, 2, 9, 11.25)),
        ((-3.0, 0.0), (3, 0, 0, 5), (43, 0, 0, 12.5)),
    ):
        found = layout.span_from(origin, directions)
        np.testing.assert_allclose(found, (enter, leave), atol=1e-9)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'x_min': 5.0, 'x_max': 5.0}, 'ground.x_min = 5, ground.x_max = 5'),
        ({'y_min': 1.0, 'y_max': -1.0}, 'ground.y_min = 1, ground.y_max = -1'),
        ({'x_max': math.nan}, 'must be finite'),
        ({'resolution': 0.0}, 'ground.resolution = 0.0'),
        ({'resolution': -0.1}, 'ground.resolution = -0.1'),
        ({'resolution': 0.01}, f'8,000,000 cells: at most {MAX_CELLS:,}'),
        ({'x_max': 1e9, 'y_max': 1e9}, 'cells: at most'),
    ],
)
def test_a_grid_that_cannot_be_is_refused_in_one_line(changes, words, make_camera):
    with pytest.raises(ConfigError) as caught:
        project(make_camera('pinhole'), 'ahead', dataclasses.replace(GRID, **changes))
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('changes', 'pose'),
    [
        ({}, (1.5, 0, 1.5, 0, -1.2, 0)),
        ({}, (1.5, 0, 1.5, 0, 0, math.pi)),
        ({'x_min': 0.0, 'x_max': 1.0, 'y_min': -1.0, 'y_max': 1.0}, (1.5, 0, 1.5, 0, 0, 0)),
        ({'x_min': 500.0, 'x_max': 510.0}, (1.5, 0, 1.5, 0, math.pi / 2, 0)),
    ],
    ids=['up', 'away', 'too near', 'too far'],
)
def test_a_camera_that_sees_none_of_the_grid_is_refused(changes, pose, make_camera):
    camera, config = make_camera('pinhole'), dataclasses.replace(GRID, **changes)
    with pytest.raises(CalibrationError, match='sees no ground inside the grid'):
        GroundProjection(camera, MountingPose.from_xyz_rpy(*pose), config, camera.size)


# Between the ground and the image


def test_a_point_is_found_again_in_its_cell(ground):
    rng = np.random.default_rng(4)
    points = rng.uniform((0, -10), (40, 10), (5000, 2))
    pixels, valid = ground.pixel_of(np.column_stack((points, np.zeros(len(points)))))
    seen = valid & ground.camera.inside(pixels)
    assert seen.sum() > 100
    back = ground.ground_of(pixels[seen])
    offset = np.abs(back - points[seen]).max()
    assert offset < GRID.resolution / 2
    assert offset < 1e-6
    same = ground.cell_of(back) == ground.cell_of(points[seen])
    assert same.all(axis=1).mean() > 0.999


def test_each_cell_is_judged_by_the_pixels_that_see_it(ground):
    width, cells = ground.camera.width, ground.cells
    centres = ground.layout.centres()
    pixels, valid = ground.pixel_of(np.column_stack((centres, np.zeros(len(centres)))))
    shown = np.flatnonzero(valid & ground.camera.inside(pixels))
    np.testing.assert_array_equal(np.sort(cells.cell), shown)

    def places(index):
        row, column = np.divmod(index + ground.rows.start * width, width)
        return np.column_stack((column, row))

    exact = pixels[cells.cell]
    assert np.abs(places(cells.middle) - exact).max() <= 0.5 + 1e-9
    corner = exact - places(cells.corner)
    assert ((corner < 1) & ((corner >= 0) | (exact < 0))).all()
    for index in cells.pixels:
        assert 0 <= index.min() <= index.max() < ground.unseen
    # The outer pixel looks farther than the inner one, along the same bearing.
    away = centres[cells.cell] - ground.origin_m
    inner, outer = (ground.ground_of(places(index)) for index in (cells.inner, cells.outer))
    apart = cells.inner != cells.outer
    farther = ((outer - inner) * away).sum(axis=1) > 0
    below = np.isfinite(inner[:, 0]) & np.isfinite(outer[:, 0])
    assert farther[apart & below].mean() > 0.999


def test_rays_lead_outward_from_pixel_to_neighbouring_pixel(ground):
    width, rays = ground.camera.width, ground.rays
    for b in range(0, len(rays.directions), max(1, len(rays.directions) // 20)):
        chain = rays.pixels[:, b]
        seen = chain != ground.unseen
        if not seen.any():
            continue
        assert not seen[-1]
        row, column = np.divmod(chain[seen] + ground.rows.start * width, width)
        steps = np.abs(np.diff(np.column_stack((row, column)), axis=0)).max(axis=1, initial=0)
        assert (steps <= 1).all()
        range_m = rays.range_m[b, : seen.sum() + 1]
        assert (np.diff(range_m) >= 0).all()
        # Half way into each pixel the ray is where that pixel looks, to within a pixel.
        middle_m = (range_m[1:] + range_m[:-1]) / 2
        points = ground.origin_m + middle_m[:, None] * rays.directions[b]
        pixels, _ = ground.pixel_of(np.column_stack((points, np.zeros(len(points)))))
        assert np.abs(pixels - np.column_stack((column, row))).max() < 0.8


def test_nothing_above_the_horizon_is_on_the_ground(make_camera):
    camera = make_camera('pinhole')
    ground = project(camera, 'ahead')
    horizon = camera.cy - camera.fy * math.tan(0.03)
    u = np.linspace(0, camera.width - 1, 9)
    above = np.column_stack((u, np.full(9, horizon - 0.01)))
    below = np.column_stack((u, np.full(9, horizon + 0.5)))
    assert np.isnan(ground.ground_of(above)).all()
    assert (ground.ground_of(below)[:, 0] > 100).all()
    assert ground.rows.start > horizon


@pytest.mark.parametrize(
    ('mounting', 'middle', 'width'),
    [
        ('ahead', 0.0, 2 * math.atan(0.5 / 0.8)),
        ('left', math.pi / 2, None),
        ('rear', math.pi, None),
        ('down', 0.0, 2 * math.pi),
    ],
)
def test_bearings_cover_what_the_camera_sees_counter_clockwise(
    mounting, middle, width, make_camera
):
    config = dataclasses.replace(GRID, y_min=-30.0, y_max=30.0, x_min=-10.0, resolution=0.2)
    ground = project(make_camera('pinhole'), mounting, config)
    begin, end = ground.arc_rad
    assert begin < end <= begin + 2 * math.pi
    assert math.remainder((begin + end) / 2 - middle, 2 * math.pi) == pytest.approx(0, abs=0.1)
    if width is not None:
        assert end - begin == pytest.approx(width, abs=0.05)
    turns = np.cross(*(np.pad(d, ((0, 0), (0, 1))) for d in _neighbours(ground.rays)))[:, 2]
    assert (turns > 0).all()


def _neighbours(rays):
    return rays.directions[:-1], rays.directions[1:]


def test_masks_smaller_than_the_image_are_looked_up_in_their_own_pixels(make_camera):
    camera = make_camera('plumb_bob')
    ground = project(camera, 'ahead', mask_size=(180, 240))
    whole = project(camera, 'ahead')
    assert ground.mask_size == (180, 240)
    assert ground.unseen < 180 * 240
    point = ((12.0, 1.0, 0.0),)
    share = (ground.pixel_of(point)[0] + 0.5) / (240, 180)
    np.testing.assert_allclose(share, (whole.pixel_of(point)[0] + 0.5) / (480, 360))


def test_more_bearings_than_rays_get_rays_of_their_own(make_camera):
    ground = project(make_camera('pinhole', 60, 80), 'ahead')
    count = len(ground.rays.directions)
    assert ground.rays_for(count) is None
    more = ground.rays_for(count + 100)
    assert len(more.directions) == count + 100
    assert ground.rays_for(count + 100) is more
