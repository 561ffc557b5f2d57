# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Evidence of several cameras about the same ground, weighed as log-odds.

After Moravec and Elfes, "High resolution maps from wide angle sonar", ICRA 1985: each look at a
cell gives the log-odds that it is blocked, and independent looks add up. How much one look is
worth follows from the confidence of its pixel and from its distance: on flat ground, an error of
the camera's attitude moves a point at distance d by (d*d + h*h) / h times that error. The foot of
an obstacle is somewhere in its pixel, and a cell that is smaller than this pixel on the ground has
only a share of it; a camera that sees the ground of that cell knows better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import GroundEvidence

LogOdds = NDArray[np.float32]
Mask = NDArray[np.bool_]

FREE, BLOCKED, UNSEEN = 0, 100, -1
"""The values of a grid (nav_msgs/OccupancyGrid)."""

SUREST = 0.995
"""Largest probability that one look is right."""

REFERENCE_M = 1.0
"""The error in metres at which a look counts half."""

LEAST_FOOT = 0.4
"""Least log-odds of a foot: without other evidence it stays blocked for as long as it is kept."""

FREE_FROM, BLOCKED_FROM = math.log(0.55 / 0.45), 0.05
"""The least log-odds of a free cell, and of a blocked one: less suffices to be careful."""


@dataclass(frozen=True)
class FusedCells:
    """What is known of each cell: cells int8 (0, 100, -1), certainty int8 0 to 100."""

    cells: NDArray[np.int8]
    certainty: NDArray[np.int8]


def log_odds_of(evidence: GroundEvidence, tilt_std_rad: float) -> LogOdds:
    """Return the log-odds that each cell is blocked: above 0 blocked, below 0 free, 0 unknown.

    tilt_std_rad: standard deviation of the camera's roll and pitch against the ground.
    """
    cells = evidence.grid.cells
    result = np.zeros(cells.shape, np.float32)
    seen = np.flatnonzero(cells.reshape(-1) != UNSEEN)
    stretch = _stretch(evidence, seen)
    worth = 0.5 / (1 + (stretch * np.float32(tilt_std_rad / REFERENCE_M)) ** 2)
    feet = evidence.feet.reshape(-1)[seen]
    pixel_m = stretch * np.float32(evidence.pixel_rad)
    worth[feet] *= np.minimum(1, evidence.grid.resolution_m / pixel_m[feet])
    if evidence.confidence is not None:
        worth *= evidence.confidence.reshape(-1)[seen] / np.float32(255)
    odds = np.minimum(0.5 + worth, SUREST)
    known = np.log(odds / (1 - odds))
    known[feet] = np.maximum(known[feet], LEAST_FOOT)
    sign = np.where(cells.reshape(-1)[seen] == BLOCKED, 1, -1)
    result.reshape(-1)[seen] = sign * known
    return result


def _stretch(evidence: GroundEvidence, cells: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return how far an angle of 1 rad moves the ground that is seen in cells, in metres."""
    grid, (x_m, y_m, height_m) = evidence.grid, evidence.camera_m
    rows, columns = np.divmod(cells, grid.cells.shape[1])
    ahead_m = grid.x_min_m - x_m + (columns.astype(np.float32) + 0.5) * grid.resolution_m
    aside_m = grid.y_min_m - y_m + (rows.astype(np.float32) + 0.5) * grid.resolution_m
    square = ahead_m * ahead_m + aside_m * aside_m + height_m * height_m
    return np.asarray(square / height_m, np.float32)


def fuse(evidences: Sequence[GroundEvidence], tilt_std_rad: float) -> LogOdds:
    """Return the sum over evidences about the same cells, of which there is at least one."""
    total = log_odds_of(evidences[0], tilt_std_rad)
    for evidence in evidences[1:]:
        total += log_odds_of(evidence, tilt_std_rad)
    return total


def cells_of(log_odds: LogOdds) -> FusedCells:
    """Return the state of cells and how certain it is; 0 where it is not known."""
    cells = np.full(log_odds.shape, UNSEEN, np.int8)
    cells[log_odds <= -FREE_FROM] = FREE
    cells[log_odds >= BLOCKED_FROM] = BLOCKED
    certainty = 100 * np.abs(np.tanh(log_odds / 2))  # 2 p - 1
    certainty = np.where(cells == UNSEEN, 0, np.rint(certainty))
    return FusedCells(cells, certainty.astype(np.int8))
