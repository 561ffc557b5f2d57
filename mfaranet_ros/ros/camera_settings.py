# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The settings in which the cameras of one node may differ, as parameters named by camera."""

from __future__ import annotations

from rclpy.node import Node

from mfaranet_ros.core.config import PipelineConfig, replace, value_of
from mfaranet_ros.ros.parameters import NodeConfig, Parameters

PER_CAMERA = (
    *(f'ground.{name}' for name in ('x', 'y', 'z', 'roll', 'pitch', 'yaw')),
    'input.ego_mask',
    'input.ego_polygon',
    'diagnostics.expected_rate_hz',
)
"""The settings of the pipeline that each camera of a rig has of its own."""

PER_CAMERA_INPUT = ('input.transport', 'input.video_device')
"""The settings of the node that each camera of a rig has of its own."""


class CameraSettings:
    """What the only camera of a node is set to: the settings of the node."""

    def __init__(self, node_config: NodeConfig) -> None:
        self._node_config = node_config

    @property
    def transport(self) -> str:
        """How its images come, as `input.transport` says it."""
        return self._node_config.input.transport

    @property
    def video_device(self) -> str:
        """What decodes its video: `cpu` or `cuda`."""
        return self._node_config.input.video_device

    def applied_to(self, config: PipelineConfig) -> PipelineConfig:
        """Return the settings in force for this camera."""
        return config


class NamedCameraSettings(CameraSettings):
    """What one camera of a rig is set to, by parameters such as `camera.front.ground.x`.

    What is not given for the camera is as it is given for the node.
    """

    def __init__(
        self, node: Node, name: str, config: PipelineConfig, node_config: NodeConfig
    ) -> None:
        prefix = f'camera.{name}.'
        own = Parameters(node, node_config, names=PER_CAMERA_INPUT, prefix=prefix)
        super().__init__(own.config)
        self._own = Parameters(node, config, names=PER_CAMERA, prefix=prefix)
        self._applied = config, config, config

    def applied_to(self, config: PipelineConfig) -> PipelineConfig:
        """Return the settings in force for this camera."""
        own = self._own.config
        given, given_own, result = self._applied
        if config is not given or own is not given_own:
            result = replace(config, {name: value_of(own, name) for name in PER_CAMERA})
            self._applied = config, own, result
        return result
