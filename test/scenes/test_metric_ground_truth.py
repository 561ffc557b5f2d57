# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground truth in metres against geometry computed by hand, in worlds of a few boxes."""

import math

import numpy as np
import pytest

from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.settings import replace
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.grid import MAX_CELLS, GridExtent, GroundInView
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.metric_ground_truth import BLOCKED, FREE, UNSEEN, MetricGroundTruthFinder
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.patches import UP, Patch
from mfaranet_ros.scenes.road import HALF_ROAD_M, LANE_M
from mfaranet_ros.scenes.shapes import SHAPES, Shape
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene
from mfaranet_ros.scenes.things import Thing
from mfaranet_ros.scenes.world import Snapshot

BARE = {'curvature': 0.0, 'labels': 'cityscapes'}
COARSE = GridExtent(resolution_m=0.25)
AHEAD = SceneCamera(pitch=0.05)
CAMERAS = {
    'pinhole': AHEAD,
    'plumb_bob': SceneCamera(
        fx=380, pitch=0.1, coefficients=(-0.25, 0.08, 0.001, -0.0005, -0.01)
    ),
    'rational_polynomial': SceneCamera(
        fx=380, pitch=0.2, roll=0.15, model='rational_polynomial',
        coefficients=(0.3, 0.1, 5e-4, -3e-4, 0.01, 0.6, 0.2, 0.02),
    ),
    'fisheye to the left': SceneCamera(
        fx=240, x=15.0, z=1.8, pitch=0.4, yaw=math.pi / 2, model='equidistant',
        coefficients=(0.02, -0.01, 0.003, -5e-4),
    ),
    'fisheye of 200 degrees': SceneCamera(
        480, 480, fx=134, x=20.0, z=1.8, pitch=0.6, model='equidistant',
        coefficients=(0.01, 0.0, 0.0, 0.0),
    ),
    'rear': SceneCamera(fx=300, x=38.0, y=0.5, z=2.0, pitch=0.2, roll=-0.05, yaw=math.pi),
}  # fmt: skip


class Street(SyntheticScene):
    """A straight road with boxes: x and y ahead and to the left of base_link, turn, size."""

    def __init__(self, *boxes, camera=AHEAD):
        super().__init__(0, replace(SceneOptions(), BARE), camera)
        self.boxes = boxes

    def snapshot(self, index):
        pose = self.pose(index)
        assert (pose.cosine, pose.sine) == (1, 0)
        things = [
            Thing(Kind.CAR, 'box', pose.x_m + x, pose.y_m + y, math.cos(turn), math.sin(turn),
                  *size)
            for x, y, turn, size in self.boxes
        ]  # fmt: skip
        return Snapshot(self.world.road, tuple(things))


def box_patches(length, width, height, variant):
    a, b = length / 2, width / 2
    sides = (
        ((a, -b, 0.0), (0.0, 1.0, 0.0), width),
        ((a, b, 0.0), (-1.0, 0.0, 0.0), length),
        ((-a, b, 0.0), (0.0, -1.0, 0.0), width),
        ((-a, -b, 0.0), (1.0, 0.0, 0.0), length),
    )
    lid = Patch((-a, b, height), (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (width, length))
    return [lid, *(Patch(corner, across, UP, (size, height)) for corner, across, size in sides)]


@pytest.fixture(scope='module', autouse=True)
def _boxes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SHAPES, 'box', Shape(box_patches))
        yield


def hidden_by(box, camera, points):
    """Return which points of the ground a box hides or covers: by its slabs."""
    x, y, turn, size = box
    c, s = math.cos(turn), math.sin(turn)
    turned = np.array(((c, s, 0), (-s, c, 0), (0, 0, 1)))
    eye = turned @ (np.array((camera.x, camera.y, camera.z)) - (x, y, 0))
    ground = np.column_stack((points - (x, y), np.zeros(len(points)))) @ turned.T
    ahead = ground - eye
    ahead[np.abs(ahead) < 1e-12] = 1e-12
    low, high = np.array((-size[0] / 2, -size[1] / 2, 0)), np.array((size[0] / 2, size[1] / 2, 0))
    high[2] = size[2]
    ends = np.sort(((low - eye) / ahead, (high - eye) / ahead), axis=0)
    enter, leave = ends[0].max(axis=1), ends[1].min(axis=1)
    return (enter < leave) & (enter < 1 - 1e-9) & (leave > 0)


