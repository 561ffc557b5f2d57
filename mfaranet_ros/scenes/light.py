# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The light of a scene: sun, shadows, haze, rain, dusk and the headlights of the ego car."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.images.noise import fractal
from mfaranet_ros.scenes.images.sky import HORIZON
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.painter import Canvas
from mfaranet_ros.scenes.things import Pose
from mfaranet_ros.scenes.view import Ints, Singles
from mfaranet_ros.scenes.world import Snapshot

CELLS_PER_M = 8
SHADOW_CELLS = (512, 1024)
"""Rows (y) and columns (x) of the map of shadows around base_link."""

_SHIFT = 4
"""Corners of shadows are given in sixteenths of a cell."""

_ROOMY = frozenset({Kind.CAR, Kind.TRUCK, Kind.BUS})
"""Kinds under and beside which the ground is dark in any light."""

_SHADOWED_M = np.array((75.0, 45.0))
"""Distance ahead and aside of base_link up to which shadows are drawn."""


@dataclass(frozen=True)
class Light:
    """The light of one scene."""

    options: SceneOptions
    seed: int

    @cached_property
    def sun(self) -> tuple[float, float, float]:
        """Where the sun stands, in the world: a unit vector."""
        azimuth = math.radians(self.options.sun_azimuth_deg)
        height = math.radians(self.options.sun_elevation_deg)
        flat = math.cos(height)
        vector = (flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(height))
        return tuple(round(value, 9) for value in vector)  # type: ignore[return-value]

    @cached_property
    def day(self) -> float:
        """How much of the daylight is left."""
        return 1 - 0.82 * self.options.dusk

    @cached_property
    def tint(self) -> Singles:
        """The gain of red, green and blue by the light: float32 (3,)."""
        dusk = np.array((-0.08, -0.06, 0.06)) * self.options.dusk
        rain = np.array((-0.02, 0.0, 0.02)) * self.options.rain
        return np.asarray((1 + dusk + rain) * self.day, np.float32)

    @cached_property
    def haze(self) -> Singles:
        """The colour of the haze: float32 (3,), RGB."""
        grey = np.array((178, 184, 190), np.float32)
        return np.asarray(HORIZON + (grey - HORIZON) * np.float32(self.options.rain), np.float32)

    @cached_property
    def haze_m(self) -> float:
        """Distance at which haze hides half."""
        clear = self.options.haze_m or 1e9
        return clear / (1 + 4 * self.options.rain)

    @cached_property
    def stains(self) -> NDArray[np.float32]:
        """Uneven brightness of the ground, two cells a metre: float32 (256, 256)."""
        noise = fractal(generator(self.seed, Purpose.TEXTURE, 3), (256, 256), 6, 1.5)
        return np.asarray(1 + noise * (0.16 / 128), np.float32)

    def lamps(self, x: Any, y: Any) -> Any:
        """Return the gain by the headlights at places of base_link, any shape."""
        ahead = np.maximum(x, 0)
        lit = np.clip(1 - np.abs(y) / (2 + ahead / 3), 0, 1) * np.clip(ahead, 0, 1)
        return 1 + (2.6 * self.options.dusk**2 / self.day) * lit * (1 / (1 + (ahead / 13) ** 2))

    def gains(self, canvas: Canvas, pose: Pose) -> Singles:
        """Return how bright each patch is, then the sky and the ground: float32 (M + 2,).

        The last two stand where the numbers SKY and GROUND, counted from the end, find them.
        """
        x, y, z = self.sun
        x, y = (float(value) for value in pose.turn_back(np.float64(x), np.float64(y)))
        normal = canvas.patches.normals
        facing = np.clip(normal[:, 0] * x + normal[:, 1] * y + normal[:, 2] * z, 0, 1)
        strength = self.options.shadow
        gains = 1 + strength * (0.75 * facing - 0.42)
        middle = canvas.patches.corner + canvas.patches.across * canvas.patches.size_m[:, :1] / 2
        gains *= self.lamps(middle[:, 0], middle[:, 1])
        return np.append(gains, (1.0, 1.0)).astype(np.float32)

    def shadows(self, snapshot: Snapshot, pose: Pose) -> NDArray[np.uint8]:
        """Return how lit the ground around base_link is: uint8 SHADOW_CELLS, 255 is in the sun."""
        lit = np.full(SHADOW_CELLS, 255, np.uint8)
        feet = _feet(snapshot, pose)
        near = np.flatnonzero((np.abs(feet).min(axis=1) < _SHADOWED_M).all(axis=1)).tolist()
        dark = 255 - round(165 * self.options.shadow)
        x, y, z = self.sun
        per_m = -np.array(pose.turn_back(np.float64(x), np.float64(y))) / z
        for number in near if dark < 255 else ():
            thing, foot = snapshot.things[number], feet[number]
            if thing.shape == 'tree':
                middle = foot.sum(axis=0) / 4 + per_m * (0.66 * thing.height_m)
                column, row = (int(value) >> _SHIFT for value in _cells(middle))
                radius = round(0.36 * thing.height_m * CELLS_PER_M)
                cv2.circle(lit, (column, row), radius, (255 + dark) // 2, -1)
            else:
                outline = _cells(np.vstack((foot, foot + per_m * thing.height_m)))
                cv2.fillConvexPoly(lit, cv2.convexHull(outline), dark, cv2.LINE_8, _SHIFT)
        for number in near:
            if snapshot.things[number].kind in _ROOMY:
                cv2.fillConvexPoly(lit, _cells(feet[number]), 70, cv2.LINE_8, _SHIFT)
        return np.asarray(cv2.blur(lit, (5, 5)))


def _feet(snapshot: Snapshot, pose: Pose) -> NDArray[np.float64]:
    """Return the corners of the feet of all things in base_link: float64 (T, 4, 2).

    Those under which it is dark in any light are a little larger.
    """
    rows = [(*thing.pose, thing.length_m, thing.width_m) for thing in snapshot.things]
    x, y, cosine, sine, length, width = np.array(rows, np.float64).reshape(-1, 6).T[:, :, None]
    x, y = pose.to_base(x, y)
    cosine, sine = pose.turn_back(cosine, sine)
    roomy = np.array([[thing.kind in _ROOMY] for thing in snapshot.things]).reshape(-1, 1) * 0.4
    ahead = (length + roomy) / 2 * np.array((1, 1, -1, -1))
    aside = (width + roomy) / 2 * np.array((1, -1, -1, 1))
    corners = (x + ahead * cosine - aside * sine, y + ahead * sine + aside * cosine)
    return np.stack(corners, axis=-1)


def _cells(places: NDArray[np.float64]) -> Ints:
    """Return places of base_link as column and row in sixteenths of a cell."""
    middle = np.array((SHADOW_CELLS[1] / 2, SHADOW_CELLS[0] / 2))
    cells = (places * CELLS_PER_M + middle - 0.5) * (1 << _SHIFT)
    return np.asarray(np.rint(cells), np.int32)
