# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a camera sees, as tables that are made once: rays, ground and sky."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.atlas import STREET_FLATTEST, STREET_LEVELS, Atlas, Page
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.images.sky import COLUMNS as SKY_COLUMNS
from mfaranet_ros.scenes.images.sky import ROWS as SKY_ROWS
from mfaranet_ros.scenes.images.street import TEXELS_PER_M
from mfaranet_ros.scenes.road import FAR_M
from mfaranet_ros.scenes.things import Pose

Singles = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class View:
    """Tables over the pixels, all (H, W); directions and places are those of base_link.

    x, y, z: float32, unit vectors. eye: the camera. axis: how far along the optical axis a ray
    goes per unit of length, NaN where no light falls. dark: these pixels, None: there are none.
    """

    eye: tuple[float, float, float]
    x: Singles
    y: Singles
    z: Singles
    axis: Singles
    dark: NDArray[np.bool_] | None

    @classmethod
    def of(cls, camera: SceneCamera) -> View:
        """Make the tables of a camera."""
        rays = camera.rays()
        a, b, c = camera.rotation[:, 2].tolist()
        axis = rays[..., 0] * a + rays[..., 1] * b + rays[..., 2] * c
        dark = np.isnan(axis)
        rays[dark] = (0.0, 0.0, 1.0)
        x, y, z = (np.ascontiguousarray(rays[..., i], np.float32) for i in range(3))
        eye = camera.x, camera.y, camera.z
        return cls(eye, x, y, z, axis.astype(np.float32), dark if dark.any() else None)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.x.shape[0], self.x.shape[1]

    @cached_property
    def pixel_rad(self) -> float:
        """How wide a pixel in the middle of the image is."""
        row, column = (max(size - 1, 0) // 2 for size in self.size)
        ends = [(row, column), (row, min(column + 1, self.size[1] - 1))]
        rays = (self.x, self.y, self.z)
        first, second = (np.array([part[end] for part in rays]) for end in ends)
        return float(np.abs(first - second).max()) or 1e-3

    @cached_property
    def _sky(self) -> tuple[Ints, Ints]:
        """Column and row of the image of the sky that each pixel shows."""
        turn = np.arctan2(self.y.astype(np.float64), self.x) / (-2 * math.pi)
        column = np.floor(turn * SKY_COLUMNS).astype(np.int32)
        up = np.arcsin(np.clip(self.z.astype(np.float64), 0, 1)) / (math.pi / 2)
        row = np.floor((1 - up) * (SKY_ROWS - 1)).astype(np.int32)
        return column, row * SKY_COLUMNS

    def sky_address(self, page: Page, pose: Pose) -> Ints:
        """Return the address of the sky that each pixel would show: int32 (H, W)."""
        column, row = self._sky
        turned = math.atan2(pose.sine, pose.cosine) / (-2 * math.pi) * SKY_COLUMNS
        address = column + np.int32(math.floor(turned))
        address &= SKY_COLUMNS - 1
        address += row
        address += np.int32(page.start)
        return np.asarray(address)


@dataclass(frozen=True, eq=False)
class GroundView:
    """The ground under the pixels of some rows, in base_link.

    rows: those in which any pixel looks down. distance: float32, infinite where a pixel looks
    up. x, y: where it looks. start, along, across: the page of the street that is fine enough,
    and by how many halvings.
    """

    rows: slice
    distance: Singles
    x: Singles
    y: Singles
    start: Ints
    along: Ints
    across: Ints

    @classmethod
    def of(cls, view: View, atlas: Atlas) -> GroundView:
        """Make the tables of a view."""
        down = np.flatnonzero((view.z < 0).any(axis=1))
        rows = slice(int(down[0]), int(down[-1]) + 1) if len(down) else slice(0, 0)
        z = view.z[rows]
        with np.errstate(divide='ignore'):
            distance = np.where(z < 0, np.float32(-view.eye[2]) / z, np.float32(np.inf))
        reach = np.where(z < 0, np.minimum(distance, np.float32(FAR_M)), 0)
        x = np.float32(view.eye[0]) + reach * view.x[rows]
        y = np.float32(view.eye[1]) + reach * view.y[rows]
        along, across = _halvings(x), _halvings(y)
        across = np.minimum(across, STREET_LEVELS[1] - 1)
        along = np.clip(along, across, np.minimum(across + STREET_FLATTEST, STREET_LEVELS[0] - 1))
        starts = np.zeros(STREET_LEVELS, np.int32)
        for level, page in atlas.street.items():
            starts[level] = page.start
        return cls(rows, distance, x, y, starts[along, across], along, across)


def _halvings(place: Singles) -> Ints:
    """Return how often texels are to be halved to be as wide as a pixel, along one axis."""
    if min(place.shape) < 2:
        return np.zeros(place.shape, np.int32)
    down, right = np.gradient(place)
    texels = np.maximum(np.abs(down), np.abs(right)) * np.float32(TEXELS_PER_M)
    levels = sum((texels > np.float32(1.5 * 2.0**level)).astype(np.int32) for level in range(10))
    return np.asarray(levels, np.int32)
