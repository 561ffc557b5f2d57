# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which stretch of the ground a metric ground truth is about, and in which cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError

Floats = NDArray[np.float64]

MAX_CELLS = 4_000_000


@dataclass(frozen=True)
class GridExtent:
    """A rectangle of base_link in metres (x ahead, y to the left), and the edge of its cells.

    The defaults are those of the node. Raises ConfigError for one that has no cells or too many.
    """

    x_min_m: float = 0.0
    x_max_m: float = 40.0
    y_min_m: float = -10.0
    y_max_m: float = 10.0
    resolution_m: float = 0.1

    def __post_init__(self) -> None:
        values = (self.x_min_m, self.x_max_m, self.y_min_m, self.y_max_m, self.resolution_m)
        lengths_m = (self.x_max_m - self.x_min_m, self.y_max_m - self.y_min_m)
        if not all(map(math.isfinite, values)) or min(*lengths_m, self.resolution_m) <= 0:
            raise ConfigError(
                f'grid from x {self.x_min_m:g} to {self.x_max_m:g} m, y {self.y_min_m:g} to '
                f'{self.y_max_m:g} m at {self.resolution_m:g} m: all must be finite, each end '
                'beyond its beginning and the resolution positive'
            )
        rows, columns = self.shape
        if rows * columns > MAX_CELLS:
            raise ConfigError(
                f'a grid of {lengths_m[0]:g} m x {lengths_m[1]:g} m at {self.resolution_m:g} m '
                f'would have {rows * columns:,} cells: at most {MAX_CELLS:,} are allowed, make '
                'it smaller or coarser'
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows along y and columns along x; a part of a cell at the far end is a whole one."""
        return (
            max(1, math.ceil((self.y_max_m - self.y_min_m) / self.resolution_m - 1e-6)),
            max(1, math.ceil((self.x_max_m - self.x_min_m) / self.resolution_m - 1e-6)),
        )

    def centres(self) -> Floats:
        """Return x and y of every cell's centre, (rows * columns, 2), row by row."""
        rows, columns = np.indices(self.shape).reshape(2, -1)
        return np.column_stack(
            (
                self.x_min_m + (columns + 0.5) * self.resolution_m,
                self.y_min_m + (rows + 0.5) * self.resolution_m,
            )
        )

    def farthest_m(self, point_m: Floats) -> float:
        """Return how far the farthest corner is from a point, x and y."""
        x = max(abs(self.x_min_m - point_m[0]), abs(self.x_max_m - point_m[0]))
        y = max(abs(self.y_min_m - point_m[1]), abs(self.y_max_m - point_m[1]))
        return math.hypot(x, y)

    def holds(self, points_m: Floats) -> NDArray[np.bool_]:
        """Return which points (..., 2) lie inside."""
        x, y = points_m[..., 0], points_m[..., 1]
        along = (x >= self.x_min_m) & (x < self.x_max_m)
        return np.asarray(along & (y >= self.y_min_m) & (y < self.y_max_m))

    def cells_of(self, points_m: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of those points (N, 2) that lie inside."""
        inside = points_m[self.holds(points_m)]
        at = np.floor((inside - (self.x_min_m, self.y_min_m)) / self.resolution_m)
        column, row = at.astype(np.int64).T
        return row, column
