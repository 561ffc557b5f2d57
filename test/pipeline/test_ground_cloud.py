# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground cloud by the rules of Nav2's semantic_segmentation_layer, as its README has them.

The layer is written for depth cameras: mask, confidence and cloud have one size and one stamp; a
point that is not finite counts for nothing; of the pixels in one cell it keeps the one of the
higher cost, and of equal ones the first (`use_cost_selection`); classes that its parameters or the
labels do not name are ignored.
"""

from pathlib import Path

import numpy as np
import pytest
import yaml

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame, Output, Result, Timings
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.synthetic_source import ground_settings, scene_camera_info
from mfaranet_ros.evaluation.metrics.metric import count_grid
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

ROOT = Path(__file__).resolve().parents[2]
LABELS = get_label_set('cityscapes')
FRAME = 30
EXTENT = GridExtent(0.0, 20.0, -5.0, 5.0, 0.2)
NO_COST = -1


@pytest.fixture(scope='module')
def layer():
    """The parameters of the shipped costmap file."""
    text = (ROOT / 'config/nav2_semantic_layer.yaml').read_text(encoding='utf-8')
    costmap = yaml.safe_load(text)['local_costmap']['local_costmap']['ros__parameters']
    return costmap['semantic_layer']['camera']


@pytest.fixture(scope='module')
def scene():
    return SyntheticScene(0)


@pytest.fixture(scope='module')
def result(scene):
    config = replace(PipelineConfig(), ground_settings(scene.camera))
    ground = GroundSource()
    ground.take_camera_info(scene_camera_info(scene.camera))
    labels = scene.labels(FRAME)
    frame = Frame(labels[..., None], 'mono8', 7_000_000_001, 'camera')
    drivable, _ = find_drivable(
        labels, None, LABELS.roles, config.drivable, frozenset({Output.GROUND_CLOUD}),
        ground.at(frame, frame.size, config.ground).projection,
    )  # fmt: skip
    return Result(frame, labels, None, drivable, Timings())


def costs(mask, cloud, label_info, layer):
    """Return the cost of each cell of EXTENT, as the layer computes it for one frame."""
    known = {}
    for kind in layer['class_types']:
        known |= dict.fromkeys(layer[kind]['classes'], layer[kind]['max_cost'])
    of_id = {entry.class_id: known[entry.class_name] for entry in label_info.class_map}
    assert cloud.height * cloud.width == mask.height * mask.width
    xyz = np.frombuffer(cloud.data, np.float32).reshape(-1, cloud.point_step // 4)[:, :3]
    range_m = np.linalg.norm(xyz, axis=1)
    near, far = layer['min_obstacle_distance'], layer['max_obstacle_distance']
    used = np.isfinite(xyz[:, 2]) & (range_m > near) & (range_m < far)
    cost = np.full(EXTENT.shape, NO_COST)
    pixel_cost = np.array([of_id.get(value, NO_COST) for value in range(256)])[mask.data]
    inside = used & EXTENT.holds(xyz[:, :2])
    np.maximum.at(cost, EXTENT.cells_of(xyz[used, :2]), pixel_cost[inside])
    return cost


def test_it_has_the_size_and_the_stamp_of_the_mask_and_no_point_in_the_sky(result, scene):
    style = Style(LABELS, None, 'classes', 0.5, 'base_link')
    mask, cloud = encode.mask(result, style), encode.ground_cloud(result, style)
    assert (cloud.height, cloud.width) == (mask.height, mask.width)
    assert cloud.header.stamp == mask.header.stamp
    assert cloud.header.frame_id == 'base_link'
    assert cloud.row_step == cloud.width * cloud.point_step == len(cloud.data) // cloud.height
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z']
    points = result.drivable.cloud_m
    assert np.isnan(points).all(axis=2).sum() == np.isnan(points).any(axis=2).sum()
    sky = result.labels == LABELS.names.index('sky')
    assert np.isnan(points[sky]).all()
    assert set(np.unique(points[~np.isnan(points[..., 2])][:, 2])) == {0.0}


def test_ground_is_where_it_is_seen_and_obstacles_are_at_their_feet(result, scene):
    depth_m = scene.frame(FRAME).depth_m
    points = result.drivable.cloud_m
    ahead_m = points[..., 0] - scene.camera.x
    known = np.isfinite(ahead_m)
    ground = np.isin(result.labels, [LABELS.names.index('road'), LABELS.names.index('sidewalk')])
    np.testing.assert_allclose(ahead_m[known & ground], depth_m[known & ground], atol=1e-3)
    standing = known & ~ground
    error = np.abs(ahead_m - depth_m)[standing] / depth_m[standing]
    assert standing.sum() > 1000
    assert np.median(error) < 0.02
    assert np.percentile(error, 90) < 0.05


def test_the_costmap_that_follows_is_the_ground_truth(result, scene, layer):
    style = Style(LABELS, None, 'classes', 0.5, 'base_link')
    info = encode.label_info(LABELS, None, encode.header(0, ''))
    assert {name for kind in layer['class_types'] for name in layer[kind]['classes']} == {
        entry.class_name for entry in info.class_map
    }
    cost = costs(encode.mask(result, style), encode.ground_cloud(result, style), info, layer)
    truth = MetricGroundTruthFinder(scene, EXTENT).at(FRAME).grid.cells
    free, lethal = layer['free']['max_cost'], layer['lethal']['max_cost']
    found = np.full(EXTENT.shape, -1, np.int8)
    found[cost == free], found[cost == lethal] = 0, 100
    scores = count_grid(
        found, truth, resolution_m=EXTENT.resolution_m, corner_m=(EXTENT.x_min_m, EXTENT.y_min_m)
    ).between(0.0, 10.0)  # beyond, pixels are larger than cells, and the layer leaves gaps
    assert scores.occluded_free == 0
    assert scores.free_iou > 0.93
    assert scores.obstacle_recall > 0.97
    assert (truth[cost == free] == 100).mean() < 0.01
