# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Other cameras for a training image: tilted, mounted higher or lower, with a wide-angle lens.

Each view maps points of the changed image to points of the given one, so image and labels change
together. Points are relative to the middle of the image, in units of half its width, x to the
right and y downward. Each view is a function that draws such a map, and a row in VIEWS.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import UnknownNameError

Random = np.random.Generator

Points = NDArray[np.float32]
"""(2, H, W): x and y of each pixel."""

PointMap = Callable[[Points], Points]

PITCH_DEG, ROLL_DEG = 8.0, 5.0
"""Largest angles of a tilted camera, either way."""

FIELD_OF_VIEW_DEG = (50.0, 100.0)
"""Horizontal field of view that is assumed for an image, whose own is rarely known."""

HEIGHT_RATIO = (0.6, 1.7)
"""New height of the camera above the road divided by the old one."""

DISTORTION = (0.02, 0.3)
"""Radial coefficient k of a wide-angle lens, r' = r (1 + k r^2), r in half widths."""


def draw_view(name: str, random: Random) -> PointMap:
    """Return the map of one view; raises UnknownNameError."""
    if name not in VIEWS:
        raise UnknownNameError('view', name, VIEWS)
    return VIEWS[name](random)


def tilt(random: Random) -> PointMap:
    """A camera that is pitched and rolled: the homography of a rotation."""
    pitch = math.radians(random.uniform(-PITCH_DEG, PITCH_DEG))
    roll = math.radians(random.uniform(-ROLL_DEG, ROLL_DEG))
    focal = 1 / math.tan(math.radians(random.uniform(*FIELD_OF_VIEW_DEG)) / 2)
    about_x = np.array(
        [
            [1, 0, 0],
            [0, math.cos(pitch), -math.sin(pitch)],
            [0, math.sin(pitch), math.cos(pitch)],
        ]
    )
    about_z = np.array(
        [[math.cos(roll), -math.sin(roll), 0], [math.sin(roll), math.cos(roll), 0], [0, 0, 1]]
    )
    calibration = np.diag([focal, focal, 1.0])
    rotation = calibration @ about_x @ about_z @ np.linalg.inv(calibration)
    matrix = rotation.astype(np.float32)

    def transform(points: Points) -> Points:
        x, y = points
        rows = (a * x + b * y + c for a, b, c in matrix)
        across, down, depth = rows
        depth = np.where(depth > 1e-3, depth, np.float32(np.inf))  # behind the camera: outside
        turned = np.stack([across / depth, down / depth])
        return np.where(np.isfinite(depth), turned, np.float32(1e6)).astype(np.float32)

    return transform


def height(random: Random) -> PointMap:
    """A camera that is mounted higher or lower.

    Below the horizon rows move away from it or towards it by the ratio of the heights, which is
    exact for flat ground and approximate for what stands on it.
    """
    ratio = math.exp(random.uniform(*np.log(HEIGHT_RATIO)))
    horizon = random.uniform(-0.15, 0.1)

    def transform(points: Points) -> Points:
        x, y = points
        below = np.maximum(y - horizon, 0)
        return np.stack([x, np.minimum(y, horizon) + below / ratio]).astype(np.float32)

    return transform


def wide_angle(random: Random) -> PointMap:
    """A wide-angle lens with barrel distortion."""
    strength = random.uniform(*DISTORTION)

    def transform(points: Points) -> Points:
        radius = (points**2).sum(0)
        bent: Points = (points * (1 + strength * radius)).astype(np.float32)
        return bent

    return transform


VIEWS: dict[str, Callable[[Random], PointMap]] = {
    'tilt': tilt,
    'height': height,
    'wide_angle': wide_angle,
}
"""By the name in `augment.views`."""
