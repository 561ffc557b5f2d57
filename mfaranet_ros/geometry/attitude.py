# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The tilt of the vehicle against the road at the moment of a frame, and what it makes unknown.

The mounting pose of a camera holds for a vehicle at rest. Roll and pitch are those of the base
frame against the road under it (REP-103: positive pitch is nose down), for all cameras of a
vehicle alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SIGMAS = 2.0
"""How many standard deviations an error stays within in 95 % of cases."""


@dataclass(frozen=True)
class Attitude:
    """Roll and pitch in radians of the base frame against the road, with standard deviations.

    stamp_ns: the moment they are of. source: what they come from, as diagnostics show it.
    """

    roll_rad: float
    pitch_rad: float
    roll_std_rad: float
    pitch_std_rad: float
    stamp_ns: int
    source: str


def metric_range_m(height_m: float, tilt_std_rad: float, max_error_m: float) -> float:
    """Return the range up to which the error stays below max_error_m in 95 % of cases.

    inf where the tilt is certain, 0 where it is too uncertain for any range.
    """
    if tilt_std_rad <= 0:
        return math.inf
    square = max_error_m / SIGMAS * height_m / tilt_std_rad - height_m**2
    return math.sqrt(max(square, 0.0))


@dataclass(frozen=True)
class RangeLimit:
    """How far the ground is known, by bearing, as it follows from the tilt's uncertainty.

    height_m: of the camera. max_error_m: what 95 % of the errors of a range must stay below.
    """

    attitude: Attitude
    height_m: float
    max_error_m: float

    def range_m(self, ahead: Floats) -> Floats:
        """Return the limit along directions (N, 2) of any length: float64 (N,)."""
        length = np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)
        along = ahead / length[:, None]
        std = np.hypot(
            along[:, 0] * self.attitude.pitch_std_rad, along[:, 1] * self.attitude.roll_std_rad
        )
        with np.errstate(divide='ignore'):
            square = self.max_error_m / SIGMAS * self.height_m / std - self.height_m**2
        return np.asarray(np.sqrt(np.maximum(square, 0.0)))

    @property
    def ahead_m(self) -> float:
        """The limit straight ahead."""
        return metric_range_m(self.height_m, self.attitude.pitch_std_rad, self.max_error_m)
