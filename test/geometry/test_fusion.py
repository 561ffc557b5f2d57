# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fusion of cameras, the memory that the vehicle drives through, and the ego motion."""

import math

import numpy as np
import pytest

from mfaranet_ros.core.config import FusionConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.frame import GroundEvidence, GroundGrid
from mfaranet_ros.geometry.ego_motion import EgoPose, EgoTrack
from mfaranet_ros.geometry.fusion import BLOCKED, FREE, UNSEEN, cells_of, fuse, log_odds_of
from mfaranet_ros.geometry.ground import GridLayout
from mfaranet_ros.geometry.rig_grid import RigGrid

EXTENT = {
    'ground.x_min': -10.0, 'ground.x_max': 10.0, 'ground.y_min': -5.0, 'ground.y_max': 5.0,
    'ground.resolution': 0.5,
}  # fmt: skip
LAYOUT = GridLayout.from_config(replace(PipelineConfig(), EXTENT).ground)
TILT_RAD = math.radians(0.2)
SECOND_NS = 10**9
AHEAD = slice(None), slice(20, 40)
BEHIND = slice(None), slice(0, 20)


def evidence(value=FREE, where=AHEAD, covered=None, confidence=None, x_m=0.0, blocked=()):
    cells = np.full(LAYOUT.shape, UNSEEN, np.int8)
    cells[where] = value
    in_view = np.flatnonzero(cells.reshape(-1) != UNSEEN)
    hidden = np.zeros(LAYOUT.shape, np.bool_)
    if covered is not None:
        hidden[covered] = True
        cells[covered] = UNSEEN
    for cell in blocked:
        cells[cell] = BLOCKED
    grid = GroundGrid(cells, LAYOUT.resolution_m, LAYOUT.x_min_m, LAYOUT.y_min_m)
    feet = np.zeros(LAYOUT.shape, np.bool_)
    for cell in blocked:
        feet[cell] = True
    return GroundEvidence(grid, confidence, hidden, feet, in_view, (x_m, 0.0, 1.5), 0.005)


def rig(memory='odometry', **settings):
    config = replace(FusionConfig(), {'memory': memory, **settings})
    return RigGrid(LAYOUT, config, ('front', 'rear'))


def drive(grid, stamp_ns, x_m=0.0, yaw_rad=0.0):
    """Be there from 0.1 s before the moment on."""
    if grid.track.newest_ns is not None and stamp_ns - grid.track.newest_ns > 4 * 10**8:
        grid.track.take(stamp_ns - 4 * 10**8, grid.track.at(grid.track.newest_ns))
        grid.track.take(stamp_ns - 10**8, EgoPose(x_m, 0.0, yaw_rad))
    grid.track.take(stamp_ns, EgoPose(x_m, 0.0, yaw_rad))


# -- how much a look counts ----------------------------------------------------------------------


def test_a_look_counts_less_the_farther_and_the_less_confident_it_is():
    odds = log_odds_of(evidence(where=(slice(None), slice(None))), TILT_RAD)
    middle = odds[10]
    assert (odds < 0).all()
    assert middle[20] < middle[39]
    assert (np.diff(middle[20:]) >= 0).all()  # from the camera outward it goes towards 0
    half = np.full(LAYOUT.shape, 128, np.uint8)
    doubtful = log_odds_of(evidence(confidence=half), TILT_RAD)
    assert (doubtful[AHEAD] > odds[AHEAD]).all()
    far = log_odds_of(evidence(x_m=-10.0), math.radians(3.0))
    assert (cells_of(far).cells[:, -4:] == UNSEEN).all()  # too far to be called free


def test_where_views_overlap_the_better_one_decides_and_agreement_is_more_certain():
    near, far = evidence(FREE), evidence(BLOCKED, x_m=-10.0)
    tilt_rad = math.radians(1.0)
    both = cells_of(fuse([near, far], tilt_rad))
    assert both.cells[10, 22] == FREE
    assert cells_of(fuse([far], tilt_rad)).cells[10, 22] == BLOCKED
    agree = cells_of(fuse([near, evidence(FREE, x_m=-10.0)], tilt_rad))
    alone = cells_of(fuse([near], tilt_rad))
    assert (agree.certainty[AHEAD] >= alone.certainty[AHEAD]).all()
    assert agree.certainty[10, 30] > alone.certainty[10, 30] > both.certainty[10, 30]
    assert set(both.certainty[BEHIND].ravel()) == {0}


# -- the grid of a rig ---------------------------------------------------------------------------


