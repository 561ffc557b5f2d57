# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels -> drivable area: as a mask of the image, and in metres around the vehicle.

Everything in metres rests on one assumption: the ground is flat. Ground that is not seen is never
marked free: a cell is free only if the pixels that see it are drivable, up to and including the
last one before something that stands up.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import DrivableConfig
from mfaranet_ros.core.errors import CalibrationError
from mfaranet_ros.core.frame import Drivable, GroundEvidence, GroundGrid, Output, Points
from mfaranet_ros.core.labels import Role
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.geometry.attitude import SIGMAS
from mfaranet_ros.geometry.ground import GroundProjection
from mfaranet_ros.geometry.rays import Rays

Bytes = NDArray[np.uint8]

NOT_DRIVABLE, UNSURE, DRIVABLE = 0, 127, 255
"""The values of the drivable mask."""

FREE, BLOCKED, UNSEEN = 0, 100, -1
"""The values of the grid (nav_msgs/OccupancyGrid)."""

# What a pixel says about the ground. Shifted right by one, both kinds of ground are equal; what
# stands up is the largest, so that it wins where the largest of neighbouring pixels is taken.
_NOTHING, _OUTSIDE, _ROAD, _OTHER_GROUND, _STANDS = 0, 1, 2, 3, 4
_GROUND_KIND, _STANDS_KIND = _ROAD >> 1, _STANDS >> 1

_SEES = {
    Role.UNLABELED: _NOTHING,
    Role.DRIVABLE: _ROAD,
    Role.GROUND: _OTHER_GROUND,
    Role.OBSTACLE: _STANDS,
    Role.BACKGROUND: _STANDS,
}

_ALL_AROUND_RAD = 2 * math.pi - 0.01
"""A wider view goes all around and has no left and right side."""

_SMOOTHED = 4
"""Rays to each side of a vertex over which its range is averaged."""

_STRAIGHT_PX = 1.6
"""Largest deviation, in pixels, of the rays beside a vertex for the edge to count as straight."""

_SHORTEST_GROUND = 3
"""Least pixels of ground between two obstacles on a ray; fewer are the ragged outline of the
first."""


@dataclass(frozen=True)
class DrivableTimings:
    """Wall time of each output in milliseconds; None where it was not computed."""

    mask_ms: float | None
    grid_ms: float | None
    boundary_ms: float | None
    points_ms: float | None


def find_drivable(
    labels: Bytes,
    confidence: Bytes | None,
    roles: Bytes,
    config: DrivableConfig,
    wanted: frozenset[Output],
    ground: GroundProjection | None,
    own: Bytes | None = None,
) -> tuple[Drivable, DrivableTimings]:
    """Compute the wanted outputs of the drivable area of one frame, and time each.

    labels: uint8 (H, W) class ids. confidence: uint8 (H, W), or None where all is certain.
    roles: uint8 (256,), the Role of each mask value.
    ground: for masks of this size; without it the metric outputs are None.
    own: uint8 (H, W), not 0 on the own vehicle, which counts as outside the image; None: nowhere.
    Raises CalibrationError if the ground is for masks of another size.
    """
    mask = grid = boundary_m = near_edge_m = points = free_rim = evidence = cloud_m = None
    mask_ms = grid_ms = boundary_ms = points_ms = None
    least = math.ceil(config.min_confidence * 255 - 1e-9)
    if Output.DRIVABLE_MASK in wanted:
        lap = Laps()
        mask = drivable_mask(labels, confidence, roles, least)
        mask_ms = lap()
    if ground is not None:
        if labels.shape != ground.mask_size:
            raise CalibrationError(
                f'masks of {labels.shape[1]}x{labels.shape[0]} pixels on a ground computed for '
                f'{ground.mask_size[1]}x{ground.mask_size[0]}: compute it for their size'
            )
        view = _View(labels, confidence, roles, least, config.boundary_bearings, ground, own)
        lap = Laps()
        if not wanted.isdisjoint((Output.GRID, Output.EVIDENCE)):
            grid = view.grid()
            evidence = view.evidence(grid) if Output.EVIDENCE in wanted else None
            grid_ms = lap()
        if Output.BOUNDARY in wanted:
            boundary_m, near_edge_m = view.boundary.vertices_m, view.boundary.near_edge_m
            boundary_ms = lap()
        if Output.POINTS in wanted:
            points = view.points()
        if Output.FREE_RIM in wanted:
            free_rim = view.free_rim()
        if not wanted.isdisjoint((Output.POINTS, Output.FREE_RIM)):
            points_ms = lap()
        if Output.GROUND_CLOUD in wanted:
            cloud_m = view.cloud()
    found = Drivable(mask, grid, boundary_m, near_edge_m, points, free_rim, evidence, cloud_m)
    return found, DrivableTimings(mask_ms, grid_ms, boundary_ms, points_ms)


