# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where the ground lies under the image: CameraInfo and the mounting pose, kept up to date."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.time import Time

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose

MOVED_M = 1e-3
MOVED_RAD = 1e-4
"""A transform that changes by less is the same one: the tables are not computed again."""


class Calibration:
    """Gives the ground projection that belongs to a frame, or says why there is none.

    Tables are computed when the first frame needs them and again only when the CameraInfo, the
    mounting pose, the size of the masks or the settings have changed.
    """

    def __init__(self, node: Node, extrinsics: str) -> None:
        self._node = node
        self._camera_info: Any = None
        self._key: Any = None
        self._projection: GroundProjection | None = None
        self._transforms = _Transforms(node) if _use_tf(extrinsics) else None
        self.problem = ''

    @property
    def source(self) -> str:
        """Where the mounting pose comes from."""
        return 'tf' if self._transforms is not None else 'parameters'

    @property
    def camera_info(self) -> Any:
        """The newest CameraInfo message, or None."""
        return self._camera_info

    def take_camera_info(self, message: Any) -> None:
        self._camera_info = message

    def projection(
        self, frame: Frame, mask_size: tuple[int, int], config: GroundConfig
    ) -> GroundProjection | None:
        """Return the ground under masks of this size, or None with `problem` saying why not."""
        try:
            projection = self._up_to_date(frame, mask_size, config)
        except (CalibrationError, ConfigError) as error:
            self.problem = str(error)
            return None
        self.problem = ''
        return projection

    def _up_to_date(
        self, frame: Frame, mask_size: tuple[int, int], config: GroundConfig
    ) -> GroundProjection:
        info = self._camera_info
        if info is None:
            topic = self._node.resolve_topic_name('camera_info')
            raise CalibrationError(f'no CameraInfo on {topic}: the metric outputs need one')
        pose = self._pose(frame.frame_id, config)
        key = (_content(info), frame.size, mask_size, config, pose)
        if key != self._key or self._projection is None:
            self._key, self._projection = key, None
            camera = read_camera_info(info)
            camera.check_size(*frame.size)
            camera = camera.scaled_to(*mask_size)
            self._projection = GroundProjection(camera, pose, config, mask_size)
        return self._projection

    def _pose(self, frame_id: str, config: GroundConfig) -> MountingPose:
        if self._transforms is not None:
            return self._transforms.pose(config.base_frame, frame_id)
        return MountingPose.from_xyz_rpy(
            config.x, config.y, config.z, config.roll, config.pitch, config.yaw
        )

    def close(self) -> None:
        if self._transforms is not None:
            self._transforms.close()


def _use_tf(extrinsics: str) -> bool:
    installed = importlib.util.find_spec('tf2_ros') is not None
    if extrinsics == 'tf' and not installed:
        raise ConfigError(
            'ground.extrinsics = tf, but tf2_ros is not installed: install ros-DISTRO-tf2-ros-py '
            'or set ground.extrinsics to parameters'
        )
    return installed and extrinsics != 'parameters'


def _content(info: Any) -> tuple[Any, ...]:
    roi = info.roi
    return (
        info.height, info.width, info.distortion_model, tuple(info.d), tuple(info.k),
        tuple(info.r), tuple(info.p), info.binning_x, info.binning_y,
        roi.x_offset, roi.y_offset, roi.height, roi.width,
    )  # fmt: skip


class _Transforms:
    """The mounting pose from TF, the same object for as long as the camera does not move."""

    def __init__(self, node: Node) -> None:
        import tf2_ros

        self._errors = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer(node=node)
        self._listener = tf2_ros.TransformListener(self._buffer, node, spin_thread=False)
        self._found: dict[tuple[str, str], tuple[Any, Any, MountingPose]] = {}

    def pose(self, base_frame: str, frame_id: str) -> MountingPose:
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
        self._listener.unregister()


def _near(a: Any, b: Any, tolerance: float) -> bool:
    return bool(np.abs(a - b).max() < tolerance)
