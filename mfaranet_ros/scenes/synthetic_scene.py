# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The synthetic scene: any of its frames, with its ground truth, from a seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.scenes.atlas import atlas
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.kinds import label_table
from mfaranet_ros.scenes.light import Light
from mfaranet_ros.scenes.motion import BodyState, Motion
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.painter import Painter
from mfaranet_ros.scenes.road import LANE_M
from mfaranet_ros.scenes.shader import Lens, Shader, vignette
from mfaranet_ros.scenes.things import Floats, Pose
from mfaranet_ros.scenes.view import View
from mfaranet_ros.scenes.world import Snapshot, World


@dataclass(frozen=True, eq=False)
class SceneFrame:
    """One image of the scene with its ground truth.

    rgb: uint8 (H, W, 3). labels: uint8 (H, W), class ids of the scene's label set.
    depth_m: float32 (H, W), along the optical axis (as REP-118 has it), infinite in the sky.
    Pixels on which the lens lets no light fall are black, 255 and NaN.
    pose: of base_footprint in the world, the point of the road that base_link is above and its
    direction. body: how base_link is tilted against it. stamp_ns: from the start of the scene.
    """

    index: int
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    pose: Pose
    stamp_ns: int
    body: BodyState


class SyntheticScene:
    """A procedural drive along a road, with exact ground truth for each frame.

    seed: which road, 0 or more. options: weather, light, traffic; None: the defaults.
    camera: calibration and mounting; None: that of the demo. label_set: the name of the labels.
    Frames do not depend on each other: `frame(index)` is the same whatever was drawn before.
    `len` is the number of frames. Raises ConfigError for a seed below 0.
    """

    def __init__(
        self,
        seed: int = 0,
        options: SceneOptions | None = None,
        camera: SceneCamera | None = None,
    ) -> None:
        self.options = options or SceneOptions()
        self.camera = camera or SceneCamera()
        self.world = World(seed, self.options)
        self.motion = Motion(seed, self.options)
        self.label_set = self.options.labels
        self._last_eye: _Eye | None = None

    def __len__(self) -> int:
        return max(1, round(self.options.duration_s * self.options.rate_hz))

    def stamp_ns(self, index: int) -> int:
        """Return the time of a frame from the start of the scene, in nanoseconds.

        Raises ConfigError for a frame that the scene does not have.
        """
        if not 0 <= index < len(self):
            raise ConfigError(f'frame {index}: the scene has frames 0 to {len(self) - 1}')
        return round(index * 1e9 / self.options.rate_hz)

    def pose(self, index: int) -> Pose:
        """Return where base_footprint is at a frame."""
        offset = self.world.lane_sign * LANE_M
        return Pose(*self.world.road.pose(self.body(index).s_m, offset))

    def body(self, index: int) -> BodyState:
        """Return how the ego car drives and how its body is tilted at a frame."""
        return self.motion.at(self.stamp_ns(index) / 1e9)

    def camera_at(self, index: int) -> SceneCamera:
        """Return the camera as it is above the road at a frame: tilted, and shifted on its mount.

        Its mounting is that in base_footprint; `camera` is the calibrated one in base_link.
        """
        body = self.body(index)
        shift_rad = self.motion.mount_shift_rad(self.stamp_ns(index) / 1e9)
        return self.camera.turned(shift_rad).tilted(body.roll_rad, body.pitch_rad)

    def snapshot(self, index: int) -> Snapshot:
        """Return the things around the ego car at a frame."""
        return self.world.snapshot(self.stamp_ns(index) / 1e9, self.body(index).s_m)

    def eye(self, index: int) -> Floats:
        """Return where the camera is in the world at a frame: float64 (3,)."""
        camera = self.camera_at(index)
        return self.pose(index).to_world(np.array((camera.x, camera.y, camera.z)))

    def frame(self, index: int) -> SceneFrame:
        """Return one frame, from 0; raises ConfigError for one that the scene does not have."""
        pose, snapshot, stamp_ns = self.pose(index), self.snapshot(index), self.stamp_ns(index)
        eye = self._looking(self.camera_at(index))
        canvas = eye.painter.paint(snapshot, pose)
        rgb = self._lens.take(eye.shader.shade(canvas, snapshot, pose), index)
        if eye.view.dark is not None:
            rgb[eye.view.dark] = 0
            canvas.kinds[eye.view.dark] = UNLABELED
        labels = np.take(label_table(self.label_set), canvas.kinds)
        depth_m = canvas.distance * eye.view.axis
        return SceneFrame(index, rgb, labels, depth_m, pose, stamp_ns, self.body(index))

    def labels(self, index: int) -> NDArray[np.uint8]:
        """Return the labels of a frame alone: uint8 (H, W), as in `frame`, in less time."""
        eye = self._looking(self.camera_at(index))
        kinds = eye.painter.paint(self.snapshot(index), self.pose(index)).kinds
        if eye.view.dark is not None:
            kinds[eye.view.dark] = UNLABELED
        return np.take(label_table(self.label_set), kinds)

    def _looking(self, camera: SceneCamera) -> _Eye:
        """Return the tables of a camera; those of the last one are kept."""
        if self._last_eye is None or self._last_eye.camera != camera:
            view = View.of(camera)
            self._last_eye = _Eye(camera, view, Painter(view, atlas(), self.world.road), self)
        return self._last_eye

    @cached_property
    def _lens(self) -> Lens:
        return Lens(self.options, self.world.seed, (self.camera.height, self.camera.width))


@dataclass(frozen=True, eq=False)
class _Eye:
    """What draws the images of one camera in one mounting."""

    camera: SceneCamera
    view: View
    painter: Painter
    scene: SyntheticScene

    @cached_property
    def shader(self) -> Shader:
        light = Light(self.scene.options, self.scene.world.seed)
        return Shader(light, atlas(), self.painter.ground, vignette(*self.view.size))