def edge_distance(box, points):
    x, y, turn, size = box
    c, s = math.cos(turn), math.sin(turn)
    away = points - (x, y)
    ahead = np.abs(away @ (c, s)) - size[0] / 2
    aside = np.abs(away @ (-s, c)) - size[1] / 2
    outside = np.hypot(np.maximum(ahead, 0), np.maximum(aside, 0))
    return np.where(outside > 0, outside, -np.maximum(ahead, aside))


BOXES = {
    'car': (14.0, -1.0, 0.1, (4.2, 1.8, 1.5)),
    'one looks over it': (8.0, 0.5, 0.4, (1.0, 0.6, 0.5)),
    'taller than the camera': (22.0, 0.8, 0.0, (0.5, 0.6, 2.5)),
}


@pytest.fixture(scope='module', params=BOXES)
def one_box(request):
    box = BOXES[request.param]
    finder = MetricGroundTruthFinder(Street(box), COARSE)
    return box, finder.at(0)


def test_hidden_is_what_the_box_hides(one_box):
    box, ground_truth = one_box
    expected = hidden_by(box, AHEAD, COARSE.centres()).reshape(COARSE.shape)
    assert expected.sum() > 5
    np.testing.assert_array_equal(ground_truth.hidden, expected & ground_truth.in_view)
    assert not (ground_truth.grid.cells[expected] == FREE).any()


def test_feet_lie_where_the_box_meets_the_ground(one_box):
    box, ground_truth = one_box
    assert len(ground_truth.feet_m) > 10
    assert edge_distance(box, ground_truth.feet_m).max() < 0.01
    assert (ground_truth.grid.cells[COARSE.cells_of(ground_truth.feet_m)] == BLOCKED).all()


def test_free_is_the_drivable_ground_in_sight(one_box):
    box, ground_truth = one_box
    centres = COARSE.centres()
    road = (np.abs(centres[:, 1] + LANE_M) <= HALF_ROAD_M).reshape(COARSE.shape)
    free = road & ground_truth.in_view & ~ground_truth.hidden
    found = ground_truth.grid.cells == FREE
    assert not (found & ~free).any()
    missing = (free & ~found).ravel()
    assert edge_distance(box, centres[missing]).max(initial=0) < COARSE.resolution_m
    assert (
        ground_truth.grid.cells[ground_truth.in_view & ~road & ~ground_truth.hidden] == BLOCKED
    ).all()
    assert (ground_truth.grid.cells[~ground_truth.in_view] == UNSEEN).all()


def test_the_boundary_ends_at_kerb_box_and_grid():
    box = BOXES['car']
    finder = MetricGroundTruthFinder(Street(box))
    ground_truth = finder.at(3)
    away = ground_truth.boundary_m - (AHEAD.x, AHEAD.y)
    kerb_m = np.full(len(away), np.inf)
    for side in (HALF_ROAD_M - LANE_M, -HALF_ROAD_M - LANE_M):
        towards = away[:, 1] * side > 0
        kerb_m[towards] = (side / away[towards, 1]) * np.hypot(*away[towards].T)
    end_m = np.minimum(np.maximum(kerb_m, finder.view_at(0).near_m), finder.view_at(0).far_m)
    beyond = ground_truth.boundary_m + 0.02 * away / np.hypot(*away.T)[:, None]
    at_box = hidden_by(box, AHEAD, beyond)
    assert at_box.sum() > 50
    assert edge_distance(box, ground_truth.boundary_m[at_box]).max() < 0.02
    np.testing.assert_allclose(np.hypot(*away[~at_box].T), end_m[~at_box], atol=0.01)


