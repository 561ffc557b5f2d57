# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `segmentation`: one camera topic in, masks, drivable area and diagnostics out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.monitoring.monitor import Monitor
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.ros.camera_settings import CameraSettings
from mfaranet_ros.ros.camera_unit import CameraUnit
from mfaranet_ros.ros.cameras_node import CamerasNode


class SegmentationNode(CamerasNode):
    """A rig of one camera, whose topics have no prefix; see docs/node.md.

    finish(exit_code): ends the process; used when the node starts by itself and cannot.
    build_pipeline: makes the pipeline of a config; tests give their own.
    Raises ConfigError for parameters that are unknown or out of range.
    """

    def __init__(
        self,
        finish: Callable[[int], None],
        *,
        build_pipeline: Callable[[PipelineConfig], FrameProcessor] = build_processor,
        **node_arguments: Any,
    ) -> None:
        super().__init__('segmentation', finish, build_pipeline=build_pipeline, **node_arguments)

    def _camera_settings(self) -> Iterator[tuple[str, CameraSettings]]:
        yield '', CameraSettings(self._node_settings.config)

    @property
    def camera(self) -> CameraUnit:
        """The only camera."""
        return self.cameras[0]

    @property
    def monitor(self) -> Monitor:
        """The counts of the only camera."""
        return self.camera.monitor
