# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Mounting poses from TF, for the ground lookup of the node."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.geometry.ground_source import GroundSource, ParameterPoses
from mfaranet_ros.geometry.mounting import MountingPose

MOVED_M = 1e-3
MOVED_RAD = 1e-4
"""A transform that changes by less is the same one: the tables are not computed again."""


def make_ground_source(node: Node, extrinsics: str) -> GroundSource:
    """Return the ground lookup of a node for `ground.extrinsics`.

    Raises ConfigError if TF is asked for and tf2_ros is not installed.
    """
    poses = TfPoses(node) if _use_tf(extrinsics) else ParameterPoses()
    topic = node.resolve_topic_name('camera_info')
    missing = f'no CameraInfo on {topic}: the metric outputs need one'
    return GroundSource(poses, missing)


def _use_tf(extrinsics: str) -> bool:
    installed = importlib.util.find_spec('tf2_ros') is not None
    if extrinsics == 'tf' and not installed:
        raise ConfigError(
            'ground.extrinsics = tf, but tf2_ros is not installed: install ros-DISTRO-tf2-ros-py '
            'or set ground.extrinsics to parameters'
        )
    return installed and extrinsics != 'parameters'


class TfPoses:
    """The mounting pose from TF, the same object for as long as the camera does not move."""

    name = 'tf'

    def __init__(self, node: Node) -> None:
        import tf2_ros

        self._errors = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer(node=node)
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)
        self._found: dict[tuple[str, str], tuple[Any, Any, MountingPose]] = {}

    def at(self, frame: Frame, config: GroundConfig) -> MountingPose:
        """Return the newest pose; raises CalibrationError where TF has none."""
        base_frame, frame_id = config.base_frame, frame.frame_id
        try:
            found = self._buffer.lookup_transform(base_frame, frame_id, Time()).transform
        except self._errors as error:
            raise CalibrationError(
                f'no transform {base_frame} <- {frame_id!r} in TF ({error}): publish it, or set '
                'ground.extrinsics to parameters'
            ) from error
        t, q = found.translation, found.rotation
        translation, rotation = np.array((t.x, t.y, t.z)), np.array((q.x, q.y, q.z, q.w))
        known = self._found.get((base_frame, frame_id))
        if (
            known is not None
            and _near(known[0], translation, MOVED_M)
            and (_near(known[1], rotation, MOVED_RAD))
        ):
            return known[2]
        pose = MountingPose.from_transform(tuple(translation), tuple(rotation))
        self._found[base_frame, frame_id] = translation, rotation, pose
        return pose

    def close(self) -> None:
        """Follow TF no more."""
        self._listener.unregister()


def _near(a: Any, b: Any, tolerance: float) -> bool:
    return bool(np.abs(a - b).max() < tolerance)
