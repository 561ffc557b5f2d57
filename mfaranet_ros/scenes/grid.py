# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The grid of the metric ground truth, and which of its ground a camera can see.

What is in view depends on camera and grid only, so it is computed once for a scene. Projection is
OpenCV's: it shares no code with the pipeline that is tested against it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.scenes.camera import SceneCamera

Floats = NDArray[np.float64]

MAX_CELLS = 4_000_000


@dataclass(frozen=True)
class GridExtent:
    """A rectangle of base_link in metres (x ahead, y to the left), and the edge of its cells.

    The defaults are those of the node. Raises ConfigError for one that has no cells or too many.
    """

    x_min_m: float = 0.0
    x_max_m: float = 40.0
    y_min_m: float = -10.0
    y_max_m: float = 10.0
    resolution_m: float = 0.1

    def __post_init__(self) -> None:
        values = (self.x_min_m, self.x_max_m, self.y_min_m, self.y_max_m, self.resolution_m)
        lengths_m = (self.x_max_m - self.x_min_m, self.y_max_m - self.y_min_m)
        if not all(map(math.isfinite, values)) or min(*lengths_m, self.resolution_m) <= 0:
            raise ConfigError(
                f'grid from x {self.x_min_m:g} to {self.x_max_m:g} m, y {self.y_min_m:g} to '
                f'{self.y_max_m:g} m at {self.resolution_m:g} m: all must be finite, each end '
                'beyond its beginning and the resolution positive'
            )
        rows, columns = self.shape
        if rows * columns > MAX_CELLS:
            raise ConfigError(
                f'a grid of {lengths_m[0]:g} m x {lengths_m[1]:g} m at {self.resolution_m:g} m '
                f'would have {rows * columns:,} cells: at most {MAX_CELLS:,} are allowed, make '
                'it smaller or coarser'
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Rows along y and columns along x; a part of a cell at the far end is a whole one."""
        return (
            max(1, math.ceil((self.y_max_m - self.y_min_m) / self.resolution_m - 1e-6)),
            max(1, math.ceil((self.x_max_m - self.x_min_m) / self.resolution_m - 1e-6)),
        )

    def centres(self) -> Floats:
        """Return x and y of every cell's centre, (rows * columns, 2), row by row."""
        rows, columns = np.indices(self.shape).reshape(2, -1)
        return np.column_stack(
            (
                self.x_min_m + (columns + 0.5) * self.resolution_m,
                self.y_min_m + (rows + 0.5) * self.resolution_m,
            )
        )

    def farthest_m(self, point_m: Floats) -> float:
        """Return how far the farthest corner is from a point, x and y."""
        x = max(abs(self.x_min_m - point_m[0]), abs(self.x_max_m - point_m[0]))
        y = max(abs(self.y_min_m - point_m[1]), abs(self.y_max_m - point_m[1]))
        return math.hypot(x, y)

    def holds(self, points_m: Floats) -> NDArray[np.bool_]:
        """Return which points (..., 2) lie inside."""
        x, y = points_m[..., 0], points_m[..., 1]
        along = (x >= self.x_min_m) & (x < self.x_max_m)
        return np.asarray(along & (y >= self.y_min_m) & (y < self.y_max_m))

    def cells_of(self, points_m: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column of those points (N, 2) that lie inside."""
        inside = points_m[self.holds(points_m)]
        at = np.floor((inside - (self.x_min_m, self.y_min_m)) / self.resolution_m)
        column, row = at.astype(np.int64).T
        return row, column


Mask = NDArray[np.bool_]

STEP_RAD = 0.001
"""From one bearing to the next."""

_SAMPLES = 96
_NEAREST_M = 0.05
_HALVINGS = 16
_PROFILE = 4096
_WIDEST_RAD = math.radians(88.5)
"""Of perspective models; further to the side the plane they are written in ends."""


class GroundInView:
    """The part of a grid that is inside the image of a camera.

    foot_m: x and y of the point under the camera. Raises CalibrationError where it sees none.
    """

    def __init__(self, camera: SceneCamera, extent: GridExtent) -> None:
        self.camera = camera
        self.extent = extent
        self.foot_m: Floats = np.array((camera.x, camera.y))
        self.in_view: Mask = self.shows(extent.centres()).reshape(extent.shape)
        """bool (rows, columns): cells whose centre is in the image."""
        if not self.in_view.any() or not len(self.directions):
            raise CalibrationError(
                f'the camera at {(camera.x, camera.y, camera.z)} m, pitch {camera.pitch:g} rad, '
                f'sees no ground inside the grid (x {extent.x_min_m:g} to {extent.x_max_m:g} m, '
                f'y {extent.y_min_m:g} to {extent.y_max_m:g} m): turn it down, or move the grid'
            )

    def shows(self, points_m: Floats) -> Mask:
        """Return which points of the ground (..., 2) fall into the image."""
        camera = self.camera
        flat = points_m.reshape(-1, 2)
        ahead = np.column_stack((flat - self.foot_m, np.full(len(flat), -camera.z)))
        optical = ahead @ camera.rotation
        shown = _angles(optical) <= self._widest_rad
        u, v = _project(camera, optical[shown]).T
        inside = (u >= -0.5) & (u < camera.width - 0.5)
        shown[shown] = inside & (v >= -0.5) & (v < camera.height - 0.5)
        return shown.reshape(points_m.shape[:-1])

    @cached_property
    def _widest_rad(self) -> float:
        """Return the angle to the optical axis beyond which the image is folded, or ends."""
        widest = math.pi if self.camera.model == 'equidistant' else _WIDEST_RAD
        angles = np.linspace(0, widest, _PROFILE)
        on_axis = np.column_stack((np.sin(angles), 0 * angles, np.cos(angles)))
        falling = np.flatnonzero(~(np.diff(_project(self.camera, on_axis)[:, 0]) > 0))
        return float(angles[falling[0]] if len(falling) else angles[-1])

    @property
    def directions(self) -> Floats:
        """float64 (B, 2): unit vectors of the bearings at which ground of the grid is in view.

        Counter-clockwise, STEP_RAD apart.
        """
        return self._stretches[0]

    @property
    def near_m(self) -> Floats:
        """float64 (B,): how far from the foot the view begins on each bearing."""
        return self._stretches[1]

    @property
    def far_m(self) -> Floats:
        """float64 (B,): how far from the foot view or grid ends on each bearing."""
        return self._stretches[2]

    @cached_property
    def _stretches(self) -> tuple[Floats, Floats, Floats]:
        count = math.ceil(2 * math.pi / STEP_RAD)
        bearings = (np.arange(count) + 0.5) * (2 * math.pi / count) - math.pi
        directions = np.column_stack((np.cos(bearings), np.sin(bearings)))
        farthest_m = self.extent.farthest_m(self.foot_m) + 1.0
        ranges_m = np.geomspace(_NEAREST_M, farthest_m, _SAMPLES)
        shown = self._within(directions, ranges_m)
        some = np.asarray(shown.any(axis=1))
        begin = shown.argmax(axis=1)
        after = np.arange(_SAMPLES) >= begin[:, None]
        ended = after & ~shown
        end = np.where(ended.any(axis=1), ended.argmax(axis=1), _SAMPLES - 1)
        kept = _longest_arc(some)
        directions, begin, end = directions[kept], begin[kept], end[kept]
        near_m = self._edge(directions, ranges_m[begin], ranges_m[np.maximum(begin - 1, 0)])
        far_m = self._edge(directions, ranges_m[end - 1], ranges_m[end])
        return directions, near_m, far_m

    def _within(self, directions: Floats, ranges_m: Floats) -> Mask:
        points = self.foot_m + ranges_m[..., None] * directions[:, None]
        within = self.extent.holds(points)
        within[within] = self.shows(points[within])
        return within

    def _edge(self, directions: Floats, inside_m: Floats, outside_m: Floats) -> Floats:
        """Return the edge of the view between ranges (B,) inside and outside of it."""
        for _ in range(_HALVINGS):
            middle_m = (inside_m + outside_m) / 2
            is_inside = self._within(directions, middle_m[:, None])[:, 0]
            inside_m = np.where(is_inside, middle_m, inside_m)
            outside_m = np.where(is_inside, outside_m, middle_m)
        return inside_m


def _angles(optical: Floats) -> Floats:
    """Return the angles (N,) between points (N, 3) of the optical frame and its axis."""
    return np.asarray(np.arctan2(np.hypot(optical[:, 0], optical[:, 1]), optical[:, 2]))


def _project(camera: SceneCamera, optical: Floats) -> Floats:
    """Return the pixels (N, 2) of points (N, 3) of the optical frame.

    OpenCV's fisheye knows no light from behind the camera, so it is written out here.
    """
    if not len(optical):
        return np.empty((0, 2))
    if camera.model != 'equidistant':
        none = np.zeros(3)
        pixels = cv2.projectPoints(optical.reshape(-1, 1, 3), none, none, camera.k, camera.d)[0]
        return np.asarray(pixels.reshape(-1, 2))
    angle, across = _angles(optical), np.hypot(optical[:, 0], optical[:, 1])
    powers = angle[:, None] ** np.array((3, 5, 7, 9))
    radius = angle + powers @ camera.d
    plane = optical[:, :2] * (radius / np.where(across > 0, across, 1))[:, None]
    return np.asarray(plane * (camera.fx, camera.fy) + (camera.cx, camera.cy))


def _longest_arc(some: Mask) -> NDArray[np.int64]:
    """Return the bearings of the view in one run, counter-clockwise.

    The run starts after the largest gap of the circle.
    """
    places = np.flatnonzero(some)
    if not len(places):
        return places
    gaps = np.diff(np.append(places, places[0] + len(some)))
    return np.roll(places, -1 - int(gaps.argmax()))
