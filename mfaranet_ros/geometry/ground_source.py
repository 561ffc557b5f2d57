# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which ground lies under a frame: one lookup for the live node and for recordings.

It is given the camera's CameraInfo as it comes and a source of mounting poses (TF, /tf_static of
a bag, or parameters), and answers with the ground projection of a frame or with the reason why
there is none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.core.frame import Frame, MessageLike
from mfaranet_ros.geometry.attitude import Attitude
from mfaranet_ros.geometry.camera import read_camera_info
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.mounting import MountingPose


class PoseSource(Protocol):
    """Says where the camera is mounted."""

    @property
    def name(self) -> str:
        """Where the poses come from, as diagnostics show it: `tf`, `parameters` ..."""
        ...

    def at(self, frame: Frame, config: GroundConfig) -> MountingPose:
        """Return the pose of the frame's optical frame at the frame's stamp.

        Poses that differ by less than matters are the same object or equal, so that tables are
        not computed again. Raises CalibrationError where the pose is not known or makes no sense.
        """
        ...

    def clear(self) -> None:
        """Forget poses that have a time, since the clock has jumped."""
        ...

    def close(self) -> None:
        """Free what it listens with."""
        ...


class ParameterPoses:
    """The mounting pose of the settings `ground.x` to `ground.yaw`."""

    name = 'parameters'

    def at(self, frame: Frame, config: GroundConfig) -> MountingPose:
        """Return the pose; raises CalibrationError for one that is not above the ground."""
        return _pose_of(config)

    def clear(self) -> None:
        """Parameters have no time."""

    def close(self) -> None:
        """Nothing is open."""


@lru_cache(maxsize=32)
def _pose_of(config: GroundConfig) -> MountingPose:
    return MountingPose.from_xyz_rpy(
        config.x, config.y, config.z, config.roll, config.pitch, config.yaw
    )


@dataclass(frozen=True, eq=False)
class Ground:
    """The ground under one frame: a projection, or None and the problem in one line.

    attitude: the tilt that was estimated, None where none is. metric_range_m, range_reason: how
    far ahead metres are good, and why. mount_problem: a constant tilt of the camera, or empty.
    """

    projection: GroundProjection | None
    problem: str = ''
    attitude: Attitude | None = None
    metric_range_m: float | None = None
    range_reason: str = ''
    mount_problem: str = ''


class GroundLookup(Protocol):
    """What a FrameProcessor needs: the ground under the masks of a frame."""

    def at(self, frame: Frame, mask_size: tuple[int, int], config: GroundConfig) -> Ground:
        """Return the ground under masks of this height and width."""
        ...


class FixedGround:
    """The ground of a camera that is known beforehand; projection: None where it is not."""

    def __init__(self, projection: GroundProjection | None) -> None:
        self._ground = Ground(projection)

    def at(self, frame: Frame, mask_size: tuple[int, int], config: GroundConfig) -> Ground:
        """Return the ground."""
        return self._ground


class GroundSource:
    """Answers which ground lies under a frame; safe to feed from another thread.

    poses: where the camera is mounted. missing: what to say while there is no CameraInfo.

    The tables are computed when a frame first needs them, and again only when the CameraInfo, the
    size of the masks or the settings have changed, or the pose by more than a body tilts on its
    suspension; the projection follows smaller changes. A failure is remembered as well.
    """

    def __init__(
        self,
        poses: PoseSource | None = None,
        missing: str = 'no CameraInfo: the metric outputs need one',
    ) -> None:
        self.poses = poses or ParameterPoses()
        self._missing = missing
        self._info: MessageLike | None = None
        self._calibration: tuple[Any, ...] | None = None
        self._pose: MountingPose | None = None
        self._grounds: dict[tuple[int, int], Ground] = {}

    @property
    def camera_info(self) -> MessageLike | None:
        """The newest CameraInfo, or None."""
        return self._info

    def take_camera_info(self, message: MessageLike | None) -> None:
        """Use this CameraInfo-like message from the next frame on; None: there is none."""
        self._info = message

    def at(self, frame: Frame, mask_size: tuple[int, int], config: GroundConfig) -> Ground:
        """Return the ground under masks of this height and width."""
        info = self._info
        if info is None:
            return Ground(None, self._missing)
        try:
            pose = self.poses.at(frame, config)
        except CalibrationError as error:
            return Ground(None, str(error))
        calibration = (_content(info), frame.size, config)
        if calibration != self._calibration or self._pose is None or not self._pose.is_near(pose):
            self._calibration, self._pose = calibration, pose
            self._grounds = {}
        if mask_size not in self._grounds:  # operating points may take turns at several sizes
            self._grounds[mask_size] = _project(info, pose, frame.size, mask_size, config)
        ground = self._grounds[mask_size]
        if ground.projection is None or ground.projection.pose == pose:
            return ground
        return replace(ground, projection=ground.projection.seen_from(pose))

    def clear(self) -> None:
        """Forget poses that have a time, since the clock has jumped."""
        self.poses.clear()

    def close(self) -> None:
        """Free what the poses are listened for with, and the tables."""
        self.poses.close()
        self._grounds = {}


def _project(
    info: MessageLike,
    pose: MountingPose,
    image_size: tuple[int, int],
    mask_size: tuple[int, int],
    config: GroundConfig,
) -> Ground:
    try:
        camera = read_camera_info(info)
        camera.check_size(*image_size)
        return Ground(GroundProjection(camera, pose, config, mask_size))
    except (CalibrationError, ConfigError) as error:
        return Ground(None, str(error))


def _content(info: MessageLike) -> tuple[Any, ...]:
    """Return what decides about the projection; equal for equal calibrations."""
    roi = info.roi
    return (
        info.height, info.width, info.distortion_model, tuple(info.d), tuple(info.k),
        info.binning_x, info.binning_y, roi.x_offset, roi.y_offset, roi.height, roi.width,
    )  # fmt: skip
