# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The metric ground truth of one frame: which ground is free, blocked, occluded or out of view.

It is computed by casting rays from the camera to the ground, through the same surfaces that the
image is painted from; nothing of the image and nothing of the pipeline is used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import GroundGrid
from mfaranet_ros.core.labels import Role, get_label_set
from mfaranet_ros.scenes.grid import GridExtent, GroundInView
from mfaranet_ros.scenes.kinds import label_table
from mfaranet_ros.scenes.shapes import SHAPES
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene
from mfaranet_ros.scenes.things import Pose
from mfaranet_ros.scenes.world import GROUND, Snapshot

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

FREE, BLOCKED, UNSEEN = 0, 100, -1

_SAMPLES = 128
"""Samples on a bearing, evenly spaced in the logarithm of the range; narrower things are missed.
"""

_HALVINGS = 8
_OVERHANG_M = 5.0
"""Largest overhang of a thing beyond its foot."""

_FOOT_M = 0.05
"""Height up to which what hides the ground counts as standing there; above, it overhangs."""


@dataclass(frozen=True, eq=False)
class MetricGroundTruth:
    """The ground truth of the ground around base_link at one frame.

    grid: 0 free (drivable and in sight), 100 blocked (in sight and not drivable, or the foot of
        something), -1 not in sight.
    drivable: bool (rows, columns), whether it is road and nothing solid stands on it, in sight or
        not. Under what is flat or overhangs (a person, a bicycle's frame) only feet are blocked.
    in_view: bool, whether the cell's centre is inside the image.
    hidden: bool, whether it is inside the image but something stands before it or on it.
    boundary_m: float64 (B, 2), x and y where the free ground in sight ends, on many bearings
        from the point under the camera, counter-clockwise. Where none begins, it is the near
        edge of the view; at its far end, that of view or grid.
    feet_m: float64 (N, 2), where things that stand up meet the ground, in sight.
    """

    grid: GroundGrid
    drivable: Mask
    in_view: Mask
    hidden: Mask
    boundary_m: Floats
    feet_m: Floats


class MetricGroundTruthFinder:
    """Finds the metric ground truth of a scene's frames, for one grid.

    Raises CalibrationError where the camera sees nothing of the grid.
    """

    def __init__(self, scene: SyntheticScene, extent: GridExtent | None = None) -> None:
        self.scene = scene
        self.extent = extent or GridExtent()
        self._view = GroundInView(scene.camera, self.extent)
        roles = get_label_set(scene.label_set).roles
        self._drivable = roles[label_table(scene.label_set)] == Role.DRIVABLE

    def at(self, index: int) -> MetricGroundTruth:
        """Return the ground truth of one frame; raises ConfigError for one that does not exist."""
        view = self.view_at(index)
        place = self._place(index, view)
        extent, in_view = self.extent, view.in_view
        centres = extent.centres()
        drivable = place.is_drivable(centres).reshape(extent.shape)
        in_sight = np.zeros(extent.shape, np.bool_)
        in_sight[in_view] = place.is_in_sight(centres[in_view.ravel()])
        cells = np.full(extent.shape, UNSEEN, np.int8)
        cells[in_sight] = np.where(drivable[in_sight], FREE, BLOCKED)
        boundary_m, feet_m = _walk(view, place)
        cells[extent.cells_of(feet_m)] = BLOCKED
        return MetricGroundTruth(
            GroundGrid(cells, extent.resolution_m, extent.x_min_m, extent.y_min_m),
            drivable,
            in_view,
            in_view & ~in_sight,
            boundary_m,
            feet_m,
        )

    def view_at(self, index: int) -> GroundInView:
        """Return what the camera has in view at a frame; computed again only if it has moved."""
        camera = self.scene.camera_at(index)
        if camera != self._view.camera:
            self._view = GroundInView(camera, self.extent)
        return self._view

    def _place(self, index: int, view: GroundInView) -> _Place:
        """Return the world around base_link, without what is too far to hide any of the grid."""
        snapshot, eye = self.scene.snapshot(index), self.scene.eye(index)
        reach_m = self.extent.farthest_m(view.foot_m) + _OVERHANG_M
        things = [
            thing
            for thing in snapshot.things
            if math.hypot(thing.x_m - eye[0], thing.y_m - eye[1])
            <= reach_m + math.hypot(thing.length_m, thing.width_m)
        ]
        solid = [thing for thing in things if not SHAPES[thing.shape].turns]
        return _Place(
            Snapshot(snapshot.road, tuple(things)),
            Snapshot(snapshot.road, tuple(solid)),
            self.scene.pose(index),
            eye,
            self._drivable,
        )