def drivable_mask(labels: Bytes, confidence: Bytes | None, roles: Bytes, least: int) -> Bytes:
    """Return uint8 (H, W): 255 drivable, 0 not, 127 unsure (or not labeled).

    least: the confidence (0..255) from which on a pixel is sure.
    """
    values = np.full(len(roles), NOT_DRIVABLE, np.uint8)
    values[roles == Role.DRIVABLE] = DRIVABLE
    values[roles == Role.UNLABELED] = UNSURE
    mask: Bytes = cv2.LUT(labels, values)
    if confidence is not None:
        mask = cv2.bitwise_and(mask, _sure(confidence, least), dst=mask)
        unsure = cv2.threshold(confidence, least - 1, UNSURE, cv2.THRESH_BINARY_INV)[1]
        mask = cv2.bitwise_or(mask, unsure, dst=mask)
    return mask


def _sure(confidence: Bytes, least: int) -> Bytes:
    """Return 255 where a pixel is sure, else 0."""
    result: Bytes = cv2.threshold(confidence, least - 1, 255, cv2.THRESH_BINARY)[1]
    return result


def _cell_rule() -> NDArray[np.int8]:
    """Return the value (4096,) of a cell by what its corner, outer, middle and inner pixel see.

    Each of them is an octal digit of the index, in this order.
    """
    rule = np.full((8, 8, 8, 8), UNSEEN, np.int8)
    ground, sees = (_ROAD, _OTHER_GROUND), set(_SEES.values())
    for corner, outer, middle, inner in itertools.product(sees, repeat=4):
        foot = inner in ground and outer == _STANDS and middle != _NOTHING
        if foot or middle == _OTHER_GROUND:
            rule[corner, outer, middle, inner] = BLOCKED
        elif middle == _ROAD and _STANDS not in (corner, inner, outer):
            rule[corner, outer, middle, inner] = FREE
    return rule.reshape(-1)


def _covered_rule() -> NDArray[np.bool_]:
    """Return whether any of a cell's pixels sees something that stands, as in `_cell_rule`."""
    digits = np.indices((8, 8, 8, 8)).reshape(4, -1)
    return np.asarray((digits == _STANDS).any(axis=0))


_CELL_RULE = _cell_rule()
_COVERED_RULE = _covered_rule()


@dataclass(frozen=True, eq=False)
class _Feet:
    """Where things that stand up meet the ground, ray by ray, nearest first.

    ray: (N,). place: (N,) in the ray's chain of pixels. range_m: (N,). xy_m: (N, 2), x and y.
    """

    ray: NDArray[np.int64]
    place: NDArray[np.int64]
    range_m: NDArray[np.float32]
    xy_m: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _Boundary:
    """The end of the free space on each bearing, counter-clockwise.

    vertices_m: float32 (B, 2). near_edge_m: see Drivable. pixel: the index (B,) of the pixel
    that ends it, or of the last free one at the edge of the view. stands: bool (B,), whether
    something stands there.
    """

    vertices_m: NDArray[np.float32]
    near_edge_m: NDArray[np.float32]
    pixel: NDArray[np.int64]
    stands: NDArray[np.bool_]


