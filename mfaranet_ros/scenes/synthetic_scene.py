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
    pose: of base_link in the world. stamp_ns: from the start of the scene.
    """

    index: int
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    pose: Pose
    stamp_ns: int


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
        self.label_set = self.options.labels

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
        """Return where base_link is at a frame."""
        offset = self.world.lane_sign * LANE_M
        return Pose(*self.world.road.pose(self._s(index), offset))

    def snapshot(self, index: int) -> Snapshot:
        """Return the things around the ego car at a frame."""
        return self.world.snapshot(self.stamp_ns(index) / 1e9, self._s(index))

    def eye(self, index: int) -> Floats:
        """Return where the camera is in the world at a frame: float64 (3,)."""
        camera = self.camera
        return self.pose(index).to_world(np.array((camera.x, camera.y, camera.z)))

    def frame(self, index: int) -> SceneFrame:
        """Return one frame, from 0; raises ConfigError for one that the scene does not have."""
        pose, snapshot, stamp_ns = self.pose(index), self.snapshot(index), self.stamp_ns(index)
        canvas = self._painter.paint(snapshot, pose)
        rgb = self._lens.take(self._shader.shade(canvas, snapshot, pose), index)
        if self._view.dark is not None:
            rgb[self._view.dark] = 0
            canvas.kinds[self._view.dark] = UNLABELED
        labels = np.take(label_table(self.label_set), canvas.kinds)
        depth_m = canvas.distance * self._view.axis
        return SceneFrame(index, rgb, labels, depth_m, pose, stamp_ns)

    def _s(self, index: int) -> float:
        return self.options.speed_mps * self.stamp_ns(index) / 1e9

    @cached_property
    def _view(self) -> View:
        return View.of(self.camera)

    @cached_property
    def _painter(self) -> Painter:
        return Painter(self._view, atlas(), self.world.road)

    @cached_property
    def _shader(self) -> Shader:
        light = Light(self.options, self.world.seed)
        return Shader(light, atlas(), self._painter.ground, vignette(*self._view.size))

    @cached_property
    def _lens(self) -> Lens:
        return Lens(self.options, self.world.seed, self._view.size)
