# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishes the grid of a rig (geometry/rig_grid.py), and says what it is made of."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from rclpy.node import Node

from mfaranet_ros.core.config import FusionConfig, PipelineConfig
from mfaranet_ros.core.frame import GroundGrid, Output, Result
from mfaranet_ros.geometry.ground import GridLayout
from mfaranet_ros.geometry.rig_grid import FusedGrid, RigGrid
from mfaranet_ros.monitoring.monitor import FUTURE_TOLERANCE_MS, Level
from mfaranet_ros.monitoring.status import Status
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import OccupancyGrid
from mfaranet_ros.pipeline.topics import Qos
from mfaranet_ros.ros.camera_unit import CameraUnit
from mfaranet_ros.ros.compatibility import PublisherEventCallbacks
from mfaranet_ros.ros.conversions import message_class, to_message
from mfaranet_ros.ros.ego_motion import EgoMotionInput, make_ego_motion
from mfaranet_ros.ros.outputs import qos_profile

GRID, CERTAINTY = '~/grid', '~/grid/certainty'
LATCHED = Qos(latched=True)


class RigOutput:
    """The fused grid of a rig, its publishers and its diagnostics.

    cameras: of the rig. Nothing is fused while nobody subscribes to the grid.
    """

    def __init__(self, node: Node, config: FusionConfig, cameras: Sequence[CameraUnit]) -> None:
        self._node = node
        self._config = config
        self._cameras = cameras
        self._lock = threading.Lock()
        self._publishers: dict[str, Any] = {}
        self._rig: RigGrid | None = None
        self._ego_motion: EgoMotionInput | None = None
        self._shown: FusedGrid | None = None
        self._problems: dict[str, str] = {}

    def configure(self, config: PipelineConfig) -> None:
        """Create publishers and subscriptions; raises ConfigError for a grid without cells."""
        layout = GridLayout.from_config(config.ground)
        self._base_frame = config.ground.base_frame
        self._timeout_ns = int(config.diagnostics.input_timeout_ms * 1e6)
        self._rig = rig = RigGrid(layout, self._config, [camera.name for camera in self._cameras])
        self._ego_motion = make_ego_motion(
            self._node, self._config, self._base_frame, rig.track, self._lock
        )
        for topic in (GRID, CERTAINTY):
            self._publishers[topic] = self._node.create_publisher(
                message_class(OccupancyGrid.TYPE),
                topic,
                qos_profile(LATCHED),
                event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
            )

    def wanted(self) -> frozenset[Output]:
        """Return what the grid needs of every camera, nothing while nobody subscribes to it."""
        heard = any(each.get_subscription_count() for each in self._publishers.values())
        return frozenset({Output.EVIDENCE}) if heard else frozenset()

    def take(self, camera: CameraUnit, result: Result, config: PipelineConfig) -> None:
        """Use what an image says, unless there is a reason not to believe it."""
        evidence = result.drivable.evidence
        problem = self._why_not(camera, result, config)
        self._problems[camera.name] = problem
        with self._lock:
            if self._rig is not None and evidence is not None and not problem:
                self._rig.take(camera.name, evidence, result.stamp_ns)

    def _why_not(self, camera: CameraUnit, result: Result, config: PipelineConfig) -> str:
        frozen = config.diagnostics.frozen_frames
        if camera.monitor.identical_frames >= frozen:
            return 'frozen: its images are all the same'
        ahead_ms = (result.stamp_ns - self._now_ns()) / 1e6
        if ahead_ms > FUTURE_TOLERANCE_MS:
            return f'stamped {ahead_ms:.0f} ms in the future: its age is not known'
        if result.drivable.evidence is None:
            return result.drivable.problem
        return ''

    def end_round(self) -> None:
        """Publish the grid after a round."""
        if self.wanted():
            self._publish(self._fuse())

    def watch(self) -> None:
        """Publish a grid without the sectors of cameras from which nothing has come in time."""
        with self._lock:
            rig = self._rig
            if rig is None or self._shown is None:
                return
            lost = rig.expire(self._now_ns(), self._timeout_ns)
            lost += [camera.name for camera in self._cameras if not camera.enabled
                     and rig.lose(camera.name)]  # fmt: skip
        if lost:
            self._publish(self._fuse())

    def clear(self) -> None:
        """Forget everything, and let no old grid stand."""
        with self._lock:
            if self._rig is not None:
                self._rig.clear()
        self._publish(None)

    def close(self) -> None:
        """Destroy what `configure` created."""
        if self._ego_motion is not None:
            self._ego_motion.close()
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self._rig = self._ego_motion = None

    def statuses(self) -> Iterable[Status]:
        """Return the status `grid`: the age of each camera's part, and whether it remembers."""
        rig, shown = self._rig, self._shown
        if rig is None:
            return
        now_ns = self._now_ns()
        with self._lock:
            stamps_ns = rig.stamps_ns
            jumps, refused = rig.track.jumps, rig.track.refused
        values = [
            (f'age_ms_{camera.name}', _age(stamps_ns.get(camera.name), now_ns))
            for camera in self._cameras
        ]
        values += [
            ('memory', 'n/a' if shown is None else shown.no_memory or 'follows the ego motion'),
            ('odometry_jumps', str(jumps)),
            ('odometry_refused', str(refused)),
        ]
        level, text = self._judge(stamps_ns, shown)
        yield Status('grid', level, text, tuple(values))

    def _judge(self, stamps_ns: dict[str, int], shown: FusedGrid | None) -> tuple[Level, str]:
        if not self.wanted():
            return Level.OK, 'no subscriber'
        found = [
            f'{name} is not in the grid: {self._problems.get(name) or "no image in time"}'
            for name in (camera.name for camera in self._cameras)
            if name not in stamps_ns
        ]
        if shown is not None and shown.no_memory and self._config.memory != 'none':
            found.append(shown.no_memory)
        if shown is not None and shown.waiting:
            found.append(
                f'the ego motion is not known at the images of {", ".join(shown.waiting)}'
            )
        if not found:
            return Level.OK, 'ok'
        return (Level.WARN if stamps_ns else Level.ERROR), '; '.join(found)

    def _fuse(self) -> FusedGrid | None:
        with self._lock:
            if self._rig is None:
                return None
            self._rig.expire(self._now_ns(), self._timeout_ns)
            if self._ego_motion is not None:
                self._ego_motion.update(self._rig.stamps_ns.values())
            return self._rig.fuse()

    def _publish(self, fused: FusedGrid | None) -> None:
        """Publish a grid; None: one of unseen cells at the present time, once."""
        shown, self._shown = self._shown, fused
        if fused is not None:
            header = encode.header(fused.stamp_ns, self._base_frame)
            grid, certainty = fused.grid, fused.certainty
        elif shown is not None:
            header = encode.header(self._now_ns(), self._base_frame)
            grid = _with(shown.grid, np.full_like(shown.grid.cells, -1))
            certainty = np.zeros_like(shown.certainty)
        else:
            return
        for topic, cells in ((GRID, grid), (CERTAINTY, _with(grid, certainty))):
            if topic in self._publishers:
                message = to_message(encode.occupancy_grid(cells, header))
                self._publishers[topic].publish(message)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def _with(grid: GroundGrid, cells: Any) -> GroundGrid:
    return GroundGrid(cells, grid.resolution_m, grid.x_min_m, grid.y_min_m)


def _age(stamp_ns: int | None, now_ns: int) -> str:
    return 'n/a' if stamp_ns is None else f'{(now_ns - stamp_ns) / 1e6:.3f}'
