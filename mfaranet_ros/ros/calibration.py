# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Mounting poses from TF, for the ground lookup of the node."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.serialization import deserialize_message
from rclpy.time import Time

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.geometry.ground_source import GroundSource, ParameterPoses
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.ros.moving_transforms import MovingTransforms

MOVED_M = 1e-3
MOVED_RAD = 1e-4
"""A transform that changes by less is the same one: the tables are not computed again."""

STANDS_STILL_NS = 1_000_000_000
"""A camera that has moved must stand still for this long before its pose is used again."""

STATIC_LOOKUPS = 3
"""Frames that find no transform in /tf_static before /tf is subscribed to as well."""

LATCHED = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def make_ground_source(node: Node, extrinsics: str, prefix: str = '') -> GroundSource:
    """Return the ground lookup of one camera of a node for `ground.extrinsics`.

    prefix: what precedes the name `camera_info`, such as `front/`.
    Raises ConfigError if TF is asked for and tf2_ros is not installed.
    """
    poses = TfPoses(node) if _use_tf(extrinsics) else ParameterPoses()
    topic = node.resolve_topic_name(f'{prefix}camera_info')
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
    """The mounting pose from TF at the stamp of each frame.

    Most cameras are mounted by /tf_static alone; /tf, which may be busy, is subscribed to only
    where that does not join the two frames. While the camera moves by more than a body tilts on
    its suspension there is no pose, since the tables of the ground, which take up to half a
    second, would never be up to date.
    """

    name = 'tf'

    def __init__(self, node: Node) -> None:
        import tf2_ros
        from tf2_msgs.msg import TFMessage

        self._node = node
        self._message_type = TFMessage
        self._errors = tf2_ros.TransformException
        self._buffer = (
            tf2_ros.Buffer()
        )  # with a node it would create a service and never destroy it
        self._static = node.create_subscription(
            TFMessage, '/tf_static', self._take_static, LATCHED
        )
        self._moving: MovingTransforms | None = None
        self._lookups = 0
        self._pose: _Still | None = None
        self._last: _Still | None = None
        self._moved_ns: int | None = None

    def at(self, frame: Frame, config: GroundConfig) -> MountingPose:
        """Return the pose; raises CalibrationError where TF has none or the camera moves."""
        now = self._lookup(config.base_frame, frame)
        if self._pose is not None and self._pose.is_near(now):
            return self._pose.pose
        if self._pose is not None and self._pose.pose.is_near(now.pose):
            return now.pose
        moved_ns = self._moved_ns
        if self._last is None:
            self._last = now
        elif not self._last.is_near(now):
            self._last, self._moved_ns = now, frame.stamp_ns
        if moved_ns is not None and 0 <= frame.stamp_ns - moved_ns < STANDS_STILL_NS:
            raise CalibrationError(
                f'the transform {config.base_frame} <- {frame.frame_id!r} moves: the metric '
                f'outputs return {STANDS_STILL_NS / 1e9:g} s after it stands still'
            )
        self._pose = now
        return now.pose

    def clear(self) -> None:
        """Forget transforms of /tf, as after the clock jumped back."""
        self._buffer.clear()
        if self._moving is not None:
            self._moving.clear()
        self._moved_ns = None

    def close(self) -> None:
        """Destroy the subscriptions."""
        self._node.destroy_subscription(self._static)
        if self._moving is not None:
            self._moving.close()

    def _lookup(self, base_frame: str, frame: Frame) -> _Still:
        self._take_moving(frame.stamp_ns)
        lookup, frame_id = self._buffer.lookup_transform, frame.frame_id
        try:
            try:
                found = lookup(base_frame, frame_id, Time(nanoseconds=frame.stamp_ns))
            except self._errors:  # TF often comes later than the image: the newest there is
                found = lookup(base_frame, frame_id, Time())
        except self._errors as error:
            self._follow_moving()
            raise CalibrationError(
                f'no transform {base_frame} <- {frame_id!r} in TF ({error}): publish it, or set '
                'ground.extrinsics to parameters'
            ) from error
        t, q = found.transform.translation, found.transform.rotation
        return _Still((base_frame, frame_id), (t.x, t.y, t.z), (q.x, q.y, q.z, q.w))

    def _follow_moving(self) -> None:
        self._lookups += 1
        if self._moving is None and self._lookups > STATIC_LOOKUPS:
            self._moving = MovingTransforms(self._node, self._message_type, self._deserialize)

    def _take_static(self, message: Any) -> None:
        for transform in message.transforms:
            self._buffer.set_transform_static(transform, 'tf_static')

    def _take_moving(self, stamp_ns: int) -> None:
        if self._moving is None:
            return
        for message in self._moving.around(stamp_ns):
            for transform in message.transforms:
                self._buffer.set_transform(transform, 'tf')

    def _deserialize(self, raw: bytes) -> Any:
        return deserialize_message(raw, self._message_type)


@dataclass(frozen=True)
class _Still:
    """A transform as it was found: translation in m, rotation as a quaternion x, y, z, w."""

    frames: tuple[str, str]
    translation: tuple[float, float, float]
    rotation: tuple[float, float, float, float]

    def is_near(self, other: _Still) -> bool:
        """Return whether another transform is the same but for what does not matter."""
        return (
            self.frames == other.frames
            and _near(self.translation, other.translation, MOVED_M)
            and _near(self.rotation, other.rotation, MOVED_RAD)
        )

    @cached_property
    def pose(self) -> MountingPose:
        """The mounting pose; raises CalibrationError for one that makes no sense."""
        return MountingPose.from_transform(self.translation, self.rotation)


def _near(a: Sequence[float], b: Sequence[float], tolerance: float) -> bool:
    return all(abs(x - y) < tolerance for x, y in zip(a, b, strict=True))
