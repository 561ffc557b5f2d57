# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground of one frame: the distance each pixel sees, and where a grid stops being free."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfaranet_ros.core.frame import Drivable, GroundGrid
from mfaranet_ros.evaluation.metrics.counts import NOWHERE, Labels
from mfaranet_ros.evaluation.metrics.metric import (
    BANDS_M,
    FREE,
    UNSEEN,
    MetricCounts,
    count_boundary,
    count_grid,
)
from mfaranet_ros.geometry.ground import GroundProjection

_ROWS = 64
"""Number of image rows that are turned into distances at a time, to save memory."""


def band_image(ground: GroundProjection) -> Labels:
    """Return the band of distance, uint8 (H, W), of the ground that each pixel sees.

    Distances count from the point under the camera; NOWHERE is on or above the horizon. What
    stands up is where it would be if it were painted on the ground.
    """
    height, width = ground.mask_size
    bands = np.full((height, width), NOWHERE, np.uint8)
    u = np.arange(width, dtype=np.float64)
    for top in range(0, height, _ROWS):
        v = np.arange(top, min(top + _ROWS, height), dtype=np.float64)
        pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        away = ground.ground_of(pixels) - ground.origin_m
        range_m = np.hypot(away[:, 0], away[:, 1])
        band = np.where(np.isnan(range_m), NOWHERE, np.searchsorted(BANDS_M, range_m))
        bands[top : top + _ROWS] = band.reshape(-1, width)
    return bands


def count_ground(
    predicted: Drivable,
    grid: GroundGrid,
    boundary_m: ArrayLike | None,
    camera_m: tuple[float, float],
) -> MetricCounts:
    """Count grid and boundary of one frame, as far as they were found, against the ground truth.

    boundary_m: the true end of the free space, (M, 2); None: it is read off the true grid.
    camera_m: x and y of the camera, where distances count from.
    """
    counts = MetricCounts()
    if predicted.grid is not None:
        counts += count_grid(
            predicted.grid.cells,
            grid.cells,
            resolution_m=grid.resolution_m,
            corner_m=(grid.x_min_m, grid.y_min_m),
            camera_m=camera_m,
        )
    if predicted.boundary_m is not None:
        true_m = boundary_of(grid, camera_m) if boundary_m is None else boundary_m
        counts += count_boundary(predicted.boundary_m, true_m, camera_m=camera_m)
    return counts


BEARINGS = 1440
"""Number of bearings all around along which a grid is searched, outward from the camera."""

_STEPS_PER_CELL = 4


def boundary_of(grid: GroundGrid, camera_m: tuple[float, float]) -> NDArray[np.float64]:
    """Return x and y (M, 2) of the end of the free space, counter-clockwise about the camera.

    It is where the first cell that is not free begins, behind those nearest to the camera that
    nobody sees; exact to a quarter of a cell, and as coarse as the cells are. Bearings on which
    no cell is seen are left out.
    """
    rows, columns = grid.cells.shape
    corner_m = np.array((grid.x_min_m, grid.y_min_m))
    ends_m = corner_m + np.array((columns, rows)) * grid.resolution_m
    reach_m = float(np.hypot(*np.maximum(abs(corner_m - camera_m), abs(ends_m - camera_m))))
    step_m = grid.resolution_m / _STEPS_PER_CELL
    range_m = np.arange(step_m / 2, reach_m, step_m)
    bearings = (np.arange(BEARINGS) + 0.5) / BEARINGS * 2 * math.pi - math.pi
    ahead = np.column_stack((np.cos(bearings), np.sin(bearings)))
    places = np.asarray(camera_m) + ahead[:, None] * range_m[:, None]  # (BEARINGS, S, 2)
    column, row = np.floor((places - corner_m) / grid.resolution_m).astype(np.int64).T
    inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
    walk = np.full(inside.shape, UNSEEN, np.int8)  # (S, BEARINGS)
    walk[inside] = grid.cells[row[inside], column[inside]]
    seen = np.maximum.accumulate(walk != UNSEEN, axis=0)
    ended = seen & (walk != FREE)
    end = np.where(ended.any(axis=0), ended.argmax(axis=0), len(range_m) - 1)
    known = seen.any(axis=0)
    end_m = range_m[end] - step_m / 2
    boundary_m = np.asarray(camera_m) + ahead * end_m[:, None]
    return _from_first(boundary_m[known], np.flatnonzero(known))


def _from_first(points: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return points of a circular arc in order, beginning behind its largest gap."""
    if len(places) < 2:
        return points
    gaps = np.diff(places, append=places[0] + BEARINGS)
    return np.roll(points, -(int(gaps.argmax()) + 1), axis=0)
