# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rays over the ground, outward from below the camera, as chains of the pixels they cross.

An object hides what lies behind it on the same bearing, so occlusion is a matter of order along
a bearing. The chains depend only on the calibration and are computed once; per frame they
are one look-up in the label image.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose

Floats = NDArray[np.float64]

UNSEEN = -1
"""Stands for a pixel where no ground is seen."""

_NODES = 512
"""Points of a ray that are projected exactly; in between, straight lines are assumed."""

_SUBSTEPS = 4
"""Steps per pixel in which a ray looks for the border of the next pixel."""

_SEARCH_BEARINGS = 1440
_SEARCH_NODES = 96
_SEARCH_HALVINGS = 12


@dataclass(frozen=True, eq=False)
class Rays:
    """The pixels under B rays, nearest first, each pixel once; chains end with UNSEEN.

    directions: float64 (B, 2), unit vectors in the base frame.
    pixels: int64 (S, B), v * width + u, or UNSEEN; one row more than the longest chain has.
    range_m: float32 (B, S), how far from the point under the camera the ray enters that pixel,
        which is half way between the centres of two pixels of a chain; where it ends, the end.
    """

    directions: Floats
    pixels: NDArray[np.int64]
    range_m: NDArray[np.float32]


def trace_rays(
    camera: CameraModel,
    pose: MountingPose,
    bearings: Floats,
    span_m: Callable[[Floats], tuple[Floats, Floats]],
) -> Rays:
    """Trace one ray per bearing (B,), in radians from x to y of the base frame.

    span_m: returns, for directions (B, 2), the ranges at which the area of interest starts and
        ends; a ray whose range ends at 0 is empty.
    """
    directions = _directions(bearings)
    _, ends_m = span_m(directions)
    nodes, range_m = _nodes(pose, directions, ends_m, _NODES)
    pixels, valid = camera.project(pose.to_camera(nodes.reshape(-1, 3)))
    pixels = pixels.reshape(*nodes.shape[:2], 2)
    valid = valid.reshape(nodes.shape[:2]) & (ends_m > 0)[:, None]
    height_m = pose.position_m[2]
    chains = [
        _chain(camera, pixels[i], valid[i], np.arctan2(height_m, range_m[i]))
        for i in range(len(bearings))
    ]
    table, start_m = _tables(chains, height_m)
    return Rays(directions, table, start_m)


def _tables(
    chains: list[tuple[NDArray[np.int64], Floats]], height_m: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the pixels and ranges of Rays from each ray's chain and its angles."""
    length = max(len(chain) for chain, _ in chains) + 1
    pixels = np.full((len(chains), length), UNSEEN, np.int64)
    range_m = np.zeros((len(chains), length), np.float32)
    for i, (chain, angles) in enumerate(chains):
        if len(chain):
            pixels[i, : len(chain)] = chain
            range_m[i] = height_m / np.tan(angles[-1])
            range_m[i, : len(chain)] = height_m / np.tan(angles)
    empty = pixels[:, 0] == UNSEEN
    if empty.any() and not empty.all():
        # Past a corner of the image: as near as the view begins beside it.
        seen, missed = np.flatnonzero(~empty), np.flatnonzero(empty)
        range_m[missed] = np.interp(missed, seen, range_m[seen, 0])[:, None]
    return np.ascontiguousarray(pixels.T), range_m


def visible_arc(
    camera: CameraModel,
    pose: MountingPose,
    span_m: Callable[[Floats], tuple[Floats, Floats]],
) -> tuple[float, float] | None:
    """Return the first and last bearing at which ground is seen, counter-clockwise, in radians.

    span_m: as for `trace_rays`, of directions (B, 2).

    None if no ground is seen within the span. A full circle begins behind the camera.
    """

    def seen(bearings: Floats) -> NDArray[np.bool_]:
        directions = _directions(bearings)
        starts_m, ends_m = span_m(directions)
        nodes, range_m = _nodes(pose, directions, ends_m, _SEARCH_NODES)
        pixels, valid = camera.project(pose.to_camera(nodes.reshape(-1, 3)))
        shown = (valid & camera.inside(pixels)).reshape(range_m.shape)
        return np.asarray((shown & (range_m >= starts_m[:, None])).any(axis=1) & (ends_m > 0))

    step = 2 * math.pi / _SEARCH_BEARINGS
    flags = seen(np.arange(_SEARCH_BEARINGS, dtype=np.float64) * step)
    if not flags.any():
        return None
    if flags.all():
        return -math.pi, math.pi
    first, last = _outside_largest_gap(flags)
    begin, end = first * step, last * step
    outward = step
    for _ in range(_SEARCH_HALVINGS):
        outward /= 2
        begin -= outward if seen(np.array((begin - outward,)))[0] else 0
        end += outward if seen(np.array((end + outward,)))[0] else 0
    turns = math.floor((begin + math.pi) / (2 * math.pi)) * 2 * math.pi
    return begin - turns, end - turns


def _outside_largest_gap(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and last index of the circular arc outside the largest gap."""
    places = np.flatnonzero(flags)
    gaps = np.diff(np.append(places, places[0] + len(flags)))
    k = int(gaps.argmax())
    first, last = int(places[(k + 1) % len(places)]), int(places[k])
    return first, last if last >= first else last + len(flags)


def _directions(bearings: Floats) -> Floats:
    return np.column_stack((np.cos(bearings), np.sin(bearings)))


def _nodes(
    pose: MountingPose, directions: Floats, ends_m: Floats, count: int
) -> tuple[Floats, Floats]:
    """Return points (B, count, 3) of the ground and their ranges (B, count), nearest first.

    They are evenly spaced in the angle at which the camera sees them.
    """
    x, y, height_m = pose.position_m
    farthest = np.arctan2(height_m, ends_m)
    angles = np.linspace(math.pi / 2, farthest, count, axis=1)
    range_m = height_m / np.tan(angles)
    points = np.zeros((*range_m.shape, 3))
    points[..., :2] = (x, y) + range_m[..., None] * directions[:, None]
    return points, range_m


def _chain(
    camera: CameraModel, pixels: Floats, valid: NDArray[np.bool_], angles: Floats
) -> tuple[NDArray[np.int64], Floats]:
    """Return the chain of one ray and the angles below the horizon where each pixel begins.

    pixels (N, 2), valid (N,) and angles (N,) are those of the nodes.
    """
    shown = valid & camera.inside(pixels)
    k = np.flatnonzero((shown[:-1] | shown[1:]) & valid[:-1] & valid[1:])
    if not len(k):
        return np.empty(0, np.int64), np.empty(0)
    ahead = pixels[k + 1] - pixels[k]
    count = np.maximum(1, np.ceil(_SUBSTEPS * np.abs(ahead).max(axis=1))).astype(np.int64)
    which = np.repeat(np.arange(len(k)), count)
    share = (np.arange(len(which)) - (np.cumsum(count) - count)[which]) / count[which]
    places = pixels[k][which] + share[:, None] * ahead[which]
    below = angles[k][which] + share * (angles[k + 1] - angles[k])[which]
    column, row = np.floor(places + 0.5).astype(np.int64).T
    index = np.where(camera.inside(places), row * camera.width + column, UNSEEN)
    new = np.flatnonzero(np.append(True, index[1:] != index[:-1]))
    new = new[1:] if index[new[0]] == UNSEEN else new
    begins = (below[np.maximum(new - 1, 0)] + below[new]) / 2
    return np.append(index[new], UNSEEN), np.append(begins, angles[k[-1] + 1])
