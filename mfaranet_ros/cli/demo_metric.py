# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the whole node found in metres on the drive, against the ground truth of the same
frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mfaranet_ros.benchmark.ground import compare, extent_of
from mfaranet_ros.cli.contact_sheet import View
from mfaranet_ros.cli.demo_results import MetricSample
from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.frame import Drivable, GroundGrid
from mfaranet_ros.evaluation.metrics.metric import MetricCounts
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

MOST = 25
"""So many frames are compared; the ground truth of one takes a third of a second."""

LOST = 5
"""So many ground truth may have been lost before one that can still be told."""


@dataclass(frozen=True, eq=False)
class MetricComparison:
    """The agreement in metres over some frames of the drive.

    frames: how many were compared. unknown: how many could not be, because their labels are those
    of no frame that is known. shown, ground truth: one of the frames, and its true grid.
    """

    counts: MetricCounts
    frames: int
    unknown: int
    shown: View | None
    ground_truth: GroundGrid | None


def compare_in_metres(
    drive: SyntheticScene, samples: Sequence[MetricSample], config: GroundConfig, bearings: int
) -> MetricComparison:
    """Compare frames spread over the drive; bearings: vertices of the boundary."""
    chosen = [samples[i] for i in _spread(len(samples))]
    finder = MetricGroundTruthFinder(drive, extent_of(config))
    counts, frames, views = MetricCounts(), 0, []
    for sample in tqdm(
        chosen, desc='ground truth in metres', unit='frame', leave=False, disable=None
    ):
        number = _number_of(drive, sample)
        if number is None:
            continue
        ground_truth = finder.at(number)
        boundary_m = None if sample.boundary_m is None else sample.boundary_m[:bearings]
        found = Drivable(grid=sample.view.grid, boundary_m=boundary_m)
        counts += compare(found, ground_truth, drive.camera)
        views.append((sample.view, ground_truth.grid))
        frames += 1
    shown, true_grid = views[len(views) // 2] if views else (None, None)
    return MetricComparison(counts, frames, len(chosen) - frames, shown, true_grid)


def _number_of(drive: SyntheticScene, sample: MetricSample) -> int | None:
    """Return which frame a sample is of: ground truth that were lost on the way leave it counted
    low."""
    for number in range(sample.number, min(sample.number + LOST + 1, len(drive))):
        if np.array_equal(drive.frame(number).labels, sample.ground_truth):
            return number
    return None


def _spread(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST)).astype(np.int64))
