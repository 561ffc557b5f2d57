# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The distance of the ground that each pixel sees."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.evaluation.metrics.counts import NOWHERE, Labels
from mfaranet_ros.evaluation.metrics.metric import BANDS_M
from mfaranet_ros.geometry.ground import GroundProjection

_ROWS = 64
"""Number of image rows that are turned into distances at a time, to save memory."""


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