def test_without_ego_motion_it_holds_the_newest_of_each_camera_and_says_so():
    grid = rig()
    grid.take('front', evidence(), SECOND_NS)
    grid.take('rear', evidence(where=BEHIND), SECOND_NS + 10)
    fused = grid.fuse()
    assert (fused.grid.cells == FREE).all()
    assert fused.stamp_ns == SECOND_NS + 10
    assert fused.no_memory == 'no memory: no odometry has arrived'
    grid.take('front', evidence(UNSEEN), SECOND_NS + 20)
    assert (grid.fuse().grid.cells[AHEAD] == UNSEEN).all()


@pytest.mark.parametrize('memory', ['none', 'odometry'])
def test_the_sector_of_a_camera_that_died_is_unseen_and_that_of_the_other_stays(memory):
    grid = rig(memory)
    for step in range(12):
        stamp_ns = SECOND_NS + step * SECOND_NS // 10
        drive(grid, stamp_ns)
        grid.take('front', evidence(), stamp_ns)
        if step == 0:
            grid.take('rear', evidence(where=BEHIND), stamp_ns)
        lost = grid.expire(stamp_ns, SECOND_NS)
        fused = grid.fuse()
        assert lost == (['rear'] if step == 11 else [])
        assert (fused.grid.cells[BEHIND] == (UNSEEN if step == 11 else FREE)).all()
        assert (fused.grid.cells[AHEAD] == FREE).all()


def test_it_is_carried_along_forward_and_around_a_turn():
    grid = rig()
    for tenth in range(6):
        drive(grid, SECOND_NS + tenth * 10**8)
    grid.take('front', evidence(blocked=[(10, 30)]), SECOND_NS)  # 5 m ahead
    grid.fuse()
    drive(grid, 2 * SECOND_NS, x_m=3.0)
    grid.take('front', evidence(UNSEEN), 2 * SECOND_NS)
    fused = grid.fuse()
    assert BLOCKED in fused.grid.cells[9:12, 23:26]  # 2 m ahead now
    assert (fused.grid.cells[:, 14:20] == FREE).mean() > 0.9  # driven over, and remembered
    drive(grid, 3 * SECOND_NS, x_m=3.0, yaw_rad=math.pi / 2)
    grid.take('front', evidence(UNSEEN), 3 * SECOND_NS)
    assert BLOCKED in grid.fuse().grid.cells[5:8, 19:22]  # 2 m to the right


def test_it_fades_to_unknown_and_never_from_blocked_to_free():
    grid = rig(fade_s=0.5, keep_s=2.0)
    drive(grid, SECOND_NS)
    grid.take('front', evidence(blocked=[(10, 30)]), SECOND_NS)
    seen = []
    for tenth in range(31):
        stamp_ns = SECOND_NS + tenth * SECOND_NS // 10
        drive(grid, stamp_ns)
        if tenth:
            grid.take('front', evidence(UNSEEN), stamp_ns)
        fused = grid.fuse()
        seen.append(int(fused.grid.cells[10, 30]))
    changes = [
        value for value, before in zip(seen, [None, *seen], strict=False) if value != before
    ]
    assert changes == [BLOCKED, UNSEEN]
    assert (fused.grid.cells == UNSEEN).all()


def test_ground_that_is_covered_is_not_free_any_more_but_ground_out_of_view_is():
    grid = rig()
    for step, look in enumerate((evidence(), evidence(covered=(slice(8, 12), slice(30, 40))))):
        stamp_ns = SECOND_NS * (10 + step) // 10
        drive(grid, stamp_ns)
        grid.take('front', look, stamp_ns)
        cells = grid.fuse().grid.cells
    assert (cells[8:12, 30:40] == UNSEEN).all()
    assert (cells[:8, 20:40] == FREE).all()


def test_what_enters_is_blocked_at_once_and_one_false_look_does_not_free_it():
    grid = rig()
    foot = 10, 30
    looks = [evidence()] * 20 + [evidence(blocked=[foot])] * 3 + [evidence()] * 4
    states = []
    for step, look in enumerate(looks):
        stamp_ns = SECOND_NS + step * SECOND_NS // 10
        drive(grid, stamp_ns)
        grid.take('front', look, stamp_ns)
        states.append(int(grid.fuse().grid.cells[foot]))
    assert states[19:21] == [FREE, BLOCKED]
    assert states[23] == BLOCKED
    assert states[-1] == FREE


