# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The image of the sky all around: columns are directions, rows go up to the zenith."""

from __future__ import annotations

import numpy as np

from mfaranet_ros.scenes.images.image import Rgb
from mfaranet_ros.scenes.images.noise import fractal

COLUMNS, ROWS = 2048, 512
"""All around, and from the zenith (first row) to the horizon."""

HORIZON = np.array((236, 242, 246), np.float32)
ZENITH = np.array((118, 172, 228), np.float32)
CLOUD = np.array((250, 251, 252), np.float32)


def sky(chance: np.random.Generator) -> Rgb:
    """Return a pale blue sky with thin clouds: uint8 (ROWS, COLUMNS, 3)."""
    up = 1 - (np.arange(ROWS, dtype=np.float32) + np.float32(0.5)) / ROWS
    blue = np.sqrt(up)[:, None, None]
    rgb = HORIZON + (ZENITH - HORIZON) * blue
    noise = fractal(chance, (ROWS, COLUMNS), 8, 1.75)
    cover = np.clip((noise + 25) * np.float32(1 / 110), 0, 1)[..., None] * np.float32(0.85)
    return np.asarray(rgb + (CLOUD - rgb) * cover, np.uint8)
