# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's comparison with the ground truth in metres."""

import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import project_ground
from mfaranet_ros.cli.contact_sheet import View
from mfaranet_ros.cli.demo_metric import MOST, _spread, compare_in_metres
from mfaranet_ros.cli.demo_results import MetricSample
from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.frame import METRIC_OUTPUTS
from mfaranet_ros.core.labels import CAMVID
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

GROUND = GroundConfig(resolution=0.25)


@pytest.fixture(scope='module')
def drive():
    return SyntheticScene(camera=SceneCamera(320, 240, fx=320))


def sample(drive, number, counted_as=None):
    frame = drive.frame(number)
    found, _ = find_drivable(
        frame.labels, None, CAMVID.roles, DrivableConfig(), METRIC_OUTPUTS,
        project_ground(drive.camera, GROUND),
    )  # fmt: skip
    outline_m = np.concatenate((found.boundary_m, found.near_edge_m))
    view = View(frame.rgb, frame.labels, found.grid)
    number = number if counted_as is None else counted_as
    return MetricSample(number, frame.labels, view, outline_m)


def test_frames_are_compared_with_their_own_ground_truth_and_others_left_out(drive):
    samples = [
        sample(drive, 10),
        sample(drive, 90, counted_as=88),
        sample(drive, 50, counted_as=51),
    ]
    compared = compare_in_metres(drive, samples, GROUND, DrivableConfig().boundary_bearings)
    assert (compared.frames, compared.unknown) == (2, 1)
    scores = compared.counts.between(0.0, 20.0)
    assert (scores.free_iou > 0.9, scores.hidden_free) == (True, 0)
    assert compared.counts.errors.sum() == 2 * 180
    assert compared.shown is samples[1].view
    assert compared.ground_truth.cells.shape == samples[1].view.grid.cells.shape


@pytest.mark.parametrize('count', [1, 7, 400])
def test_the_compared_frames_are_spread_over_the_drive(count):
    places = _spread(count)
    assert (places[0], places[-1]) == (0, count - 1)
    assert len(places) == min(count, MOST)
