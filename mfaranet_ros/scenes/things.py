# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where things are: the pose of the ego car, and the things that stand on the ground."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.kinds import Kind

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pose:
    """x, y in metres, and the direction of x of base_link in the world as cosine and sine."""

    x_m: float
    y_m: float
    cosine: float
    sine: float

    def to_world(self, points: Floats) -> Floats:
        """Return points (..., 3) of base_link in the world."""
        return np.asarray(self.turn(points) + np.array((self.x_m, self.y_m, 0.0)))

    def turn(self, directions: Floats) -> Floats:
        """Return directions (..., 3) of base_link in the world frame."""
        x, y, z = directions[..., 0], directions[..., 1], directions[..., 2]
        turned = (x * self.cosine - y * self.sine, x * self.sine + y * self.cosine, z)
        return np.stack(turned, axis=-1)

    def to_base(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return places of the world (any shape) in base_link, in metres."""
        return self.turn_back(x - self.x_m, y - self.y_m)

    def turn_back(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return directions of the world (any shape) in base_link."""
        return x * self.cosine + y * self.sine, y * self.cosine - x * self.sine


@dataclass(frozen=True)
class Thing:
    """One thing, at one moment.

    shape: how it looks, a row of `shapes.SHAPES`. variant: which of its looks, any integer.
    x_m, y_m: the middle of its foot in the world. cosine, sine: of its direction there.
    length_m, width_m: of its foot, an oriented rectangle on the ground; height_m: its top.
    """

    kind: Kind
    shape: str
    x_m: float
    y_m: float
    cosine: float
    sine: float
    length_m: float
    width_m: float
    height_m: float
    variant: int = 0

    def covers(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Return which places of the ground (any shape) its foot covers: bool."""
        ahead = (x - self.x_m) * self.cosine + (y - self.y_m) * self.sine
        aside = (y - self.y_m) * self.cosine - (x - self.x_m) * self.sine
        inside = (np.abs(ahead) <= self.length_m / 2) & (np.abs(aside) <= self.width_m / 2)
        return np.asarray(inside)

    @property
    def pose(self) -> tuple[float, float, float, float]:
        """x_m, y_m, cosine and sine."""
        return self.x_m, self.y_m, self.cosine, self.sine

    @property
    def size_m(self) -> tuple[float, float, float]:
        """Length, width and height."""
        return self.length_m, self.width_m, self.height_m
