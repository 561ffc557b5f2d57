# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The synthetic scene as images to play, with calibration, mounting pose and ground truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mfaranet_ros.data.calibration_file import UNSTAMPED
from mfaranet_ros.data.image_sources import SourceImage, Unreadable
from mfaranet_ros.pipeline.messages import (
    CameraInfo,
    Header,
    Quaternion,
    TFMessage,
    Transform,
    TransformStamped,
    Vector3,
)
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.options import camera_of, options_of
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene


def scene_camera_info(camera: SceneCamera) -> CameraInfo:
    """Return the calibration of a camera of the synthetic scene."""
    k, model = camera.k, camera.model
    p = np.hstack([k, np.zeros((3, 1))])
    return CameraInfo(
        UNSTAMPED, camera.height, camera.width, model, camera.d, k.ravel(), np.eye(3).ravel(),
        p.ravel(),
    )  # fmt: skip


def mounting(camera: SceneCamera, header: Header, frame_id: str) -> TFMessage:
    """Return the transform base frame (of the header) <- optical frame of a camera."""
    return TFMessage(
        (
            TransformStamped(
                header,
                frame_id,
                Transform(Vector3(camera.x, camera.y, camera.z), _quaternion(camera)),
            ),
        )
    )


def ground_settings(camera: SceneCamera) -> dict[str, float]:
    """Return the mounting pose of a camera as settings of the node."""
    names = ('x', 'y', 'z', 'roll', 'pitch', 'yaw')
    return {f'ground.{name}': float(getattr(camera, name)) for name in names}


class SceneSource:
    """The frames of a synthetic scene.

    options, camera: texts NAME=VALUE with blanks between them, as `rain=0.5 people=2`.
    Raises ConfigError or CalibrationError.
    """

    def __init__(self, seed: int = 0, options: str = '', camera: str = '') -> None:
        self.scene = SyntheticScene(
            seed,
            options_of(options.split(), flag='option of the scene'),
            camera_of(camera.split()),
        )
        self.camera_info: CameraInfo | None = scene_camera_info(self.scene.camera)

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return f'the synthetic scene, seed {self.scene.world.seed}'

    @property
    def rate_hz(self) -> float:
        """Images per second."""
        return self.scene.options.rate_hz

    @property
    def has_ground_truth(self) -> bool:
        """Whether the images have ground truth."""
        return True

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""
        return ()

    def __len__(self) -> int:
        return len(self.scene)

    def __iter__(self) -> Iterator[SourceImage | Unreadable]:
        for index in range(len(self.scene)):
            frame = self.scene.frame(index)
            yield SourceImage(
                index, f'frame {index}', frame.rgb, 'rgb8', ground_truth=frame.labels
            )


def _quaternion(camera: SceneCamera) -> Quaternion:
    """Return the rotation of the optical frame in base_link.

    Yaw, pitch and roll of the body, then the turn from a body to its optical frame.
    """
    halves = (angle / 2 for angle in (camera.roll, camera.pitch, camera.yaw))
    (sr, cr), (sp, cp), (sy, cy) = ((math.sin(half), math.cos(half)) for half in halves)
    x, y = sr * cp * cy - cr * sp * sy, cr * sp * cy + sr * cp * sy
    z, w = cr * cp * sy - sr * sp * cy, cr * cp * cy + sr * sp * sy
    return Quaternion(
        (-w + x - y - z) / 2, (w + x + y - z) / 2, (-w + x + y + z) / 2, (w + x - y + z) / 2
    )
