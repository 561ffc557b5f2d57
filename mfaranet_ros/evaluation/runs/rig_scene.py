# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The fused grid of a rig against the ground truth of the synthetic scene.

Frames go the way of the live rig: the same processor, the same fusion, the same memory. With true
labels in place of a network, the figures judge the geometry alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import FusionConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.frame import Frame, GroundEvidence, Output
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.synthetic_source import ground_settings, scene_camera_info
from mfaranet_ros.evaluation.metrics.metric import MetricCounts, count_grid
from mfaranet_ros.geometry.ego_motion import EgoPose
from mfaranet_ros.geometry.fusion import FREE, UNSEEN
from mfaranet_ros.geometry.ground import GridLayout
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.geometry.rig_grid import FusedGrid, RigGrid
from mfaranet_ros.pipeline.drivable import find_drivable
from mfaranet_ros.pipeline.processor import FrameProcessor, Job, process_together
from mfaranet_ros.scenes.rig import RigGroundTruth, RigScene
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

START_NS = 10**9
"""The stamp of the first frame."""

EVIDENCE = frozenset({Output.EVIDENCE})

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class RigScores:
    """What was counted over the frames of a scene.

    fused: of the fused grid. changed, compared: cells whose ground truth is the same as in the
    frame before, and those of them whose state in the grid is not.
    """

    fused: MetricCounts
    changed: int
    compared: int

    @property
    def flicker(self) -> float:
        """The share of the compared cells that have changed."""
        return self.changed / max(1, self.compared)


def rig_settings(rig: RigScene, config: PipelineConfig) -> PipelineConfig:
    """Return the settings with the extent of the rig's ground truth."""
    extent = rig.extent
    return replace(
        config,
        {
            'ground.x_min': extent.x_min_m,
            'ground.x_max': extent.x_max_m,
            'ground.y_min': extent.y_min_m,
            'ground.y_max': extent.y_max_m,
            'ground.resolution': extent.resolution_m,
            'ground.extrinsics': 'parameters',
        },
    )


class RigCameras:
    """What the cameras of a rig in the synthetic scene say about the ground, frame by frame.

    processor: segments the images; None: the true labels are used instead.
    """

    def __init__(
        self, rig: RigScene, config: PipelineConfig, processor: FrameProcessor | None
    ) -> None:
        self._rig = rig
        self._processor = processor
        config = rig_settings(rig, config)
        self._configs = {
            name: replace(config, ground_settings(scene.camera))
            for name, scene in rig.scenes.items()
        }
        self._grounds = {name: GroundSource() for name in rig.scenes}
        for name, scene in rig.scenes.items():
            self._grounds[name].take_camera_info(scene_camera_info(scene.camera))

    def evidence(self, index: int) -> dict[str, GroundEvidence]:
        """Return what each camera says at a frame."""
        if self._processor is None:
            return {name: self._of_labels(name, index) for name in self._configs}
        jobs = [
            Job(
                dataclasses.replace(
                    self._processor, config=config, ground=self._grounds[name], now_ns=None
                ),
                self._frame(self._rig.scenes[name], index),
                EVIDENCE,
            )
            for name, config in self._configs.items()
        ]
        names, evidence = list(self._configs), {}
        for number, answer in process_together(jobs):
            if isinstance(answer, Exception):
                raise answer
            if answer.drivable.evidence is not None:
                evidence[names[number]] = answer.drivable.evidence
        return evidence

    def _of_labels(self, name: str, index: int) -> GroundEvidence:
        scene, config = self._rig.scenes[name], self._configs[name]
        labels = scene.labels(index)
        frame = Frame(labels[..., None], 'mono8', START_NS + scene.stamp_ns(index), name)
        ground = self._grounds[name].at(frame, frame.size, config.ground)
        roles = get_label_set(scene.label_set).roles
        drivable, _ = find_drivable(
            labels, None, roles, config.drivable, EVIDENCE, ground.projection
        )
        if drivable.evidence is None:
            raise CalibrationError(ground.problem)
        return drivable.evidence

    @staticmethod
    def _frame(scene: SyntheticScene, index: int) -> Frame:
        frame = scene.frame(index)
        return Frame(frame.rgb, 'rgb8', START_NS + frame.stamp_ns, 'camera')