def test_what_may_be_driven_on_does_not_depend_on_the_view():
    box = BOXES['car']
    ahead, rear = (
        MetricGroundTruthFinder(Street(box, camera=camera), COARSE).at(5)
        for camera in (AHEAD, CAMERAS['rear'])
    )
    np.testing.assert_array_equal(ahead.drivable, rear.drivable)
    assert (ahead.in_view != rear.in_view).any()


def test_what_stands_behind_the_camera_is_not_drivable_either():
    box = (-30.0, 1.0, 0.0, (4.2, 1.8, 1.5))
    extent = GridExtent(-40.0, 20.0, -5.0, 5.0, 0.5)
    ground_truth = MetricGroundTruthFinder(Street(box), extent).at(5)
    x, y = extent.centres().T
    under = ((np.abs(x + 30.0) < 2.1) & (np.abs(y - 1.0) < 0.9)).reshape(extent.shape)
    assert under.sum() > 10
    assert not ground_truth.drivable[under].any()
    assert ground_truth.drivable[~under].mean() > 0.5


# The view


@pytest.fixture(scope='module', params=CAMERAS)
def view(request):
    return GroundInView(CAMERAS[request.param], COARSE)


def test_what_a_pixel_sees_is_in_view_and_what_lies_beside_the_image_is_not(view):
    margin, camera = 3, view.camera
    wider = SceneCamera(
        camera.width + 2 * margin, camera.height + 2 * margin, camera.fx, camera.fy,
        camera.cx + margin, camera.cy + margin, camera.model, camera.coefficients,
        camera.x, camera.y, camera.z, camera.roll, camera.pitch, camera.yaw,
    )  # fmt: skip
    rays = wider.rays()
    with np.errstate(divide='ignore', invalid='ignore'):
        ground = view.foot_m + rays[..., :2] * (-camera.z / rays[..., 2:])
    near = (rays[..., 2] < -0.02) & np.isfinite(ground).all(axis=-1)
    inner = np.zeros(near.shape, bool)
    inner[margin:-margin, margin:-margin] = True
    assert view.shows(ground[near & inner]).all()
    beside = near & ~inner
    beside[[margin - 1, -margin]] = beside[:, [margin - 1, -margin]] = False
    assert not view.shows(ground[beside]).any()


def test_bearings_run_counter_clockwise_through_the_view(view):
    bearings = np.unwrap(np.arctan2(view.directions[:, 1], view.directions[:, 0]))
    assert (np.diff(bearings) > 0).all()
    assert (view.near_m < view.far_m).all()
    for share in (0.02, 0.5, 0.98):
        range_m = view.near_m + share * (view.far_m - view.near_m)
        points = view.foot_m + range_m[:, None] * view.directions
        assert (view.shows(points) & COARSE.holds(points)).mean() > 0.99


# Bad input


@pytest.mark.parametrize('camera', [SceneCamera(yaw=math.pi), SceneCamera(x=60.0)])
def test_a_camera_that_sees_none_of_the_grid_is_refused(camera):
    with pytest.raises(CalibrationError, match='sees no ground inside the grid'):
        MetricGroundTruthFinder(Street(camera=camera))


@pytest.mark.parametrize(
    ('values', 'words'),
    [
        ({'resolution_m': 0.0001}, f'80,000,000,000 cells: at most {MAX_CELLS:,}'),
        ({'x_max_m': 1e6}, '2,000,000,000 cells'),
        ({'resolution_m': 0.0}, 'resolution positive'),
        ({'x_max_m': -1.0}, 'each end beyond its beginning'),
        ({'y_min_m': math.nan}, 'must be finite'),
    ],
)
def test_a_grid_that_cannot_be_is_refused_with_its_number_of_cells(values, words):
    with pytest.raises(ConfigError) as caught:
        GridExtent(**values)
    assert words in str(caught.value)
    assert '\n' not in str(caught.value)
