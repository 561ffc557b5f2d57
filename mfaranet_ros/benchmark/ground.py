# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The metric part of the pipeline against the synthetic scene: how exact and how fast it is.

The labels are the ground truth, so no network is involved.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import DrivableConfig, GroundConfig
from mfaranet_ros.core.frame import METRIC_OUTPUTS, Drivable
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.evaluation.metrics.ground import count_ground
from mfaranet_ros.evaluation.metrics.metric import MetricCounts
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import MetricGroundTruthFinder
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

REPEATS = 20
"""How often the metric part of a frame is timed."""


def camera_model(camera: SceneCamera) -> CameraModel:
    """Return a camera of the scene as the pipeline takes it."""
    return CameraModel(
        camera.width, camera.height, camera.fx, camera.fy, camera.cx, camera.cy,
        camera.model if camera.coefficients else 'pinhole', camera.coefficients,
    )  # fmt: skip


def mounting_pose(camera: SceneCamera) -> MountingPose:
    """Return where a camera of the scene sits, as the pipeline takes it."""
    return MountingPose.from_xyz_rpy(
        camera.x, camera.y, camera.z, camera.roll, camera.pitch, camera.yaw
    )


def project_ground(camera: SceneCamera, config: GroundConfig) -> GroundProjection:
    """Return the ground as a camera of the scene sees it, from its own mounting pose."""
    size = camera.height, camera.width
    return GroundProjection(camera_model(camera), mounting_pose(camera), config, size)


def extent_of(config: GroundConfig) -> GridExtent:
    """Return the extent of the grid of a config."""
    return GridExtent(config.x_min, config.x_max, config.y_min, config.y_max, config.resolution)


@dataclass
class GroundFigures:
    """Accuracy and time over all frames so far; times are of the whole metric part of a frame."""

    counts: MetricCounts = field(default_factory=MetricCounts)
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    frames: int = 0

    def time_ms(self) -> dict[str, float]:
        """Return p50 and p95 of wall and processor time."""
        return {
            f'{name}_p{percent}': float(np.percentile(values, percent))
            for name, values in (('wall', self.wall_ms), ('cpu', self.cpu_ms))
            for percent in (50, 95)
        }


def measure_ground(
    drives: Iterable[SyntheticScene],
    frames: Iterable[int],
    config: GroundConfig | None = None,
    *,
    repeats: int = REPEATS,
    on_frame: Callable[[], object] = lambda: None,
) -> GroundFigures:
    """Compare frames of drives with their ground truth, and time the metric part on each.

    drives: all with the same camera. Raises CalibrationError where it sees nothing of the grid,
    ConfigError for a grid that cannot be or a frame that a drive does not have.
    """
    config, figures, frames = config or GroundConfig(), GroundFigures(), tuple(frames)
    ground: GroundProjection | None = None
    for drive in drives:
        ground = ground or project_ground(drive.camera, config)
        finder = MetricGroundTruthFinder(drive, extent_of(config))
        for index in frames:
            labels = drive.frame(index).labels
            found = _timed(labels, drive.label_set, ground, repeats, figures)
            truth = finder.at(index)
            camera_m = drive.camera.x, drive.camera.y
            figures.counts += count_ground(found, truth.grid, truth.boundary_m, camera_m)
            figures.frames += 1
            on_frame()
    return figures


def _timed(
    labels: NDArray[np.uint8],
    label_set: str,
    ground: GroundProjection,
    repeats: int,
    figures: GroundFigures,
) -> Drivable:
    """Return what is found in metres; the first of the runs is not timed, it warms up."""
    roles = get_label_set(label_set).roles
    sure = np.full_like(labels, 255)  # the node gives a confidence, too
    for repeat in range(repeats + 1):
        wall_ns, cpu_ns = time.perf_counter_ns(), time.process_time_ns()
        found, _ = find_drivable(labels, sure, roles, DrivableConfig(), METRIC_OUTPUTS, ground)
        if repeat:
            figures.cpu_ms.append((time.process_time_ns() - cpu_ns) / 1e6)
            figures.wall_ms.append((time.perf_counter_ns() - wall_ns) / 1e6)
    return found
