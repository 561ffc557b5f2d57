# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where base_link is in the world."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
        """Return places of the world in base_link."""
        return self.turn_back(x - self.x_m, y - self.y_m)

    def turn_back(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return directions of the world in base_link."""
        return x * self.cosine + y * self.sine, y * self.cosine - x * self.sine
