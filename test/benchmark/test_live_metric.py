# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The live run against the ground truth of the synthetic scene in metres."""

import numpy as np
import pytest

from mfaranet_ros.benchmark.ground import project_ground
from mfaranet_ros.benchmark.live_run import LiveFrame, MetricComparison
from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.frame import METRIC_OUTPUTS
from mfaranet_ros.core.labels import CITYSCAPES
from mfaranet_ros.evaluation.report.contact_sheet import View
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

GROUND = GroundConfig(resolution=0.25)


@pytest.fixture(scope='module')
def drive():
    return SyntheticScene(camera=SceneCamera(320, 240, fx=320))


def published(drive, number):
    frame = drive.frame(number)
    found, _ = find_drivable(
        frame.labels, None, CITYSCAPES.roles, DrivableConfig(), METRIC_OUTPUTS,
        project_ground(drive.camera, GROUND),
    )  # fmt: skip
    outline_m = np.concatenate((found.boundary_m, found.near_edge_m))
    view = View(frame.rgb, frame.labels, found.grid)
    return LiveFrame(number, view, outline_m, frame.labels, None, 0, None)


def test_frames_are_compared_with_their_own_ground_truth_and_others_left_out(drive):
    frames = [published(drive, number) for number in (10, 50, 90, 95)]
    numbers = {10: 10, 50: 51, 90: 88}  # of 50 no ground truth is known, 95 is not chosen
    compared = MetricComparison(drive, numbers, GROUND, DrivableConfig().boundary_bearings)
    for frame in frames:
        compared.add(frame)
    assert (compared.frames, compared.unknown) == (2, 1)
    scores = compared.counts.between(0.0, 20.0)
    assert (scores.free_iou > 0.9, scores.occluded_free) == (True, 0)
    assert compared.counts.errors.sum() == 2 * 180
    assert compared.shown is frames[2].view
    assert compared.ground_truth.cells.shape == frames[2].view.grid.cells.shape
