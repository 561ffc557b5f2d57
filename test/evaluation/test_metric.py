# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Grids and boundaries against ground truth of which the scores are known beforehand."""

import dataclasses
import json
import math

import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.evaluation.metrics.metric import MetricCounts, count_boundary, count_grid
from mfaranet_ros.evaluation.report.figures import metric_figures
from mfaranet_ros.evaluation.report.text import describe_metric

PLACE = {'resolution_m': 0.1, 'corner_m': (0.0, -10.0)}


def road():
    """Return a grid: free ahead, a blocked row at each side, unseen beyond."""
    cells = np.full((200, 400), -1, np.int8)
    cells[60:140] = 0
    cells[[60, 139]] = 100
    return cells


def arc(range_m, degrees=30.0, count=721):
    bearings = np.radians(np.linspace(-degrees, degrees, count))
    return np.column_stack((np.cos(bearings), np.sin(bearings))) * np.reshape(range_m, (-1, 1))


def test_the_ground_truth_itself_is_perfect():
    scores = count_grid(road(), road(), **PLACE).between(0.0, 40.0)
    assert (scores.free_iou, scores.obstacle_recall, scores.obstacle_precision) == (1, 1, 1)
    assert (scores.occluded > 1000, scores.occluded_free) == (True, 0)


def test_distances_count_from_the_camera():
    found = road()
    found[:, 200:] = -1
    near = count_grid(found, road(), **PLACE)
    assert near.between(0.0, 20.0).free_iou == 1
    assert near.between(30.0, 40.0).free_iou == 0
    moved = count_grid(found, road(), camera_m=(40.0, 0.0), **PLACE)
    assert moved.between(0.0, 10.0).free_iou == 0
    assert moved.between(30.0, 40.0).free_iou == 1


def test_a_hidden_cell_called_free_is_counted_beyond_the_rim_of_one_cell():
    found = road()
    found[59] = 0
    assert count_grid(found, road(), **PLACE).between(0.0, 40.0).occluded_free == 0
    found[58, :50] = 0
    assert count_grid(found, road(), **PLACE).between(0.0, 40.0).occluded_free == 50
    none = np.zeros(found.shape, bool)
    assert count_grid(found, road(), occluded=none, **PLACE).between(0.0, 40.0).occluded == 0


@pytest.mark.parametrize(('moved', 'share'), [(1, 1.0), (2, 0.0)])
def test_a_blocked_cell_is_found_within_one_cell(moved, share):
    found = np.roll(road(), moved, axis=0)
    scores = count_grid(found, road(), **PLACE).between(0.0, 40.0)
    assert (scores.obstacle_recall, scores.obstacle_precision) == (share, share)


def test_the_error_of_a_vertex_is_along_its_bearing():
    found = arc(15.0, count=180) * np.repeat((1.0, 1.02), 90)[:, None]
    scores = count_boundary(found, arc(15.0)).between(0.0, 20.0)
    assert scores.vertices == 180
    assert scores.boundary_within(0.15) == 0.5
    assert scores.boundary_within(0.3) == 1
    assert scores.boundary_error_m(50) == 0.01
    assert scores.boundary_error_m(95) == 0.3


def test_beside_a_leap_the_nearer_true_distance_counts():
    ground_truth_m = np.where(np.arange(721) < 400, 10.0, 30.0)
    at = np.arctan2(*arc(ground_truth_m)[399:401].mean(axis=0)[::-1])
    for range_m, error_m in ((10.0, 0.01), (30.0, 0.01), (12.0, 2.0), (29.5, 0.5)):
        vertex = range_m * np.array([[math.cos(at), math.sin(at)]])
        scores = count_boundary(vertex, arc(ground_truth_m)).between(0.0, 40.0)
        assert scores.boundary_error_m(100) == error_m


def test_a_view_to_the_rear_is_compared_across_the_half_turn():
    camera_m = np.array((5.0, 1.0))
    found, ground_truth = camera_m - arc(8.0, count=180), camera_m - arc(8.0)
    scores = count_boundary(found, ground_truth, camera_m=(5.0, 1.0))
    assert scores.between(0.0, 10.0).boundary_within(0.01) == 1
    assert scores.outside == 0


def test_vertices_where_the_ground_truth_sees_nothing_are_said_to_be_outside():
    counts = count_boundary(arc(8.0, 40.0, 9), arc(8.0, 30.0))
    assert (counts.between(0.0, 40.0).vertices, counts.outside) == (7, 2)
    assert count_boundary(arc(8.0, 40.0, 9), np.empty((0, 2))).outside == 9


def test_counts_of_frames_add_up_in_any_order():
    parts = [
        count_grid(np.roll(road(), k, axis=0), road(), **PLACE)
        + count_boundary(arc(10.0 + k, count=180), arc(10.0))
        for k in range(3)
    ]
    one = sum(parts, MetricCounts())
    other = sum(parts[::-1], MetricCounts())
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))
    assert one.between(0.0, 40.0).vertices == 540


def test_figures_are_plain_values_and_nan_is_none():
    counts = count_grid(road(), road(), **PLACE)
    figures = json.loads(json.dumps(metric_figures(counts), allow_nan=False))
    assert figures['to_20_m']['free_iou'] == 1
    assert figures['to_20_m']['boundary_error_m'] == {'p50': None, 'p95': None, 'p99': None}
    assert [row['to_m'] for row in figures['bands']] == [5, 10, 20, 30, 40, None]
    assert '20 to 30 m' in describe_metric(counts)
    assert describe_metric(MetricCounts()).count('\n') == 0


def test_grids_of_different_shapes_are_refused():
    with pytest.raises(SourceError, match=r'\(200, 400\) .* \(100, 200\)'):
        count_grid(road(), road()[::2, ::2], **PLACE)
