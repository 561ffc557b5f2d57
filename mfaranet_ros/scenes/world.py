# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One world, made from a seed: its road, what stands beside it, and what moves along it.

A snapshot is the world at one moment, near one place: what rays meet in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.scenes.kinds import Kind
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.patches import (
    Floats,
    Meeting,
    Patches,
    Vector,
    meetings,
    no_warnings,
    placed,
    seen_from,
)
from mfaranet_ros.scenes.road import FAR_M, Road
from mfaranet_ros.scenes.shapes import SHAPES, patches_of
from mfaranet_ros.scenes.things import Thing
from mfaranet_ros.scenes.town import LOT_M, Town
from mfaranet_ros.scenes.traffic import Traffic

GROUND, SKY = -1, -2
"""What `Hits.things` holds where no thing is met."""


@dataclass(frozen=True, eq=False)
class Hits:
    """What rays meet first.

    kinds: uint8 (N,), a `Kind` each. distance: float64 (N,), as a multiple of the ray's
    direction, infinite in the sky. things: int32 (N,), index in `Snapshot.things`, GROUND or SKY.
    """

    kinds: NDArray[np.uint8]
    distance: Floats
    things: NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The ground and the things near one place at one moment."""

    road: Road
    things: tuple[Thing, ...]

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """The kinds of the things: uint8 (T,)."""
        return np.array([thing.kind for thing in self.things], np.uint8)

    def poses(self, x: float, y: float) -> Floats:
        """Return x, y, cosine and sine of each thing, as seen from above a place: (T, 4)."""
        poses = np.array([thing.pose for thing in self.things], np.float64).reshape(-1, 4)
        turns = np.array([SHAPES[thing.shape].turns for thing in self.things], np.bool_)
        ahead, aside = x - poses[:, 0], y - poses[:, 1]
        turns &= (ahead != 0) | (aside != 0)
        length = np.sqrt(ahead * ahead + aside * aside)
        poses[turns, 2] = ahead[turns] / length[turns]
        poses[turns, 3] = aside[turns] / length[turns]
        return poses

    @cached_property
    def parts(self) -> list[Patches]:
        """The patches of each thing, in its own frame."""
        return [patches_of(thing.shape, *thing.size_m, thing.variant) for thing in self.things]

    def cast(self, origin: ArrayLike, directions: ArrayLike) -> Hits:
        """Return what rays meet first.

        origin: (3,), above the ground. directions: (N, 3) of any length, world frame. What is
        painted and what is measured comes from the same surfaces, so the two cannot disagree.
        """
        eye = _vector(origin)
        x, y, z = np.asarray(directions, np.float64).reshape(-1, 3).T
        distance = np.full(x.shape, np.inf)
        below = z < 0
        distance[below] = -eye[2] / z[below]
        things = np.where(below, GROUND, SKY).astype(np.int32)
        lengths = np.sqrt(x * x + y * y + z * z)
        patches = seen_from(placed(self.parts, *self.poses(eye[0], eye[1]).T), eye)
        for number, meeting in enumerate(meetings(patches, eye)):
            near = np.flatnonzero(_towards(meeting, x, y, z, lengths))
            with no_warnings():
                far, _, _, met = meeting.rays(x[near], y[near], z[near])
            met &= far < distance[near]
            distance[near[met]] = far[met]
            things[near[met]] = patches.thing[number]
        kinds = np.full(x.shape, Kind.SKY, np.uint8)
        kinds[things >= 0] = self.kinds[things[things >= 0]]
        on_ground = things == GROUND
        reach = np.minimum(distance[on_ground], FAR_M / lengths[on_ground])
        kinds[on_ground] = self.road.kinds(
            eye[0] + reach * x[on_ground], eye[1] + reach * y[on_ground]
        )
        return Hits(kinds, distance, things)

    def standing_on(self, x: Floats, y: Floats) -> NDArray[np.int32]:
        """Return the thing on each place of the ground, or GROUND: int32, any shape."""
        found = np.full(np.shape(x), GROUND, np.int32)
        for number, thing in enumerate(self.things):
            found[thing.covers(x, y)] = number
        return found


def _vector(values: ArrayLike) -> Vector:
    x, y, z = np.asarray(values, np.float64).tolist()
    return x, y, z


def _towards(
    meeting: Meeting, x: Floats, y: Floats, z: Floats, lengths: Floats
) -> NDArray[np.bool_]:
    """Return which rays go anywhere near a patch: those that pass the ball around it."""
    u, v = meeting.width / 2 - meeting.u_0, meeting.height / 2 - meeting.v_0
    plane = np.array(meeting.plane)
    middle = u * np.array(meeting.across) + v * np.array(meeting.up)
    middle += plane / float(plane @ plane)
    radius = (meeting.width**2 + meeting.height**2) / 4 * 1.001
    clear = meeting.range_m() ** 2 - radius
    if clear <= 0:
        return np.ones(x.shape, np.bool_)
    a, b, c = middle.tolist()
    return np.asarray(a * x + b * y + c * z >= math.sqrt(clear) * lengths)


RADIUS_M = 130.0
"""Distance along the road, ahead and behind, within which there are things."""


class World:
    """A road through a town, endless as far as a scene sees of it, and without state.

    Raises ConfigError for a seed below 0.
    """

    def __init__(self, seed: int = 0, options: SceneOptions | None = None) -> None:
        if type(seed) is not int or seed < 0:
            raise ConfigError(f'seed {seed!r}: must be an integer, 0 or more')
        self.seed = seed
        self.options = options or SceneOptions()
        length = self.options.speed_mps * self.options.duration_s
        self.road = Road(seed, self.options.curvature, length)
        self._lot = lru_cache(maxsize=1024)(Town(seed, self.options, self.road).lot)
        self._traffic = Traffic(seed, self.options, self.road)

    @property
    def lane_sign(self) -> int:
        """1 where the ego drives left of the middle, -1 where right."""
        return 1 if self.options.side == 'left' else -1

    def snapshot(self, time_s: float, s: float) -> Snapshot:
        """Return what there is at a time (from the start of the scene) around a place s."""
        first, last = (math.floor((s + end * RADIUS_M) / LOT_M) for end in (-1, 1))
        standing = (
            thing
            for lot in range(first, last + 1)
            for side in (1, -1)
            for thing in self._lot(lot, side)
        )
        return Snapshot(self.road, (*standing, *self._traffic.near(time_s, s, RADIUS_M)))
