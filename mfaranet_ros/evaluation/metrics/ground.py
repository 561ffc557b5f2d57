# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How far away the ground is that each pixel sees, computed once per calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.evaluation.metrics.counts import NOWHERE, Labels
from mfaranet_ros.evaluation.metrics.metric import BANDS_M
from mfaranet_ros.evaluation.runs.sample import Viewpoint
from mfaranet_ros.geometry.ground import GroundProjection

_ROWS = 64
"""So many rows of an image are turned into distances at a time, to save memory."""


@dataclass(frozen=True, eq=False)
class SeenGround:
    """The ground under images of one size, and the band of distance of each pixel (H, W)."""

    projection: GroundProjection
    bands: Labels


class Grounds:
    """Gives the ground that belongs to a frame; the last one is kept.

    problem: why the last frame that had a calibration got none, else empty.
    """

    def __init__(self, config: GroundConfig) -> None:
        self._config = config
        self._key: tuple[Viewpoint, tuple[int, int]] | None = None
        self._ground: SeenGround | None = None
        self.problem = ''

    def of(self, view: Viewpoint | None, size: tuple[int, int]) -> SeenGround | None:
        """Return the ground under an image of this height and width, None where there is none."""
        if view is None:
            return None
        if (view, size) != self._key:
            self._key, self._ground, self.problem = (view, size), None, ''
            try:
                self._ground = self._find(view, size)
            except (CalibrationError, ConfigError) as error:
                self.problem = str(error)
        return self._ground

    def _find(self, view: Viewpoint, size: tuple[int, int]) -> SeenGround:
        view.camera.check_size(*size)
        projection = GroundProjection(view.camera, view.pose, self._config, size)
        return SeenGround(projection, band_image(projection))


def band_image(ground: GroundProjection) -> Labels:
    """Return the band of distance, uint8 (H, W), of the ground that each pixel sees.

    Distances count from the point under the camera; NOWHERE is on or above the horizon. What
    stands up is where it would be if it were painted on the ground.
    """
    height, width = ground.mask_size
    bands = np.full((height, width), NOWHERE, np.uint8)
    u = np.arange(width, dtype=np.float64)
    for top in range(0, height, _ROWS):
        v = np.arange(top, min(top + _ROWS, height), dtype=np.float64)
        pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        away = ground.ground_of(pixels) - ground.origin_m
        range_m = np.hypot(away[:, 0], away[:, 1])
        band = np.where(np.isnan(range_m), NOWHERE, np.searchsorted(BANDS_M, range_m))
        bands[top : top + _ROWS] = band.reshape(-1, width)
    return bands
