# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ego motion of a rig: from an odometry topic, or from TF."""

from __future__ import annotations

import importlib.util
import math
import threading
from collections.abc import Iterable
from typing import Any, Protocol

from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.time import Time

from mfaranet_ros.core.config import FusionConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import stamp_of
from mfaranet_ros.geometry.ego_motion import EgoPose, EgoTrack

BEST_EFFORT = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)


class EgoMotionInput(Protocol):
    """Fills a track with poses for as long as it is open."""

    def update(self, stamps_ns: Iterable[int]) -> None:
        """Get the poses of these moments, where they do not come by themselves."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


def make_ego_motion(
    node: Node, config: FusionConfig, base_frame: str, track: EgoTrack, lock: threading.Lock
) -> EgoMotionInput | None:
    """Return what fills the track, None with `fusion.memory = none`.

    lock: held while the track is changed. Raises ConfigError if TF is asked for and tf2_ros is not
    installed.
    """
    if config.memory == 'odometry':
        return OdometryInput(node, track, lock)
    if config.memory == 'none':
        return None
    if importlib.util.find_spec('tf2_ros') is None:
        raise ConfigError(
            'fusion.memory = tf, but tf2_ros is not installed: install ros-DISTRO-tf2-ros-py or '
            'set fusion.memory to odometry'
        )
    return TfInput(node, config.odom_frame, base_frame, track)


class OdometryInput:
    """Subscribes to `odom`."""

    def __init__(self, node: Node, track: EgoTrack, lock: threading.Lock) -> None:
        self._node, self._track, self._lock = node, track, lock
        self._subscription = node.create_subscription(Odometry, 'odom', self._take, BEST_EFFORT)

    def _take(self, message: Any) -> None:
        pose = message.pose.pose
        at = EgoPose(pose.position.x, pose.position.y, yaw_of(pose.orientation))
        with self._lock:
            self._track.take(stamp_of(message), at)

    def update(self, stamps_ns: Iterable[int]) -> None:
        """Odometry comes by itself."""

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)


class TfInput:
    """Looks the vehicle's pose up in TF at the stamps of images."""

    def __init__(self, node: Node, odom_frame: str, base_frame: str, track: EgoTrack) -> None:
        import tf2_ros

        self._frames = odom_frame, base_frame
        self._track = track
        self._error = tf2_ros.TransformException
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)

    def update(self, stamps_ns: Iterable[int]) -> None:
        """Look up the poses that are not known yet; the caller holds the lock."""
        for stamp_ns in sorted(stamps_ns):
            newest_ns = self._track.newest_ns
            if newest_ns is not None and stamp_ns <= newest_ns:
                continue
            try:
                found = self._buffer.lookup_transform(*self._frames, Time(nanoseconds=stamp_ns))
            except self._error:
                continue  # the track then says how old its newest pose is
            t, q = found.transform.translation, found.transform.rotation
            self._track.take(stamp_ns, EgoPose(t.x, t.y, yaw_of(q)))

    def close(self) -> None:
        """Unsubscribe."""
        self._listener.unregister()


def yaw_of(q: Any) -> float:
    """Return the yaw of a quaternion with x, y, z and w, in radians; NaN for one of length 0."""
    if not q.x * q.x + q.y * q.y + q.z * q.z + q.w * q.w > 0:
        return math.nan
    return math.atan2(2 * (q.w * q.z + q.x * q.y), q.w * q.w + q.x * q.x - q.y * q.y - q.z * q.z)
