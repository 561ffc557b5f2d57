# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A grid of log-odds that stands still in the world while the vehicle drives through it.

Its cells are those of the odometry frame, so that nothing is resampled as the vehicle moves; the
array only follows it by whole cells. Evidence fades, towards unknown and never further. Ground
that is covered by something is not free any more, however often it was seen before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import GroundEvidence
from mfaranet_ros.geometry.ego_motion import EgoPose
from mfaranet_ros.geometry.fusion import LogOdds, Mask, log_odds_of
from mfaranet_ros.geometry.ground import GridLayout

Indices = NDArray[np.int64]

LOOKS = 2.0
"""Looks from the same distance share their errors: together they count as at most this many."""

MOST = 8.0
"""Largest log-odds that are kept."""

OTHERS_NS = 300_000_000
"""How long a cell that one camera sees as covered stays free because another one sees it."""


class GridMemory:
    """What is remembered of the cells around the vehicle.

    layout: of the grid around the vehicle. fade_s: time in which log-odds fall to a third.
    keep_s: time after which a cell that was not seen again is unknown.
    """

    def __init__(self, layout: GridLayout, fade_s: float, keep_s: float) -> None:
        self._layout, self._fade_s, self._keep_s = layout, fade_s, keep_s
        self._centres = layout.centres()
        corners = self._centres[[0, -1]]
        reach_m = float(np.hypot(np.abs(corners).max(0)[0], np.abs(corners).max(0)[1]))
        self._half = math.ceil(reach_m / layout.resolution_m) + 2
        self._shape = (2 * self._half, 2 * self._half)
        self._corner = 0, 0
        self._is_empty = True
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._log_odds = np.zeros(self._shape, np.float32)
        self._seen_ns = np.zeros(self._shape, np.int64)
        self._seen_by = np.full(self._shape, -1, np.int8)
        self._now_ns = 0
        self._is_empty = True

    def update(
        self,
        evidences: Mapping[int, tuple[GroundEvidence, EgoPose]],
        now_ns: int,
        pose: EgoPose,
        tilt_std_rad: float,
    ) -> None:
        """Take the evidence of one round.

        evidences: by the number of the camera, each with the pose at its stamp. now_ns, pose: of
        the newest of them.
        """
        self._fade(now_ns)
        self._follow(pose)
        looks = np.zeros(self._shape, np.float32)
        seen_by = np.full(self._shape, -1, np.int8)
        covered: dict[int, Mask] = {}
        for camera, (evidence, at) in evidences.items():
            source, inside = self._cells_in(at)
            own = self._gather(log_odds_of(evidence, tilt_std_rad), source, inside, at)
            looks += own
            seen_by[own != 0] = camera
            covered[camera] = self._gather_covered(evidence.covered, source, inside)
        self._add(looks)
        seen = looks != 0
        self._seen_ns[seen] = now_ns
        self._seen_by[seen] = seen_by[seen]
        for camera, cells in covered.items():
            old = (self._seen_by == camera) | (self._seen_ns < now_ns - OTHERS_NS)
            self._log_odds[cells & ~seen & old & (self._log_odds < 0)] = 0.0

    def around(self, pose: EgoPose) -> LogOdds:
        """Return what is known around a pose, by the layout's cells; above 0 is blocked."""
        place = self._index_of(self._to_world(self._centres, pose))
        inside = (place >= 0).all(axis=1)
        result = np.zeros(self._layout.shape, np.float32)
        kept = np.where(self._now_ns - self._seen_ns <= self._keep_s * 1e9, self._log_odds, 0)
        taken = place[inside, 0], place[inside, 1]
        result.reshape(-1)[inside] = kept[taken]
        # Every blocked cell stays one: between turned cells the nearest may miss it.
        missed = kept > 0
        missed[taken] = False
        row, column = np.nonzero(missed)
        middles = np.column_stack((column, row)) + np.float64(0.5) + self._corner
        world = np.asarray(middles * self._layout.resolution_m, np.float64)
        cell = self._layout.cell_of(_to_base(world, pose))
        hit = cell[:, 0] >= 0
        at = cell[hit, 0], cell[hit, 1]
        np.maximum.at(result, at, kept[row[hit], column[hit]])
        return result

    def forget(self, cells: Mask, pose: EgoPose) -> None:
        """Forget the cells around a pose that are true in a mask of the layout's shape."""
        place = self._index_of(self._to_world(self._centres[cells.reshape(-1)], pose))
        place = place[(place >= 0).all(axis=1)]
        self._log_odds[place[:, 0], place[:, 1]] = 0.0

    # -- one round ---------------------------------------------------------------------------

    def _add(self, looks: LogOdds) -> None:
        """Add looks: what contradicts free ground counts at once, the rest little by little."""
        before, most = self._log_odds, LOOKS * looks
        start = np.where(looks > 0, np.maximum(before, 0), before)
        blocked = np.minimum(start + looks, np.maximum(most, start))
        free = np.maximum(start + looks, np.minimum(most, start))
        after = np.where(looks > 0, blocked, np.where(looks < 0, free, before))
        self._log_odds = np.clip(after, -MOST, MOST)

    def _fade(self, now_ns: int) -> None:
        if self._now_ns and now_ns > self._now_ns:
            self._log_odds *= math.exp((self._now_ns - now_ns) / 1e9 / self._fade_s)
        self._now_ns = max(now_ns, self._now_ns)

    def _follow(self, pose: EgoPose) -> None:
        """Move the array by whole cells so that its middle is where the vehicle is."""
        size = self._layout.resolution_m
        corner = round(pose.x_m / size) - self._half, round(pose.y_m / size) - self._half
        shift = corner[1] - self._corner[1], corner[0] - self._corner[0]  # rows, columns
        self._corner = corner
        if self._is_empty or shift == (0, 0):
            self._is_empty = False
            return
        for array, empty in (
            (self._log_odds, np.float32(0)),
            (self._seen_ns, np.int64(0)),
            (self._seen_by, np.int8(-1)),
        ):
            _shift(array, shift, empty)

    def _cells_in(self, pose: EgoPose) -> tuple[Indices, NDArray[np.bool_]]:
        """Return the layout's row and column of each cell of the memory, and which have one."""
        size, half = self._layout.resolution_m, self._half
        columns = (np.arange(2 * half, dtype=np.float32) + 0.5) * size
        x = columns + np.float32(self._corner[0] * size - pose.x_m)
        y = columns + np.float32(self._corner[1] * size - pose.y_m)
        cosine, sine = np.float32(math.cos(pose.yaw_rad)), np.float32(math.sin(pose.yaw_rad))
        ahead = cosine * x[None, :] + sine * y[:, None]
        aside = -sine * x[None, :] + cosine * y[:, None]
        column = np.floor((ahead - np.float32(self._layout.x_min_m)) / np.float32(size))
        row = np.floor((aside - np.float32(self._layout.y_min_m)) / np.float32(size))
        rows, columns_count = self._layout.shape
        inside = (row >= 0) & (row < rows) & (column >= 0) & (column < columns_count)
        source = np.where(inside, row * columns_count + column, 0).astype(np.int64)
        return source, inside

    def _gather(
        self, looks: LogOdds, source: Indices, inside: NDArray[np.bool_], pose: EgoPose
    ) -> LogOdds:
        result = np.where(inside, looks.reshape(-1)[source], np.float32(0))
        missed = looks.reshape(-1) > 0
        missed[source[inside]] = False
        blocked = np.flatnonzero(missed)
        place = self._index_of(self._to_world(self._centres[blocked], pose))
        hit = (place >= 0).all(axis=1)
        at = place[hit, 0], place[hit, 1]
        np.maximum.at(result, at, looks.reshape(-1)[blocked[hit]])
        return np.asarray(result)

    @staticmethod
    def _gather_covered(covered: Mask, source: Indices, inside: Mask) -> Mask:
        return inside & covered.reshape(-1)[source]

    def _to_world(self, points_m: NDArray[np.float64], pose: EgoPose) -> NDArray[np.float64]:
        cosine, sine = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
        x, y = points_m[:, 0], points_m[:, 1]
        return np.column_stack(
            (pose.x_m + cosine * x - sine * y, pose.y_m + sine * x + cosine * y)
        )

    def _index_of(self, world_m: NDArray[np.float64]) -> Indices:
        """Return row and column (N, 2) of points in the memory; -1, -1 outside."""
        at = np.floor(world_m / self._layout.resolution_m).astype(np.int64) - self._corner
        outside = ((at < 0) | (at >= 2 * self._half)).any(axis=1, keepdims=True)
        return np.where(outside, -1, at)[:, ::-1]


def _to_base(world_m: NDArray[np.float64], pose: EgoPose) -> NDArray[np.float64]:
    cosine, sine = math.cos(pose.yaw_rad), math.sin(pose.yaw_rad)
    x, y = (world_m - (pose.x_m, pose.y_m)).T
    return np.column_stack((cosine * x + sine * y, -sine * x + cosine * y))


def _shift(array: NDArray[np.generic], by: tuple[int, int], empty: np.generic) -> None:
    """Move the content of an array against `by` rows and columns, and fill what is new."""
    rows, columns = array.shape
    kept = np.full_like(array, empty)
    if abs(by[0]) < rows and abs(by[1]) < columns:
        (to_rows, from_rows), (to_columns, from_columns) = (_slices(n) for n in by)
        kept[to_rows, to_columns] = array[from_rows, from_columns]
    array[...] = kept


def _slices(by: int) -> tuple[slice, slice]:
    """Return where what stays goes, and where it was."""
    if by >= 0:
        return slice(0, -by if by else None), slice(by, None)
    return slice(-by, None), slice(0, by)