@dataclass(frozen=True, eq=False)
class _Place:
    """The world around base_link at one frame; points are of the ground, (..., 2) in metres.

    solid: the things with a foot of their own; what is flat and turns to the viewer has none.
    """

    snapshot: Snapshot
    solid: Snapshot
    pose: Pose
    eye: Floats
    drivable_kinds: Mask

    def is_drivable(self, points_m: Floats) -> Mask:
        """Return where one may drive, in sight or not."""
        world = self._world(points_m)
        x, y = world[:, 0], world[:, 1]
        fit = self.drivable_kinds[self.snapshot.road.kinds(x, y)]
        bare = self.solid.standing_on(x, y) == GROUND
        return np.asarray((fit & bare).reshape(points_m.shape[:-1]))

    def is_in_sight(self, points_m: Floats) -> Mask:
        """Return what nothing hides from the camera, were it in the image."""
        ahead = self._world(points_m) - self.eye
        hits = self.snapshot.cast(self.eye, ahead)
        return np.asarray(hits.things == GROUND).reshape(points_m.shape[:-1])

    def height_before(self, points_m: Floats) -> Floats:
        """Return how high above the ground the ray to a point is stopped, in metres."""
        ahead = self._world(points_m) - self.eye
        return np.asarray(self.eye[2] * (1 - self.snapshot.cast(self.eye, ahead).distance))

    def _world(self, points_m: Floats) -> Floats:
        flat = points_m.reshape(-1, 2)
        return self.pose.to_world(np.column_stack((flat, np.zeros(len(flat)))))


def _walk(view: GroundInView, place: _Place) -> tuple[Floats, Floats]:
    """Return boundary and feet, walking outward on every bearing."""
    share = np.linspace(0, 1, _SAMPLES)
    ranges_m = view.near_m[:, None] * (view.far_m / view.near_m)[:, None] ** share
    points = view.foot_m + ranges_m[..., None] * view.directions[:, None]
    in_sight = place.is_in_sight(points)
    free = in_sight & place.is_drivable(points)

    count = len(view.directions)
    all_free = free.all(axis=1)
    end = np.where(all_free, _SAMPLES - 1, free.argmin(axis=1))
    start = np.where(all_free, end, np.maximum(end - 1, 0))
    hidden_on, hidden_at = np.nonzero(in_sight[:, :-1] & ~in_sight[:, 1:])
    which = np.append(np.arange(count), hidden_on)
    low_m = ranges_m[which, np.append(start, hidden_at)]
    high_m = ranges_m[which, np.append(end, hidden_at + 1)]
    for _ in range(_HALVINGS):
        middle_m = (low_m + high_m) / 2
        middle = view.foot_m + middle_m[:, None] * view.directions[which]
        yes = place.is_in_sight(middle)
        yes[:count] &= place.is_drivable(middle[:count])
        low_m, high_m = np.where(yes, middle_m, low_m), np.where(yes, high_m, middle_m)
    found = view.foot_m + high_m[:, None] * view.directions[which]
    hidden = found[count:]
    return found[:count], hidden[place.height_before(hidden) <= _FOOT_M]
