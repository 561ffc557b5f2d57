# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Evidence of several cameras about the same ground, weighed as log-odds.

After Moravec and Elfes, "High resolution maps from wide angle sonar", ICRA 1985: each look at a
cell gives the log-odds that it is blocked, and independent looks add up. How much one look is
worth follows from the confidence of its pixel and from its distance: on flat ground, an error of
the camera's attitude moves a point at distance d by (d*d + h*h) / h times that error.
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
    worth = 0.5 * _closeness(evidence, seen, tilt_std_rad)
    if evidence.confidence is not None:
        worth *= evidence.confidence.reshape(-1)[seen] / np.float32(255)
    odds = np.minimum(0.5 + worth, SUREST)
    sign = np.where(cells.reshape(-1)[seen] == BLOCKED, 1, -1)
    result.reshape(-1)[seen] = sign * np.log(odds / (1 - odds))
    return result


def _closeness(
    evidence: GroundEvidence, cells: NDArray[np.int64], tilt_std_rad: float
) -> NDArray[np.float32]:
    """Return how exactly cells are known where they are, from 1 below the camera towards 0."""
    grid, (x_m, y_m, height_m) = evidence.grid, evidence.camera_m
    rows, columns = np.divmod(cells, grid.cells.shape[1])
    ahead_m = grid.x_min_m - x_m + (columns.astype(np.float32) + 0.5) * grid.resolution_m
    aside_m = grid.y_min_m - y_m + (rows.astype(np.float32) + 0.5) * grid.resolution_m
    square = ahead_m * ahead_m + aside_m * aside_m + height_m * height_m
    error_m = square / height_m * tilt_std_rad
    return np.asarray(1 / (1 + (error_m / REFERENCE_M) ** 2), np.float32)


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
