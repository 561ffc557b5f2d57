# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The drivable area against scenes whose ground truth in metres is known exactly.

Labels are the true ones, so that only the geometry is judged.
"""

import dataclasses
import math

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.frame import METRIC_OUTPUTS, Output
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.drivable import find_drivable

ROAD, PAVEMENT, CAR, SKY, VOID = 0, 1, 2, 3, 255
FREE, BLOCKED, UNSEEN = 0, 100, -1
NEIGHBOURS = np.ones((3, 3), np.uint8)
EVERYTHING = METRIC_OUTPUTS | {Output.DRIVABLE_MASK}
AHEAD = (1.5, 0.0, 1.5, 0.0, 0.03, 0.0)

VIEWS = {
    'ahead': ('pinhole', AHEAD),
    'distorted': ('plumb_bob', AHEAD),
    'rolled and pitched': ('rational_polynomial', (1.5, 0.0, 1.5, 0.1, 0.15, 0.1)),
    'fisheye': ('equidistant', (1.5, 0.0, 1.6, -0.1, 0.3, 0.0)),
    'sideways': ('pinhole', (15.0, 0.0, 1.8, 0.0, 0.3, math.pi / 2)),
    'rear': ('plumb_bob', (39.0, 0.5, 2.5, 0.03, 0.2, math.pi)),
    'upright': ('pinhole', (1.5, 0.0, 1.6, math.pi / 2, 0.1, 0.0)),
    'from before the grid': ('pinhole', (-4.0, 0.0, 1.8, 0.0, 0.05, 0.0)),
}


class Look:
    """A scene seen by a camera: what was found, and the ground truth."""

    def __init__(self, scene, camera, mounting, roles, config=GroundConfig()):  # noqa: B008
        self.scene, self.pose = scene, MountingPose.from_xyz_rpy(*mounting)
        self.ground = GroundProjection(camera, self.pose, config, camera.size)
        self.labels = scene.labels(camera, self.pose)
        self.roles = roles
        self.found = self.find()
        self.cells = self.found.grid.cells
        centres = self.ground.layout.centres()
        shape = self.ground.layout.shape
        self.hidden = scene.is_hidden(centres, self.pose).reshape(shape)
        self.road = scene.is_road(centres).reshape(shape)
        self.in_view = self.sees(centres).reshape(shape)
        self.free = self.road & self.in_view & ~self.hidden
        self.range_m = self.range_of(centres).reshape(shape)

    def find(self, labels=None, confidence=None, wanted=EVERYTHING, **settings):
        return self.find_timed(labels, confidence, wanted, **settings)[0]

    def find_timed(self, labels=None, confidence=None, wanted=EVERYTHING, **settings):
        labels = self.labels if labels is None else labels
        config = DrivableConfig(**settings)
        return find_drivable(labels, confidence, self.roles, config, wanted, self.ground)

    def range_of(self, points):
        return np.hypot(*(points - self.ground.origin_m).T)

    def sees(self, points):
        pixels, valid = self.ground.pixel_of(np.column_stack((points, np.zeros(len(points)))))
        return valid & self.ground.camera.inside(pixels)

    def pixel_m(self, points):
        """Return how far apart on the ground are rows of pixels that see these points."""
        camera = self.ground.camera
        return self.range_of(points) ** 2 / (min(camera.fx, camera.fy) * self.pose.position_m[2])

    def iou(self, up_to_m):
        found = (self.cells == FREE) & (self.range_m < up_to_m)
        ground_truth = self.free & (self.range_m < up_to_m)
        return (found & ground_truth).sum() / (found | ground_truth).sum()

    def boundary_errors(self):
        """Return the true range of each vertex and by how much it was missed, in metres."""
        ahead = self.found.boundary_m.astype(np.float64) - self.ground.origin_m
        range_m = np.hypot(*ahead.T)
        directions = ahead / range_m[:, None]
        _, ends_m = self.ground.layout.span_from(self.ground.origin_m, directions)
        steps_m = np.arange(0, ends_m.max() + 0.02, 0.02)
        points = self.ground.origin_m + steps_m[:, None, None] * directions
        shape = points.shape[:2]
        flat = points.reshape(-1, 2)
        seen = self.sees(flat).reshape(shape) & (steps_m[:, None] <= ends_m)
        hidden = self.scene.is_hidden(flat, self.pose).reshape(shape)
        ended = ~(seen & self.scene.is_road(points) & ~hidden)
        ended &= np.arange(len(steps_m))[:, None] >= seen.argmax(axis=0)
        ground_truth_m = steps_m[ended.argmax(axis=0)]
        return ground_truth_m, np.abs(range_m - ground_truth_m)


@pytest.fixture(scope='module', params=VIEWS)
def look(request, street, make_camera, roles):
    """The street in one view after the other, at 480x360."""
    kind, mounting = VIEWS[request.param]
    return Look(street, make_camera(kind), mounting, roles)


@pytest.fixture(scope='module')
def ahead(street, make_camera, roles):
    return Look(street, make_camera('pinhole'), AHEAD, roles)


# Against the ground truth


def test_free_cells_are_the_free_ground(look):
    assert look.free.sum() > 1000
    assert look.iou(20) >= 0.97
    assert look.iou(40) >= 0.93


def test_nothing_hidden_or_out_of_view_is_called_free(look):
    free = look.cells == FREE
    assert look.hidden.sum() > 1000
    assert (free & look.hidden).sum() == 0
    assert (free & ~look.in_view).sum() == 0
    outside = cv2.dilate(look.in_view.astype(np.uint8), NEIGHBOURS) == 0
    assert (look.cells[outside] == UNSEEN).all()


def test_feet_are_found_within_a_cell_or_half_a_pixel(look):
    feet = look.scene.feet(look.pose)
    feet = feet[look.sees(feet)]
    row, column = look.ground.cell_of(feet).T
    feet, row, column = feet[row >= 0], row[row >= 0], column[row >= 0]
    near = cv2.dilate((look.cells == BLOCKED).astype(np.uint8), NEIGHBOURS) > 0
    sharp = look.pixel_m(feet) < 0.2
    assert near[row, column][sharp].sum() >= 0.97 * sharp.sum()
    assert near[row, column].mean() >= 0.93


def test_what_is_called_blocked_is_a_foot_or_pavement_or_hidden(look):
    free = cv2.erode(look.free.astype(np.uint8), NEIGHBOURS) > 0
    wrong = free & (look.cells == BLOCKED)
    assert wrong.sum() / look.free.sum() < 0.01


def test_the_boundary_ends_where_the_free_space_ends(look):
    ground_truth_m, error_m = look.boundary_errors()
    camera = look.ground.camera
    pixel_m = ground_truth_m**2 / (min(camera.fx, camera.fy) * look.pose.position_m[2])
    assert (error_m <= np.maximum(0.15, 0.75 * pixel_m)).mean() >= 0.95
    assert np.median(error_m / np.maximum(0.1, pixel_m)) < 0.4


def test_a_straight_edge_is_found_between_the_pixels(make_scene, make_camera, roles):
    look = Look(make_scene(bend=0.0), make_camera('pinhole'), AHEAD, roles)
    ground_truth_m, error_m = look.boundary_errors()
    range_m = np.hypot(*(look.found.boundary_m - look.ground.origin_m).T)
    kerb = (np.abs(np.abs(look.found.boundary_m[:, 1]) - 3.5) < 0.5) & (range_m < 20)
    pixel_m = ground_truth_m**2 / (look.ground.camera.fy * look.pose.position_m[2])
    assert kerb.sum() > 50
    assert np.percentile((error_m / pixel_m)[kerb], 90) < 0.25


def test_a_corner_is_not_rounded(make_scene, make_camera, roles):
    scene = make_scene((12, -2.0, 0, 4.0, 1.8, 1.5), half_width_m=8.0, bend=0.0)
    look = Look(scene, make_camera('pinhole'), AHEAD, roles)
    vertices = look.found.boundary_m
    front = (np.abs(vertices[:, 1] + 2.0) < 0.85) & (vertices[:, 0] < 11)
    assert front.sum() >= 4
    np.testing.assert_allclose(vertices[front, 0], 10.0, atol=0.15)


def test_a_drivable_pixel_lies_in_a_free_cell(look):
    # Not those at the rim of the drivable area, which share a cell with what is beyond.
    inner = cv2.erode((look.found.mask == 255).astype(np.uint8), np.ones((5, 5), np.uint8))
    v, u = np.nonzero(inner)
    row, column = look.ground.cell_of(look.ground.ground_of(np.column_stack((u, v)))).T
    row, column = row[row >= 0], column[row >= 0]
    assert len(row) > 1000
    assert (look.cells[row, column] == FREE).mean() >= 0.97


@pytest.mark.slow
def test_the_goals_are_met_at_full_size(street, make_camera, roles):
    look = Look(street, make_camera('plumb_bob', 1024, 2048, 1100), AHEAD, roles)
    assert look.iou(20) >= 0.97
    assert look.iou(40) >= 0.93
    test_nothing_hidden_or_out_of_view_is_called_free(look)
    ground_truth_m, error_m = look.boundary_errors()
    near = ground_truth_m < 20
    assert (error_m[near] <= 0.15).mean() >= 0.95
    assert (error_m[~near] <= 0.5).mean() >= 0.95


def test_what_stands_behind_something_low_is_found_again(make_scene, make_camera, roles):
    scene = make_scene((8, 0, 0, 0.3, 1.5, 0.5), (20, 0, 0, 0.5, 0.5, 1.8), bend=0.0)
    look = Look(scene, make_camera('pinhole'), AHEAD, roles)
    middle = look.cells[90:110]
    blocked = np.flatnonzero((middle == BLOCKED).any(axis=0)) / 10
    assert set(np.round(blocked)) == {8.0, 20.0}
    # Hidden: up to where one looks over the low thing, 1.5 m high camera, 6.35 m from its rear.
    until = 1.5 + 6.65 * 1.5 / (1.5 - 0.5)
    ahead = look.cells[100]
    assert (ahead[85 : int(until * 10) - 2] == UNSEEN).all()
    assert (ahead[int(until * 10) + 4 : 193] == FREE).all()
    vertex = np.abs(look.found.boundary_m[:, 1]) < 0.5
    np.testing.assert_allclose(look.found.boundary_m[vertex, 0], 7.85, atol=0.1)


def test_a_thin_pole_nearby_is_not_lost_between_cells(make_scene, make_camera, roles):
    config = dataclasses.replace(GroundConfig(), resolution=0.5)
    scene = make_scene((6.1, 0.6, 0, 0.05, 0.05, 3), half_width_m=20.0)
    look = Look(scene, make_camera('pinhole'), AHEAD, roles, config)
    assert np.argwhere(look.cells == BLOCKED).tolist() == [[21, 12]]


# What labels mean


@pytest.mark.parametrize(
    ('label', 'value'), [(ROAD, FREE), (PAVEMENT, BLOCKED), (VOID, UNSEEN), (77, UNSEEN)]
)
def test_a_image_of_one_ground_gives_all_seen_cells_one_value(label, value, ahead):
    found = ahead.find(np.full_like(ahead.labels, label))
    assert (found.grid.cells[ahead.in_view] == value).all()
    assert (found.grid.cells[~ahead.in_view] == UNSEEN).all()
    near_m = ahead.range_m[ahead.in_view].min()
    range_m = ahead.range_of(found.boundary_m)
    if label == ROAD:
        beyond = found.boundary_m + 0.02 * (found.boundary_m - ahead.ground.origin_m)
        assert ((ahead.ground.cell_of(beyond)[:, 0] < 0) | ~ahead.sees(beyond)).all()
        assert range_m.max() > 39
        assert (found.points.labels == ROAD).all()
    else:
        assert range_m.max() < near_m * 1.5


@pytest.mark.parametrize('label', [CAR, SKY])
def test_what_fills_the_image_stands_at_the_near_edge_of_the_view(label, ahead):
    found = ahead.find(np.full_like(ahead.labels, label))
    assert not (found.grid.cells == FREE).any()
    blocked = found.grid.cells == BLOCKED
    assert blocked.any()
    assert ahead.range_m[blocked].max() < ahead.range_m[ahead.in_view].min() * 1.5
    assert (found.points.labels == label).all()


@pytest.mark.parametrize('noise', range(3))
def test_noise_breaks_nothing(noise, ahead):
    rng = np.random.default_rng(noise)
    labels = rng.integers(0, 256, ahead.labels.shape, dtype=np.uint8)
    confidence = rng.integers(0, 256, ahead.labels.shape, dtype=np.uint8)
    found = ahead.find(labels, confidence)
    assert set(np.unique(found.grid.cells)) <= {FREE, BLOCKED, UNSEEN}
    assert np.isfinite(found.boundary_m).all()
    assert np.isfinite(found.points.xyz_m).all()


# Confidence


@pytest.mark.parametrize(
    ('minimum', 'confidence', 'expected'),
    [
        (0.5, 127, 127),
        (0.5, 128, None),
        (0.5, None, None),
        (0.0, 0, None),
        (1.0, 254, 127),
        (1.0, 255, None),
    ],
)
def test_below_the_minimum_a_pixel_is_unsure(minimum, confidence, expected, ahead):
    values = None if confidence is None else np.full_like(ahead.labels, confidence)
    found = ahead.find(confidence=values, min_confidence=minimum)
    road = ahead.labels == ROAD
    assert (found.mask[road] == (255 if expected is None else expected)).all()
    assert (found.mask[~road] == (0 if expected is None else expected)).all()
    if expected is None:
        np.testing.assert_array_equal(found.grid.cells, ahead.cells)
    else:
        assert (found.grid.cells == UNSEEN).all()
        assert len(found.points.labels) == len(found.boundary_m)


def test_unlabeled_pixels_are_unsure(ahead):
    mask = ahead.find(np.full_like(ahead.labels, VOID)).mask
    assert (mask == 127).all()


def test_an_unsure_patch_is_unseen_and_ends_the_free_space(ahead):
    patch = cv2.circle(np.zeros_like(ahead.labels), (245, 280), 12, 1, -1) > 0
    assert (ahead.labels[patch] == ROAD).all()
    confidence = np.where(patch, 90, 250).astype(np.uint8)
    found = ahead.find(confidence=confidence)
    changed = found.grid.cells != ahead.cells
    assert changed.any()
    assert (found.grid.cells[changed] == UNSEEN).all()
    centre = ahead.ground.ground_of(((245.0, 280.0),))[0]
    row, column = ahead.ground.cell_of(centre)[0]
    assert changed[row, column]
    vertex = np.abs(found.boundary_m[:, 1] - centre[1]).argmin()
    assert ahead.range_of(found.boundary_m)[vertex] < ahead.range_of(centre)


def test_a_foot_behind_a_seam_of_unsure_pixels_is_still_a_foot(make_scene, make_camera, roles):
    scene = make_scene((10, 0, 0, 1, 2, 1.5), bend=0.0)
    look = Look(scene, make_camera('pinhole'), AHEAD, roles)
    car = (look.labels == CAR).astype(np.uint8)
    seam = (cv2.dilate(car, np.ones((5, 5), np.uint8)) > 0) & (look.labels == ROAD)
    found = look.find(confidence=np.where(seam, 50, 200).astype(np.uint8))
    front = found.grid.cells[95:105, 93:97]
    assert (front == BLOCKED).any(axis=1).all()


# The form of the results


def test_only_what_is_wanted_is_computed(ahead):
    fields = {
        Output.DRIVABLE_MASK: 'mask',
        Output.GRID: 'grid',
        Output.BOUNDARY: 'boundary_m',
        Output.POINTS: 'points',
    }
    for wanted in (*([output] for output in fields), list(fields), []):
        found, timings = ahead.find_timed(wanted=frozenset(wanted))
        for output, field in fields.items():
            assert (getattr(found, field) is not None) == (output in wanted)
            elapsed_ms = getattr(timings, f'{field.removesuffix("_m")}_ms')
            assert (elapsed_ms is not None) == (output in wanted)


def test_the_free_rim_is_the_boundary_where_ground_is_seen(look):
    rim, points = look.found.free_rim, look.found.points
    is_seen = look.found.boundary_m[:, None] == rim.xyz_m[None, :, :2]
    assert is_seen.all(axis=2).any(axis=0).all()
    assert (rim.xyz_m[:, 2] == 0).all()
    assert rim.feet == 0
    assert points.feet == len(points.labels) - (~np.isin(points.labels, (CAR, SKY))).sum()
    assert len(rim.labels) >= len(points.labels) - points.feet


def test_the_free_rim_is_timed_with_the_points(ahead):
    found, timings = ahead.find_timed(wanted=frozenset({Output.FREE_RIM}))
    assert found.free_rim is not None
    assert found.points is None
    assert timings.points_ms is not None


def test_without_a_calibration_the_metric_outputs_are_silent(ahead, roles):
    config = DrivableConfig()
    found, timings = find_drivable(ahead.labels, None, roles, config, EVERYTHING, None)
    np.testing.assert_array_equal(found.mask, ahead.found.mask)
    assert (found.grid, found.boundary_m, found.points) == (None, None, None)
    assert timings.mask_ms is not None
    assert (timings.grid_ms, timings.boundary_ms, timings.points_ms) == (None, None, None)


def test_masks_of_another_size_are_refused(ahead):
    with pytest.raises(CalibrationError, match=r'240x180 pixels .* 480x360'):
        ahead.find(np.zeros((180, 240), np.uint8))


def test_the_grid_says_where_it_is(ahead):
    grid = ahead.found.grid
    assert grid.cells.dtype == np.int8
    assert grid.cells.shape == (200, 400)
    assert (grid.resolution_m, grid.x_min_m, grid.y_min_m) == (0.1, 0.0, -10.0)


@pytest.mark.parametrize('count', [3, 181, 1000])
def test_the_boundary_has_its_vertices_counter_clockwise(count, look):
    found = look.find(wanted=frozenset({Output.BOUNDARY}), boundary_bearings=count)
    assert found.boundary_m.shape == (count, 2)
    assert found.boundary_m.dtype == np.float32
    ahead = found.boundary_m.astype(np.float64) - look.ground.origin_m
    bearings = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    assert (np.diff(bearings) > 0).all()
    begin, end = look.ground.arc_rad
    assert bearings[-1] - bearings[0] == pytest.approx((end - begin) * (1 - 1 / count), abs=0.02)


def test_the_near_edge_closes_the_boundary_around_free_cells_only(ahead):
    found = ahead.found
    assert found.near_edge_m.shape == (2, 2)
    outline_m = np.concatenate((found.boundary_m, found.near_edge_m)).astype(np.float32)
    centres = ahead.ground.layout.centres()
    inside = np.array([
        cv2.pointPolygonTest(outline_m, (float(x), float(y)), measureDist=True) > 0.3
        for x, y in centres
    ])  # fmt: skip
    inside &= ahead.range_m.ravel() < 12.0
    assert inside.sum() > 100
    assert (ahead.cells.ravel()[inside] == FREE).mean() > 0.99


def test_a_bearing_that_just_misses_the_image_begins_as_the_next_one_does(
    street, make_camera, roles
):
    look = Look(street, make_camera('plumb_bob'), VIEWS['rear'][1], roles)
    boundary_m = look.find(wanted=frozenset({Output.BOUNDARY}), boundary_bearings=3600).boundary_m
    assert look.range_of(boundary_m).min() > look.range_m[look.in_view].min() * 0.9


def test_points_are_the_feet_and_the_rest_of_the_boundary(look):
    points, boundary_m = look.found.points, look.found.boundary_m
    assert (points.xyz_m.dtype, points.labels.dtype) == (np.float32, np.uint8)
    assert points.xyz_m.shape == (len(points.labels), 3) == (len(points.confidence), 3)
    assert (points.xyz_m[:, 2] == 0).all()
    assert (points.confidence == 255).all()
    is_foot = np.isin(points.labels, (CAR, SKY))
    rest = points.xyz_m[~is_foot, :2]
    assert (np.abs(rest[:, None] - boundary_m).max(axis=2).min(axis=1) == 0).all()
    feet = points.xyz_m[points.labels == CAR, :2].astype(np.float64)
    ground_truth = look.scene.feet(look.pose)
    apart_m = np.hypot(*(feet[:, None] - ground_truth).transpose(2, 0, 1)).min(axis=1)
    # A thing that leaves the image at its lower edge has its foot out of sight.
    off_edge = np.array([look.sees(f + 0.05 * (look.ground.origin_m - f)[None]) for f in feet])
    good = apart_m <= np.maximum(0.15, 0.75 * look.pixel_m(feet))
    assert good[off_edge[:, 0]].mean() >= 0.9


def test_points_carry_the_confidence_of_their_pixels(ahead):
    confidence = np.where(ahead.labels == CAR, 222, 180).astype(np.uint8)
    points = ahead.find(confidence=confidence).points
    assert (points.confidence == np.where(points.labels == CAR, 222, 180)).all()
