# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Grids and boundaries in metres against their ground truth, counted by distance from the camera.

All counts are integers, so that a total over frames does not depend on their order. A score is
computed from counts only.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfaranet_ros.core.errors import SourceError

Counts = NDArray[np.int64]
Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

FREE, BLOCKED, UNSEEN = 0, 100, -1
"""The values of a grid (nav_msgs/OccupancyGrid)."""

BANDS_M = (5.0, 10.0, 20.0, 30.0, 40.0, math.inf)
"""The upper ends of the distance bands; the first band begins at the camera."""


class Band(NamedTuple):
    """A range of distances from the camera in metres; the last one ends at inf."""

    low_m: float
    high_m: float

    def __str__(self) -> str:
        if math.isfinite(self.high_m):
            return f'{self.low_m:g} to {self.high_m:g} m'
        return f'beyond {self.low_m:g} m'


BANDS = tuple(Band(low, high) for low, high in itertools.pairwise((0.0, *BANDS_M)))


ERRORS_M = (
    *(step / 100 for step in range(1, 100)),
    *(step / 10 for step in range(10, 100)),
    *(float(step) for step in range(10, 101)),
)
"""Upper ends of the error bins: steps of 1 cm up to 1 m, 10 cm up to 10 m, 1 m up to 100 m."""

_NEIGHBOURS = np.ones((3, 3), np.uint8)

_BESIDE_RAD = math.radians(0.5)
"""A vertex so far beside the ground truth's outermost bearings is still compared with them."""


def _no_cells() -> Counts:
    return np.zeros(len(BANDS_M), np.int64)


def _no_errors() -> Counts:
    return np.zeros((len(BANDS_M), len(ERRORS_M) + 1), np.int64)