def fused_frames(
    rig: RigScene,
    cameras: RigCameras,
    config: PipelineConfig,
    fusion: FusionConfig,
    frames: range,
) -> Iterator[tuple[int, FusedGrid]]:
    """Yield the fused grid of each frame, the ego motion being that of the scene."""
    layout = GridLayout.from_config(rig_settings(rig, config).ground)
    grid = RigGrid(layout, fusion, rig.scenes)
    for index in frames:
        stamp_ns = START_NS + rig.first.stamp_ns(index)
        grid.track.take(stamp_ns, ego_pose(rig, index))
        if grid.track.newest_ns is not None and index == frames.start:
            grid.track.take(stamp_ns + 1, ego_pose(rig, index))
        for name, evidence in cameras.evidence(index).items():
            grid.take(name, evidence, stamp_ns)
        fused = grid.fuse()
        if fused is not None:
            yield index, fused


def ego_pose(rig: RigScene, index: int) -> EgoPose:
    """Return the true pose of base_link at a frame."""
    pose = rig.first.pose(index)
    return EgoPose(pose.x_m, pose.y_m, float(np.arctan2(pose.sine, pose.cosine)))


def score_rig(
    rig: RigScene,
    cameras: RigCameras,
    config: PipelineConfig,
    fusion: FusionConfig,
    frames: range,
) -> RigScores:
    """Score the fused grid of a scene's frames."""
    counts, changed, compared = MetricCounts(), 0, 0
    before: tuple[EgoPose, FusedGrid, RigGroundTruth] | None = None
    for index, fused in fused_frames(rig, cameras, config, fusion, frames):
        ground_truth, extent = rig.ground_truth(index), rig.extent
        cells = fused.grid.cells
        in_sight = ground_truth.cells != UNSEEN
        judged = in_sight | (ground_truth.hidden & (cells == FREE))  # what is remembered is not
        counts += count_grid(
            np.where(judged, cells, UNSEEN).astype(np.int8),
            ground_truth.cells,
            resolution_m=extent.resolution_m,
            corner_m=(extent.x_min_m, extent.y_min_m),
            occluded=ground_truth.hidden,
        )
        now = ego_pose(rig, index), fused, ground_truth
        if before is not None:
            more_changed, more_compared = _flicker(rig, before, now)
            changed, compared = changed + more_changed, compared + more_compared
        before = now
    return RigScores(counts, changed, compared)


def _flicker(
    rig: RigScene,
    before: tuple[EgoPose, FusedGrid, RigGroundTruth],
    now: tuple[EgoPose, FusedGrid, RigGroundTruth],
) -> tuple[int, int]:
    """Count the cells in sight whose ground truth stays, and those of them that change.

    A cell has changed when it was free and is not, or the other way round. Edges of the ground
    truth, up to one cell, do not count.
    """
    extent, (pose, grid, truth), (old_pose, old_grid, old_truth) = rig.extent, now, before
    cosine, sine = np.cos(pose.yaw_rad), np.sin(pose.yaw_rad)
    x, y = extent.centres().T
    world = np.column_stack((pose.x_m + cosine * x - sine * y, pose.y_m + sine * x + cosine * y))
    ahead, aside = (world - (old_pose.x_m, old_pose.y_m)).T
    cosine, sine = np.cos(old_pose.yaw_rad), np.sin(old_pose.yaw_rad)
    old = np.column_stack((cosine * ahead + sine * aside, -sine * ahead + cosine * aside))
    at = np.floor((old - (extent.x_min_m, extent.y_min_m)) / extent.resolution_m).astype(int)
    rows, columns = extent.shape
    inside = ((at >= 0) & (at < (columns, rows))).all(axis=1)
    place = at[inside, 1], at[inside, 0]
    true_now = _settled(truth.cells).reshape(-1)[inside]
    true_old = _settled(old_truth.cells)[place]
    same = (true_now == true_old) & (true_now != UNSEEN)
    free_now = grid.grid.cells.reshape(-1)[inside] == FREE
    free_old = old_grid.grid.cells[place] == FREE
    return int((same & (free_now != free_old)).sum()), int(same.sum())


def _settled(cells: NDArray[np.int8]) -> NDArray[np.int8]:
    """Return the cells whose neighbours are alike, the others as unseen."""
    values = (cells.astype(np.int16) + 1).astype(np.uint8)
    around = np.ones((3, 3), np.uint8)
    alike = cv2.erode(values, around) == cv2.dilate(values, around)
    return np.where(alike, cells, UNSEEN).astype(np.int8)
