# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on the ego car of the synthetic scene, and the ground truth of all together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.grid import GridExtent
from mfaranet_ros.scenes.metric_ground_truth import (
    BLOCKED,
    FREE,
    UNSEEN,
    Mask,
    MetricGroundTruthFinder,
)
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene


def _fisheye(x: float, y: float, z: float, yaw_deg: float, pitch_deg: float) -> SceneCamera:
    """Return a camera of 480x360 that sees 180 degrees from side to side."""
    return SceneCamera(
        fx=152.0,
        model='equidistant',
        coefficients=(0.0, 0.0, 0.0, 0.0),
        x=x,
        y=y,
        z=z,
        pitch=math.radians(pitch_deg),
        yaw=math.radians(yaw_deg),
    )


SURROUND: Mapping[str, SceneCamera] = MappingProxyType(
    {
        'front': _fisheye(2.0, 0.0, 1.4, 0.0, 15.0),
        'rear': _fisheye(-2.0, 0.0, 1.4, 180.0, 15.0),
        'left': _fisheye(0.5, 0.95, 1.4, 90.0, 20.0),
        'right': _fisheye(0.5, -0.95, 1.4, -90.0, 20.0),
    }
)
"""The surround rig: four fisheye cameras that look to all sides."""

SURROUND_EXTENT = GridExtent(-20.0, 20.0, -20.0, 20.0, 0.2)


@dataclass(frozen=True, eq=False)
class RigGroundTruth:
    """The ground truth of the ground around base_link at one frame, as all cameras see it.

    cells: int8, 0 free and 100 blocked where any camera has it in sight, else -1.
    hidden: bool, cells in the image of a camera that no camera has in sight.
    """

    cells: NDArray[np.int8]
    hidden: Mask


class RigScene:
    """One world, seen by several cameras; raises ConfigError or CalibrationError.

    cameras: by name. extent: of the ground truth.
    """

    def __init__(
        self,
        seed: int = 0,
        options: SceneOptions | None = None,
        cameras: Mapping[str, SceneCamera] = SURROUND,
        extent: GridExtent = SURROUND_EXTENT,
    ) -> None:
        self.extent = extent
        self.scenes = {
            name: SyntheticScene(seed, options, camera) for name, camera in cameras.items()
        }
        self._finders = [MetricGroundTruthFinder(scene, extent) for scene in self.scenes.values()]

    @property
    def first(self) -> SyntheticScene:
        """The scene of the first camera, whose world and time are those of all."""
        return next(iter(self.scenes.values()))

    def __len__(self) -> int:
        return len(self.first)

    def ground_truth(self, index: int) -> RigGroundTruth:
        """Return the ground truth of one frame; raises ConfigError for one that is none."""
        cells = np.full(self.extent.shape, UNSEEN, np.int8)
        hidden = np.zeros(self.extent.shape, np.bool_)
        for ground_truth in (finder.at(index) for finder in self._finders):
            own = ground_truth.grid.cells
            cells[(own == FREE) & (cells == UNSEEN)] = FREE
            cells[own == BLOCKED] = BLOCKED
            hidden |= ground_truth.hidden
        return RigGroundTruth(cells, hidden & (cells == UNSEEN))
