# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The flat ground under the image: which pixel sees which cell, computed once per calibration.

The ground is the plane z = 0 of the base frame (REP-103, REP-105). Everything a
frame needs is kept as tables of pixel indices, so that it costs a few look-ups.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfaranet_ros.core.config import GroundConfig
from mfaranet_ros.core.errors import CalibrationError, ConfigError
from mfaranet_ros.geometry.attitude import RangeLimit
from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose
from mfaranet_ros.geometry.rays import UNSEEN, Rays, trace_rays, visible_arc
from mfaranet_ros.geometry.warp import ImageWarp, Places, Singles

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Bytes = NDArray[np.uint8]

MAX_CELLS = 1_000_000
"""Largest number of cells of a grid, which bounds the time of a frame."""

_STEP_CELLS = 0.7
_WIDEST_STEP_RAD = 0.004
"""Spacing of neighbouring rays at the farthest corner of the grid, in cells (but at least one
pixel), and its upper limit in radians for coarse grids.
"""

_STEEPEST = 2.5
"""The steepest line in the image that is taken for the foot of one surface; steeper ones are
the upright edge of something. The foot of a wall is as steep as this if the extended wall passes
the camera at less than its height divided by this; it is then seen almost edge-on.
"""


@dataclass(frozen=True)
class GridLayout:
    """The layout of the cells of a grid, compared by value.

    shape: rows along y, columns along x. Cell (0, 0) has its lower corner at the minima.
    """

    shape: tuple[int, int]
    resolution_m: float
    x_min_m: float
    y_min_m: float

    @classmethod
    def from_config(cls, config: GroundConfig) -> GridLayout:
        """Return the layout of a grid; raises ConfigError if it has no cells or too many."""
        resolution = config.resolution
        if not (math.isfinite(resolution) and resolution > 0):
            raise ConfigError(f'ground.resolution = {resolution}: must be a positive length in m')
        columns = _count('x', config.x_min, config.x_max, resolution)
        rows = _count('y', config.y_min, config.y_max, resolution)
        if rows * columns > MAX_CELLS:
            raise ConfigError(
                f'a grid of {config.x_max - config.x_min:g} m x {config.y_max - config.y_min:g} m '
                f'at ground.resolution = {resolution:g} m would have {rows * columns:,} cells: '
                f'at most {MAX_CELLS:,} are allowed, make it smaller or coarser'
            )
        return cls((rows, columns), resolution, config.x_min, config.y_min)

    def centres(self) -> Floats:
        """Return x and y of every cell's centre, (rows * columns, 2), row by row."""
        rows, columns = self.shape
        x = self.x_min_m + (np.arange(columns) + 0.5) * self.resolution_m
        y = self.y_min_m + (np.arange(rows) + 0.5) * self.resolution_m
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def cell_of(self, points: ArrayLike) -> Indices:
        """Return the row and column (N, 2) of points (N, 2) in metres; -1, -1 outside."""
        points = np.asarray(points, np.float64).reshape(-1, 2)
        with np.errstate(invalid='ignore'):
            at = np.floor((points - (self.x_min_m, self.y_min_m)) / self.resolution_m)
            outside = ((at < 0) | ~(at < self.shape[::-1])).any(axis=1, keepdims=True)
        return np.where(outside, -1, at).astype(np.int64)[:, ::-1]

    def farthest_m(self, point_m: Sequence[float]) -> float:
        """Return how far the farthest corner is from a point, x and y."""
        far = [
            max(abs(low - at), abs(low + count * self.resolution_m - at))
            for low, count, at in zip(
                (self.x_min_m, self.y_min_m), self.shape[::-1], point_m, strict=True
            )
        ]
        return math.hypot(*far)

    def span_from(self, origin: tuple[float, float], directions: Floats) -> tuple[Floats, Floats]:
        """Return the ranges (B,) at which rays from the origin enter and leave the grid.

        Both are 0 if a ray misses it; a ray that starts inside enters at 0.
        """
        low = np.array((self.x_min_m, self.y_min_m)) - origin
        high = low + np.array(self.shape[::-1]) * self.resolution_m
        along = np.where(directions == 0, 1e-300, directions)
        with np.errstate(over='ignore'):
            a, b = low / along, high / along
        enter = np.minimum(a, b).max(axis=1).clip(min=0)
        leave = np.maximum(a, b).min(axis=1)
        hit = leave > enter
        return np.where(hit, enter, 0.0), np.where(hit, leave, 0.0)


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells whose centre is in the image, and the pixels (M,) that decide about them.

    cell: row * columns + column. corner: the upper left of the four pixels around the cell's
    centre. middle: the nearest one. inner, outer: half a cell, but at least half a pixel, from
    the centre towards the camera and away from it.
    """

    cell: Indices
    corner: Indices
    inner: Indices
    middle: Indices
    outer: Indices

    @property
    def pixels(self) -> tuple[Indices, Indices, Indices, Indices]:
        """corner, inner, middle and outer: int64 (M,) each."""
        return self.corner, self.inner, self.middle, self.outer


@dataclass(frozen=True, eq=False)
class PixelsOnGround:
    """Where the pixels (P,) of the rows that matter see the ground, row by row.

    xy_m: float32 (P, 2), x and y, NaN on or above the horizon and outside the grid. ray: int64,
    the nearest ray of the bearing, -1 where there is none. range_m, height_m: float32, how far
    the ground is from below the camera, and how much of it the pixel covers along its bearing.
    """

    xy_m: NDArray[np.float32]
    ray: Indices
    range_m: NDArray[np.float32]
    height_m: NDArray[np.float32]


class GroundProjection:
    """The ground as seen by a camera, in tables for masks of one size.

    camera: of the image; it is scaled to the masks. pose: of its optical frame.
    mask_size: height and width of the label images in pixels.
    Raises ConfigError for a grid without cells or with too many, CalibrationError if the camera
    sees none of it.

    rows: the range of mask rows that matters; the pixel indices of `cells` and of the rays
    count from its first pixel, and `unseen` is the index just behind its last one.
    pixel_rad: how wide a pixel in the middle of the image is.
    joint_rad: feet on neighbouring rays that are seen within this angle belong together.
    image_pose: of the camera that takes the images; other than `pose` after `seen_from`.
    limit: how far the ground is known, None: as far as it is seen.
    """

    def __init__(
        self,
        camera: CameraModel,
        pose: MountingPose,
        config: GroundConfig,
        mask_size: tuple[int, int],
    ) -> None:
        self.camera = camera.scaled_to(*mask_size)
        self.pose = self.image_pose = pose
        self.layout = GridLayout.from_config(config)
        self.mask_size = self.camera.size
        self.origin_m = pose.position_m[:2]
        arc = visible_arc(self.camera, pose, self._span)
        if arc is None:
            raise CalibrationError(
                f'the camera at {pose.position_m} m sees no ground inside the grid '
                f'(x {config.x_min:g} to {config.x_max:g} m, y {config.y_min:g} to '
                f'{config.y_max:g} m): correct its mounting pose or the extent of the grid'
            )
        self.arc_rad = arc
        cells = self._find_cells()
        count = self._fine_count()
        rays = self._trace(count)
        self.pixel_rad = 1 / max(self.camera.fx, self.camera.fy)
        self.joint_rad = _STEEPEST * (arc[1] - arc[0]) / count + 1.5 * self.pixel_rad
        self._set_rows(cells, rays)
        shift = self.rows.start * self.camera.width
        self.cells = Cells(cells.cell, *(index - shift for index in cells.pixels))
        self.rays = self._relative(rays)
        self._more_rays: dict[int, Rays] = {}
        self._places: Places | None = None
        self.limit: RangeLimit | None = None

    def seen_from(self, pose: MountingPose) -> GroundProjection:
        """Return this projection for a camera whose pose differs a little from that of the tables.

        The tables are shared, and `resampled` turns its images. Costs a few milliseconds; see
        geometry/warp.py. Nothing changes for an equal pose.
        """
        if pose == self.image_pose:
            return self
        other = copy.copy(self)
        other.image_pose = pose
        other._places = None if pose == self.pose else self._warp.to_image(pose)
        return other

    def limited(self, limit: RangeLimit | None) -> GroundProjection:
        """Return this projection with a limit beyond which the ground counts as unseen."""
        other = copy.copy(self)
        other.limit = limit
        return other

    @cached_property
    def _warp(self) -> ImageWarp:
        return ImageWarp(self.camera, self.pose, self.rows)

    @property
    def image_rows(self) -> slice:
        """The rows of a mask that `resampled` takes."""
        return self.rows if self._places is None else self._places.rows

    @property
    def is_resampled(self) -> bool:
        """Whether the images are taken from another pose than that of the tables."""
        return self._places is not None

    def resampled(self, image: Bytes, outside: int) -> Bytes:
        """Return what the pixels of `rows` show, uint8 (rows, width).

        image: uint8, the `image_rows` of a mask. outside: what stands where a pixel is not in
        the image.
        """
        return image if self._places is None else self._places.resample(image, outside)

    def touched(self, mask: Bytes) -> Bytes:
        """Return which pixels of `rows` touch a pixel that is set, uint8, not 0 where one does.

        mask: uint8, 0 or 255, the `image_rows` of a mask. Nearest pixels alone would put what
        stands up to half a pixel too far, and free ground under it.
        """
        return mask if self._places is None else self._places.touched(mask)

    def image_index(self, pixels: Indices) -> Indices:
        """Return the indices in a whole mask, row by row, of pixel indices of the tables."""
        if self._places is None:
            return pixels + self.rows.start * self.camera.width
        return self._places.index(pixels, self.camera.height)

    def within_limit(self, points_m: ArrayLike) -> NDArray[np.bool_]:
        """Return which points (N, 2) in metres are nearer than the limit: bool (N,)."""
        ahead = np.asarray(points_m, np.float64).reshape(-1, 2) - self.origin_m
        if self.limit is None:
            return np.ones(len(ahead), np.bool_)
        return np.hypot(ahead[:, 0], ahead[:, 1]) <= self.limit.range_m(ahead)

    @cached_property
    def cell_spread(self) -> tuple[Singles, Singles]:
        """How the variances of pitch and roll spread to each of `cells`: float32 (M,) each.

        Multiplied by them and added, they are the squared standard deviation of its range.
        """
        ahead = self.layout.centres()[self.cells.cell] - self.origin_m
        height_m = self.pose.position_m[2]
        square = (ahead**2).sum(axis=1)
        gain = ((square + height_m**2) / height_m) ** 2 / np.maximum(square, 1e-9)
        x, y = (ahead**2 * gain[:, None]).astype(np.float32).T
        return x, y

    def pixel_of(self, points: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
        """Return the mask pixels (N, 2) of points (N, 3) of the base frame in metres.

        The second array says which of them are valid, as in `CameraModel.project`.
        """
        return self.camera.project(self.image_pose.to_camera(np.asarray(points, np.float64)))

    def ground_of(self, pixels: ArrayLike) -> Floats:
        """Return x and y (N, 2) in metres of the ground that mask pixels (N, 2) see.

        They are NaN on or above the horizon.
        """
        pose = self.image_pose
        rays = pose.to_base(self.camera.rays(pixels))
        with np.errstate(divide='ignore', invalid='ignore'):
            far = -pose.position_m[2] / rays[:, 2:]
            return np.where(rays[:, 2:] < 0, pose.position_m[:2] + rays[:, :2] * far, np.nan)

    def cell_of(self, points: ArrayLike) -> Indices:
        """Return the row and column (N, 2) of points (N, 2) in metres; -1, -1 outside."""
        return self.layout.cell_of(points)

    def rays_for(self, count: int) -> Rays | None:
        """Return the rays for a boundary of more vertices than `rays` has, else None."""
        if count <= len(self.rays.directions):
            return None
        if count not in self._more_rays:
            self._more_rays = {count: self._relative(self._trace(count))}
        return self._more_rays[count]

    @cached_property
    def pixels_on_ground(self) -> PixelsOnGround:
        """The ground under each pixel; computed when it is first asked for."""
        width = self.camera.width
        rows, columns = np.mgrid[self.rows, 0:width]
        pixels = np.column_stack((columns.reshape(-1), rows.reshape(-1))).astype(np.float64)
        xy_m = self.ground_of(pixels)
        ahead = xy_m - self.origin_m
        range_m = np.hypot(ahead[:, 0], ahead[:, 1])
        known = np.isfinite(range_m) & (range_m < 2 * self.layout.farthest_m(self.origin_m))
        begin, end = self.arc_rad
        # Older NumPy warns of the remainder of what is not a number.
        angle = np.where(known, np.arctan2(ahead[:, 1], ahead[:, 0]), 0.0)
        bearing = np.remainder(angle - begin, 2 * math.pi)
        count = len(self.rays.directions)
        inside = known & (bearing < end - begin)
        ray = np.where(inside, bearing / (end - begin) * count, -1.0)
        ray = np.where(inside, np.minimum(ray, count - 1), -1.0).astype(np.int64)
        within = known & (self.layout.cell_of(xy_m)[:, 0] >= 0)
        z_m = self.pose.position_m[2]
        height_m = (range_m * range_m + z_m * z_m) / z_m * self.pixel_rad
        return PixelsOnGround(
            np.where(within[:, None], xy_m, np.nan).astype(np.float32),
            ray,
            np.where(known, range_m, 0).astype(np.float32),
            np.where(known, height_m, 0).astype(np.float32),
        )

    def _span(self, directions: Floats) -> tuple[Floats, Floats]:
        return self.layout.span_from(self.origin_m, directions)

    def _trace(self, count: int) -> Rays:
        begin, end = self.arc_rad
        bearings = begin + (np.arange(count) + 0.5) / count * (end - begin)
        return trace_rays(self.camera, self.pose, bearings, self._span)

    def _fine_count(self) -> int:
        """Return how many rays are as close to each other as the far cells, or the pixels."""
        begin, end = self.arc_rad
        angles = np.linspace(begin, end, 256)
        reach_m = self._span(np.column_stack((np.cos(angles), np.sin(angles))))[1].max()
        pixel_rad = 1 / max(self.camera.fx, self.camera.fy)
        step = max(_STEP_CELLS * self.layout.resolution_m / reach_m, pixel_rad)
        step = min(step, _WIDEST_STEP_RAD)
        return max(3, math.ceil(float((end - begin) / step)))

    def _find_cells(self) -> Cells:
        centres = self.layout.centres()
        pixels, valid = self._pixel_of_ground(centres)
        cell = np.flatnonzero(valid & self.camera.inside(pixels))
        middle, away = pixels[cell], centres[cell] - self.origin_m
        range_m = np.maximum(np.hypot(away[:, 0], away[:, 1]), 1e-9)[:, None]
        half = np.minimum(self.layout.resolution_m / 2, 0.99 * range_m)
        inner, inner_valid = self._pixel_of_ground(centres[cell] - away / range_m * half)
        outer, outer_valid = self._pixel_of_ground(centres[cell] + away / range_m * half)
        near = self._apart(middle, inner, inner_valid)
        far = self._apart(middle, outer, outer_valid)
        corner = np.maximum(np.floor(middle), 0)
        indices = [self._index(p) for p in (corner, near, middle, far)]
        order = np.argsort(indices[2], kind='stable')  # neighbours in memory are quick to read
        return Cells(cell[order], *(index[order] for index in indices))

    def _pixel_of_ground(self, points: Floats) -> tuple[Floats, NDArray[np.bool_]]:
        return self.pixel_of(np.column_stack((points, np.zeros(len(points)))))

    def _apart(self, middle: Floats, other: Floats, valid: NDArray[np.bool_]) -> Floats:
        """Return the other pixels at least half a pixel away; the middle where out of view."""
        step = np.where(valid[:, None], other - middle, 0)
        length = np.abs(step).max(axis=1, keepdims=True)
        moved = middle + step * np.maximum(0.5 / np.maximum(length, 1e-12), 1)
        return np.where(self.camera.inside(moved)[:, None], moved, middle)

    def _index(self, pixels: Floats) -> Indices:
        column, row = np.floor(pixels + 0.5).astype(np.int64).T
        return np.asarray(row * self.camera.width + column)

    def _set_rows(self, cells: Cells, rays: Rays) -> None:
        traced = rays.pixels[rays.pixels != UNSEEN]
        used = [index for index in (*cells.pixels, traced) if len(index)]
        first = min(int(index.min()) for index in used) // self.camera.width
        last = max(int(index.max()) for index in used) // self.camera.width
        self.rows = slice(first, min(last + 2, self.camera.height))  # one more below the corners
        self.unseen = (self.rows.stop - first) * self.camera.width

    def _relative(self, rays: Rays) -> Rays:
        """Return the rays with pixels that count from the first of `rows`."""
        pixels = rays.pixels - self.rows.start * self.camera.width
        outside = (rays.pixels == UNSEEN) | (pixels < 0) | (pixels >= self.unseen)
        return Rays(rays.directions, np.where(outside, self.unseen, pixels), rays.range_m)


def _count(axis: str, low: float, high: float, resolution: float) -> int:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(
            f'ground.{axis}_min = {low:g}, ground.{axis}_max = {high:g}: both must be finite and '
            'the first below the second'
        )
    return max(1, math.ceil((high - low) / resolution - 1e-6))