class _View:
    """One frame seen on the ground; what two outputs share is computed once, when first asked."""

    def __init__(
        self,
        labels: Bytes,
        confidence: Bytes | None,
        roles: Bytes,
        least: int,
        vertices: int,
        ground: GroundProjection,
        own: Bytes | None,
    ) -> None:
        self._labels = labels
        self._confidence = confidence
        self._roles = roles
        self._least = least
        self._vertices = vertices
        self._ground = ground
        self._own = own

    @cached_property
    def _sees(self) -> Bytes:
        """What each pixel says about the ground, flat, followed by one that says nothing."""
        ground, rows = self._ground, self._ground.image_rows
        table = np.array([_SEES[Role(role)] for role in range(len(Role))], np.uint8)
        result = np.empty(ground.unseen + 1, np.uint8)
        result[-1] = _NOTHING
        image: Bytes = cv2.LUT(self._labels[rows], table[self._roles])
        if self._confidence is not None:
            cv2.bitwise_and(image, _sure(self._confidence[rows], self._least), dst=image)
        if self._own is not None:
            np.copyto(image, _OUTSIDE, where=self._own[rows] > 0)
        seen = ground.resampled(image, _OUTSIDE)
        if ground.is_resampled:
            stands = ground.touched(cv2.compare(image, _STANDS, cv2.CMP_EQ))
            seen[stands > 0] = _STANDS
        result[:-1] = seen.reshape(-1)
        return result

    def grid(self) -> GroundGrid:
        """Return the grid."""
        layout, cells, key = self._ground.layout, self._ground.cells, self._keys
        values = np.full(layout.shape, UNSEEN, np.int8)
        values.reshape(-1)[cells.cell] = self._known(_CELL_RULE.take(key))
        for places_m in (self._feet.xy_m, self._between_feet()):
            row, column = layout.cell_of(places_m).T
            inside = row >= 0
            values[row[inside], column[inside]] = BLOCKED
        return GroundGrid(values, layout.resolution_m, layout.x_min_m, layout.y_min_m)

    def _known(self, values: NDArray[np.int8]) -> NDArray[np.int8]:
        """Return the values of the cells, unseen where they are beyond the limit of the range."""
        limit = self._ground.limit
        if limit is None:
            return values
        by_pitch, by_roll = self._ground.cell_spread
        attitude = limit.attitude
        variance = by_pitch * np.float32(attitude.pitch_std_rad**2)
        variance += by_roll * np.float32(attitude.roll_std_rad**2)
        most = (limit.max_error_m / SIGMAS) ** 2
        return np.where(variance <= most, values, np.int8(UNSEEN))

    @cached_property
    def _keys(self) -> NDArray[np.uint16]:
        """What the pixels of each cell see, as an index of _CELL_RULE, (M,)."""
        cells, sees = self._ground.cells, self._sees
        image = sees[:-1].reshape(-1, self._labels.shape[1])
        corners = cv2.dilate(image, np.ones((2, 2), np.uint8), anchor=(0, 0)).reshape(-1)
        key: NDArray[np.uint16] = corners.take(cells.corner).astype(np.uint16)
        for index in (cells.outer, cells.middle, cells.inner):
            key <<= 3
            key |= sees.take(index)
        return key

    def evidence(self, grid: GroundGrid) -> GroundEvidence:
        """Return a grid of this view with what it takes to weigh it against others."""
        cells, shape = self._ground.cells, grid.cells.shape
        covered = np.zeros(shape, np.bool_)
        covered.reshape(-1)[cells.cell] = _COVERED_RULE.take(self._keys)
        covered &= grid.cells == UNSEEN
        feet = grid.cells == BLOCKED
        feet.reshape(-1)[cells.cell[(self._keys >> 3 & 7) == _OTHER_GROUND]] = False
        confidence = None
        if self._confidence is not None:
            confidence = np.zeros(shape, np.uint8)
            place = self._ground.image_index(cells.middle)
            confidence.reshape(-1)[cells.cell] = self._confidence.reshape(-1).take(place)
        x, y, z = self._ground.pose.position_m
        in_view = cells.cell
        if self._own is not None:
            in_view = in_view[self._sees.take(cells.middle) != _OUTSIDE]
        return GroundEvidence(
            grid, confidence, covered, feet, in_view, (x, y, z), self._ground.pixel_rad
        )

    def cloud(self) -> NDArray[np.float32]:
        """Return a point (H, W, 3) of the ground for each pixel of the mask, NaN for none.

        Ground is where it is seen; what stands up is at its foot on the same bearing, the last
        one before the ground that it hides.
        """
        ground, feet, seen = self._ground, self._feet, self._ground.pixels_on_ground
        sees = self._sees[:-1]
        xy_m = np.where(np.isin(sees, (_ROAD, _OTHER_GROUND))[:, None], seen.xy_m, np.nan)
        standing = np.flatnonzero((sees == _STANDS) & (seen.ray >= 0))
        # By ray, then by how far; a pixel hides the foot that it shows, to within its height.
        far = 4.0 * ground.layout.farthest_m(ground.origin_m)
        at = seen.ray[standing] * far + seen.range_m[standing] + seen.height_m[standing]
        foot = np.searchsorted(feet.ray * far + feet.range_m, at, side='right') - 1
        known = foot >= 0  # none where there is no foot at all, such as beyond a near limit
        known[known] = feet.ray[foot[known]] == seen.ray[standing[known]]
        xy_m[standing[known]] = feet.xy_m[foot[known]]
        pixel = np.flatnonzero(np.isfinite(xy_m[:, 0]))
        pixel = pixel[ground.within_limit(xy_m[pixel])]
        cloud = np.full((*ground.mask_size, 3), np.nan, np.float32)
        points = np.zeros((len(pixel), 3), np.float32)
        points[:, :2] = xy_m[pixel]
        cloud.reshape(-1, 3)[ground.image_index(pixel)] = points
        return cloud

    @cached_property
    def _walk(self) -> Bytes:
        return self._walk_along(self._ground.rays)

    def _walk_along(self, rays: Rays) -> Bytes:
        """Return what rays see, (B, S), nearest first."""
        return np.asarray(cv2.transpose(self._sees.take(rays.pixels)))

    @cached_property
    def _feet(self) -> _Feet:
        """The feet on all rays.

        A foot is where ground (or the edge of the view) is followed by something that stands up,
        with nothing but unsure pixels between them.
        """
        walk = self._walk
        length = walk.shape[1]
        kinds = (walk >> 1).reshape(-1)
        begins = np.flatnonzero(kinds[1:] != kinds[:-1]) + 1
        begins = np.append(0, begins)  # the first pixel of all; the other rays follow an unseen
        kind = kinds[begins]
        lengths = np.diff(begins, append=len(kinds))
        telling = kind == _STANDS_KIND
        telling |= (kind == _GROUND_KIND) & (lengths >= _SHORTEST_GROUND)
        begins, kind = begins[telling], kind[telling]
        ray = begins // length
        before = np.append(_GROUND_KIND, kind[:-1])
        first = np.append(True, ray[1:] != ray[:-1])
        foot = (kind == _STANDS_KIND) & (first | (before == _GROUND_KIND))
        ray, place = ray[foot], (begins % length)[foot]
        rays = self._ground.rays
        xy_m = _along(self._ground, rays, ray, place)
        if self._ground.limit is not None:
            known = self._ground.within_limit(xy_m)
            ray, place, xy_m = ray[known], place[known], xy_m[known]
        return _Feet(ray, place, rays.range_m[ray, place], xy_m)

    def _between_feet(self) -> NDArray[np.float64]:
        """Return x and y (N, 2) in metres of the lines that join feet of neighbouring rays.

        A surface that is seen from its side meets the ground between two rays as well; beside
        its end, where the view opens onto something farther, there is a leap.
        """
        ground, feet = self._ground, self._feet
        below = np.arctan2(ground.pose.position_m[2], feet.range_m)
        order = feet.ray * 4.0 - below  # ascending: by ray, then by range
        at = np.searchsorted(order, order + 4.0)
        first = np.tile(np.arange(len(order)), 2)
        second = np.append(at - 1, np.minimum(at, len(order) - 1))
        near = np.abs(order[second] - order[first] - 4.0) < ground.joint_rad
        start, ahead = feet.xy_m[first[near]], feet.xy_m[second[near]] - feet.xy_m[first[near]]
        length_m = np.hypot(ahead[:, 0], ahead[:, 1])
        count = (length_m / (0.7 * ground.layout.resolution_m)).astype(np.int64)
        which = np.repeat(np.arange(len(count)), count)
        step = np.arange(len(which)) - (np.cumsum(count) - count)[which] + 1.0
        return np.asarray(start[which] + (step / (count[which] + 1))[:, None] * ahead[which])

    @cached_property
    def boundary(self) -> _Boundary:
        """The boundary."""
        more = self._ground.rays_for(self._vertices)
        rays = self._ground.rays if more is None else more
        walk = self._walk if more is None else self._walk_along(more)
        places = (np.arange(self._vertices) + 0.5) / self._vertices
        ray = (places * len(walk)).astype(np.int64)
        begins, ends = self._free_span(walk)
        end = ends[ray]
        pixel = rays.pixels[end, ray]
        beyond = pixel == self._ground.unseen
        pixel[beyond] = rays.pixels[np.maximum(end[beyond] - 1, 0), ray[beyond]]
        range_m = rays.range_m[ray, end].astype(np.float64)
        range_m[~beyond] = self._smooth(rays, ends, ray[~beyond])
        stands = walk[ray, end] == _STANDS
        if self._ground.limit is not None:
            limit_m = self._ground.limit.range_m(rays.directions[ray])
            beyond_limit = range_m > limit_m
            stands &= ~beyond_limit
            pixel[beyond_limit] = self._ground.unseen
            range_m = np.minimum(range_m, limit_m)
        ahead = rays.directions[ray] * range_m[:, None]
        vertices_m = (self._ground.origin_m + ahead).astype(np.float32)
        begin_rad, end_rad = self._ground.arc_rad
        outermost = ray[[-1, 0]] if end_rad - begin_rad < _ALL_AROUND_RAD else ray[:0]
        near_edge_m = _along(self._ground, rays, outermost, begins[outermost])
        return _Boundary(vertices_m, near_edge_m.astype(np.float32), pixel, stands)

    def _free_span(self, walk: Bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the places (B,) at which rays enter the image, and at which the road ends."""
        if self._own is None and not self._ground.is_resampled:
            return np.zeros(len(walk), np.int64), (walk != _ROAD).argmax(axis=1)
        begins = (walk != _OUTSIDE).argmax(axis=1)
        other = walk != _ROAD
        if begins.any():
            other &= np.arange(walk.shape[1]) >= begins[:, None]
        return begins, other.argmax(axis=1)

    def _smooth(
        self, rays: Rays, ends: NDArray[np.int64], ray: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return the ranges (N,) at which rays end, more exactly than the pixels are.

        The edge of the free space is a staircase of pixels; where it goes on straight to both
        sides of a ray, the mean over them is the line that the staircase stands for.
        """
        height_m = self._ground.pose.position_m[2]
        below = np.arctan2(height_m, rays.range_m[np.arange(len(ends)), ends].astype(np.float64))
        step = np.arange(1, _SMOOTHED + 1)[:, None]
        left, right, last = ray - step, ray + step, len(below) - 1
        inside = (left >= 0) & (right <= last)
        left_rad, right_rad = below[np.maximum(left, 0)], below[np.minimum(right, last)]
        both_rad = left_rad + right_rad
        bent = np.abs(both_rad - 2 * below[ray]) > _STRAIGHT_PX * self._ground.pixel_rad
        torn = np.abs(left_rad - right_rad) > 2 * step * self._ground.joint_rad
        straight = np.logical_and.accumulate(inside & ~bent & ~torn, axis=0)
        total = below[ray] + np.where(straight, both_rad, 0.0).sum(axis=0)
        return np.asarray(height_m / np.tan(total / (1 + 2 * straight.sum(axis=0))))

    def points(self) -> Points:
        """Return the obstacles' feet, then the boundary where no obstacle ends it."""
        ground, feet, boundary = self._ground, self._feet, self.boundary
        rest = ~boundary.stands & (boundary.pixel != ground.unseen)
        pixel = np.append(ground.rays.pixels[feet.place, feet.ray], boundary.pixel[rest])
        xy_m = np.concatenate((feet.xy_m, boundary.vertices_m[rest]))
        return self._points_at(xy_m, pixel, len(feet.ray))

    def free_rim(self) -> Points:
        """Return the boundary on all bearings on which ground is seen."""
        seen = self.boundary.pixel != self._ground.unseen
        return self._points_at(self.boundary.vertices_m[seen], self.boundary.pixel[seen], 0)

    def _points_at(self, xy_m: NDArray[Any], pixel: NDArray[np.int64], feet: int) -> Points:
        xyz_m = np.zeros((len(pixel), 3), np.float32)
        xyz_m[:, :2] = xy_m
        place = self._ground.image_index(pixel)
        labels = self._labels.reshape(-1).take(place)
        if self._confidence is None:
            return Points(xyz_m, labels, np.full_like(labels, 255), feet)
        return Points(xyz_m, labels, self._confidence.reshape(-1).take(place), feet)


def _along(
    ground: GroundProjection, rays: Rays, ray: NDArray[np.int64], place: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return x and y (N, 2) in metres where rays enter the pixels at these places of theirs."""
    ahead = rays.directions[ray] * rays.range_m[ray, place][:, None]
    return np.asarray(ground.origin_m + ahead)