def test_an_image_older_than_the_last_one_and_one_of_a_jumped_clock_change_nothing():
    grid = rig('none')
    grid.take('front', evidence(), 2 * SECOND_NS)
    grid.take('front', evidence(BLOCKED), SECOND_NS)
    assert (grid.fuse().grid.cells[AHEAD] == FREE).all()
    grid.clear()
    assert grid.fuse() is None


def test_odometry_that_jumps_ends_the_memory():
    grid = rig()
    drive(grid, SECOND_NS)
    grid.take('rear', evidence(where=BEHIND), SECOND_NS)
    grid.fuse()
    drive(grid, SECOND_NS + 10**8, x_m=500.0)
    drive(grid, SECOND_NS + 2 * 10**8, x_m=500.0)
    grid.take('front', evidence(), SECOND_NS + 2 * 10**8)
    cells = grid.fuse().grid.cells
    assert grid.track.jumps == 1
    assert (cells[AHEAD] == FREE).all()
    assert (cells[BEHIND] == UNSEEN).all()


def test_a_pose_that_is_missing_costs_the_other_cameras_and_the_memory_nothing():
    grid = rig()
    drive(grid, SECOND_NS)
    grid.take('rear', evidence(where=BEHIND), SECOND_NS)
    grid.fuse()
    drive(grid, SECOND_NS + 10**8)
    grid.take('front', evidence(), SECOND_NS - 10**8)  # older than all odometry
    grid.take('rear', evidence(where=BEHIND), SECOND_NS + 10**8)
    fused = grid.fuse()
    assert (fused.grid.cells[BEHIND] == FREE).all()
    assert (fused.waiting, fused.no_memory) == (('front',), '')
    grid.take('front', evidence(), SECOND_NS + 10**8)
    fused = grid.fuse()
    assert (fused.grid.cells == FREE).all()
    assert fused.waiting == ()


def test_what_is_remembered_outlives_a_pose_that_comes_late_but_not_its_time():
    grid = rig(keep_s=1.5)
    drive(grid, SECOND_NS)
    grid.take('rear', evidence(where=BEHIND), SECOND_NS)
    grid.fuse()
    grid.take('front', evidence(), SECOND_NS * 14 // 10)
    assert '0.4 s older' in grid.fuse().no_memory
    drive(grid, SECOND_NS * 14 // 10)
    grid.take('rear', evidence(UNSEEN), SECOND_NS * 14 // 10)
    fused = grid.fuse()
    assert (fused.no_memory, fused.waiting) == ('', ())
    assert (fused.grid.cells == FREE).all()
    drive(grid, SECOND_NS * 26 // 10)
    grid.take('front', evidence(), SECOND_NS * 26 // 10)
    cells = grid.fuse().grid.cells
    assert (cells[AHEAD] == FREE).all()
    assert (cells[BEHIND] == UNSEEN).all()


# -- ego motion ----------------------------------------------------------------------------------


def test_the_pose_between_samples_is_on_the_line_and_turns_the_short_way():
    track = EgoTrack()
    track.take(0, EgoPose(0.0, 0.0, math.pi - 0.1))
    track.take(10**8, EgoPose(1.0, 2.0, -math.pi + 0.1))
    middle = track.at(5 * 10**7)
    assert (middle.x_m, middle.y_m) == (0.5, 1.0)
    assert math.cos(middle.yaw_rad) == pytest.approx(-1.0)
    assert track.at(2 * 10**8).x_m == pytest.approx(2.0)  # a little ahead of the newest sample


@pytest.mark.parametrize(
    ('samples', 'at_ns', 'words'),
    [
        ([], 0, 'no odometry has arrived'),
        ([0], 10**8, 'only one sample'),
        ([0, 10**8], 10**9, '0.9 s older than the image'),
        ([10**9, 11 * 10**8], 5 * 10**8, 'the image is 0.5 s older'),
        ([0, 10**9], 5 * 10**8, 'a gap of 1.0 s'),
    ],
)
def test_where_the_pose_is_not_known_it_says_why(samples, at_ns, words):
    track = EgoTrack()
    for stamp_ns in samples:
        track.take(stamp_ns, EgoPose(0.0, 0.0, 0.0))
    with pytest.raises(CalibrationError, match=words):
        track.at(at_ns)


def test_samples_that_are_not_finite_or_repeat_are_counted_only():
    track = EgoTrack()
    track.take(0, EgoPose(0.0, 0.0, 0.0))
    track.take(10**7, EgoPose(math.nan, 0.0, 0.0))
    track.take(0, EgoPose(0.0, 0.0, 0.0))
    assert (track.refused, track.jumps, track.newest_ns) == (2, 0, 0)