@dataclass(frozen=True, eq=False)
class MetricCounts:
    """What was counted, by band of distance; counts of several frames are added with `+`.

    All but the last two are int64 (K,), cells in each of BANDS_M.

    free_truth, free_found, free_both: free in the ground truth, as found, in both.
    occluded, occluded_free: unseen in the ground truth and all around it too; those of them called
    free. blocked, blocked_found: blocked in the ground truth; those with a blocked cell within one
    cell. alarms, alarms_true: found blocked; those with a cell within one cell that is blocked in
    ground truth.
    errors: int64 (K, E + 1), boundary vertices by their error, the last beyond all of ERRORS_M.
    outside: vertices at bearings where the ground truth sees no ground; they are in no other
    count.
    """

    free_ground_truth: Counts = dataclasses.field(default_factory=_no_cells)
    free_found: Counts = dataclasses.field(default_factory=_no_cells)
    free_both: Counts = dataclasses.field(default_factory=_no_cells)
    occluded: Counts = dataclasses.field(default_factory=_no_cells)
    occluded_free: Counts = dataclasses.field(default_factory=_no_cells)
    blocked: Counts = dataclasses.field(default_factory=_no_cells)
    blocked_found: Counts = dataclasses.field(default_factory=_no_cells)
    alarms: Counts = dataclasses.field(default_factory=_no_cells)
    alarms_true: Counts = dataclasses.field(default_factory=_no_cells)
    errors: Counts = dataclasses.field(default_factory=_no_errors)
    outside: int = 0

    def __add__(self, other: MetricCounts) -> MetricCounts:
        names = [field.name for field in dataclasses.fields(self)]
        return MetricCounts(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def between(self, low_m: float, high_m: float) -> MetricScores:
        """Return the scores from one distance to another, both 0 or of BANDS_M."""
        edges = (0.0, *BANDS_M)
        bands = slice(edges.index(low_m), edges.index(high_m))
        return MetricScores(
            free_iou=_ratio(
                self.free_both[bands],
                (self.free_ground_truth + self.free_found - self.free_both)[bands],
            ),
            occluded=int(self.occluded[bands].sum()),
            occluded_free=int(self.occluded_free[bands].sum()),
            obstacle_recall=_ratio(self.blocked_found[bands], self.blocked[bands]),
            obstacle_precision=_ratio(self.alarms_true[bands], self.alarms[bands]),
            errors=self.errors[bands].sum(axis=0),
        )


@dataclass(frozen=True, eq=False)
class MetricScores:
    """The scores of one range of distances; nan where there is nothing to divide by.

    free_iou: of the free cells. occluded, occluded_free: cells, as in MetricCounts.
    obstacle_recall: the share of blocked cells with a blocked prediction within one cell.
    obstacle_precision: the share of blocked predictions with a blocked cell within one cell.
    errors: int64 (E + 1,) boundary vertices by their error.
    """

    free_iou: float
    occluded: int
    occluded_free: int
    obstacle_recall: float
    obstacle_precision: float
    errors: Counts

    @property
    def vertices(self) -> int:
        """Number of vertices."""
        return int(self.errors.sum())

    def boundary_within(self, error_m: float) -> float:
        """Return the share of vertices whose error is at most this, one of ERRORS_M."""
        count = int(np.searchsorted(ERRORS_M, error_m, side='right'))
        return _ratio(self.errors[:count], self.errors)

    def boundary_error_m(self, percent: float) -> float:
        """Return the error that a percentage of the vertices does not exceed.

        Rounded up to one of ERRORS_M; inf beyond them, nan without vertices.
        """
        if not self.vertices:
            return math.nan
        place = int(np.searchsorted(np.cumsum(self.errors), percent / 100 * self.vertices))
        return ERRORS_M[place] if place < len(ERRORS_M) else math.inf


def count_grid(
    predicted: NDArray[np.int8],
    ground_truth: NDArray[np.int8],
    *,
    resolution_m: float,
    corner_m: tuple[float, float],
    camera_m: tuple[float, float] = (0.0, 0.0),
    occluded: Mask | None = None,
) -> MetricCounts:
    """Compare a grid with its ground truth.

    predicted, ground truth: int8 (rows along y, columns along x), 0 free, 100 blocked, -1 unseen.
    corner_m: x and y of the lower corner of cell (0, 0). camera_m: where distances count from.
    occluded: bool of their shape, the cells that must not be free; None: those unseen in the
    ground truth. A cell counts only if its neighbours are occluded: one cell of rounding is
    allowed.
    Raises SourceError for grids of different shapes.
    """
    occluded = ground_truth == UNSEEN if occluded is None else occluded
    if not predicted.shape == ground_truth.shape == occluded.shape:
        raise SourceError(
            f'a grid of {predicted.shape} cells and a ground truth of {ground_truth.shape}: set '
            'ground.x_min to ground.resolution to the extent and resolution of the ground truth'
        )
    bands = _bands(_ranges(predicted.shape, resolution_m, corner_m, camera_m))
    free, truly_free = predicted == FREE, ground_truth == FREE
    blocked, truly_blocked = predicted == BLOCKED, ground_truth == BLOCKED
    deep = cv2.erode(occluded.astype(np.uint8), _NEIGHBOURS) > 0

    def count(cells: Mask) -> Counts:
        return np.bincount(bands[cells], minlength=len(BANDS_M))

    return MetricCounts(
        free_ground_truth=count(truly_free),
        free_found=count(free),
        free_both=count(free & truly_free),
        occluded=count(deep),
        occluded_free=count(deep & free),
        blocked=count(truly_blocked),
        blocked_found=count(truly_blocked & _widen(blocked)),
        alarms=count(blocked),
        alarms_true=count(blocked & _widen(truly_blocked)),
    )


def count_boundary(
    found_m: ArrayLike, ground_truth_m: ArrayLike, *, camera_m: tuple[float, float] = (0.0, 0.0)
) -> MetricCounts:
    """Compare the vertices of a boundary with the true one, each along its own bearing.

    found_m: (N, 2), truth_m: (M, 2), x and y in metres, the ground truth counter-clockwise about
    the camera and much denser than what was found. Distances and bearings count from camera_m; the
    band of a vertex is that of its true distance. Beside a leap of the ground truth (the edge of a
    car) the nearer of the two true distances counts.
    """
    bearings, found_range_m = _polar(found_m, camera_m)
    true_bearings, true_range_m = _polar(ground_truth_m, camera_m)
    if not len(bearings) or len(true_bearings) < 2:
        return MetricCounts(outside=len(bearings))
    true_bearings = np.unwrap(true_bearings)
    middle = (true_bearings[0] + true_bearings[-1]) / 2
    bearings = middle + np.remainder(bearings - middle + math.pi, 2 * math.pi) - math.pi
    beside = np.maximum(true_bearings[0] - bearings, bearings - true_bearings[-1])
    scored = beside <= _BESIDE_RAD
    bearings, found_range_m = bearings[scored], found_range_m[scored]
    after = np.clip(np.searchsorted(true_bearings, bearings), 1, len(true_bearings) - 1)
    candidates = np.array(
        (
            np.interp(bearings, true_bearings, true_range_m),
            true_range_m[after - 1],
            true_range_m[after],
        )
    )
    apart_m = np.abs(candidates - found_range_m)
    best = apart_m.argmin(axis=0)
    columns = np.arange(len(best))
    place = np.searchsorted(ERRORS_M, apart_m[best, columns] - 1e-9)
    errors = _no_errors()
    np.add.at(errors, (_bands(candidates[best, columns]), place), 1)
    return MetricCounts(errors=errors, outside=int((~scored).sum()))


def _ranges(
    shape: tuple[int, ...],
    resolution_m: float,
    corner_m: tuple[float, float],
    camera_m: tuple[float, float],
) -> Floats:
    """Return how far each cell's centre is from the camera."""
    rows, columns = shape
    x = corner_m[0] - camera_m[0] + (np.arange(columns) + 0.5) * resolution_m
    y = corner_m[1] - camera_m[1] + (np.arange(rows) + 0.5) * resolution_m
    return np.asarray(np.hypot(*np.meshgrid(x, y)))


def _bands(range_m: Floats) -> NDArray[np.intp]:
    return np.searchsorted(BANDS_M, range_m)


def _widen(cells: Mask) -> Mask:
    return np.asarray(cv2.dilate(cells.astype(np.uint8), _NEIGHBOURS) > 0)


def _polar(points_m: ArrayLike, camera_m: tuple[float, float]) -> tuple[Floats, Floats]:
    ahead = np.asarray(points_m, np.float64).reshape(-1, 2) - camera_m
    return np.arctan2(ahead[:, 1], ahead[:, 0]), np.hypot(ahead[:, 0], ahead[:, 1])


def _ratio(part: Counts, whole: Counts) -> float:
    return int(part.sum()) / int(whole.sum()) if whole.any() else math.nan
