# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Flat patches, of which the surfaces of all things are made, and where rays meet them.

A patch is a trapezoid in a plane, seen from one side, or what a cut-out leaves of it. Its own
coordinates are u along its lower edge and v at right angles to it, both in metres from its lower
left corner as seen from outside.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.images.catalog import image

Floats = NDArray[np.float64]
Vector = tuple[float, float, float]
Reals = Any
"""An array of single or of double precision; what is computed from it is of the same."""

UP = (0.0, 0.0, 1.0)
NEAREST = 1e-3
"""Nearer than this (as a multiple of the ray's direction) nothing is met."""


@dataclass(frozen=True)
class Patch:
    """One patch of a thing, in the thing's frame: x ahead, y to its left, z up from its foot.

    across, up: unit vectors at right angles; across x up points outwards. size_m: width and
    height. lean_m: how far the left and the right edge lean inwards towards the top.
    image: name of the image on it; where that is a cut-out, so is the patch.
    """

    corner: Vector
    across: Vector
    up: Vector
    size_m: tuple[float, float]
    lean_m: tuple[float, float] = (0.0, 0.0)
    image: str = 'plain'


@dataclass(frozen=True, eq=False)
class Patches:
    """Many patches in one frame, as arrays over them.

    corner, across, up: float64 (M, 3). size_m, lean_m: float64 (M, 2).
    thing: int64 (M,), to which thing each belongs. local: the patches they come from.
    """

    corner: Floats
    across: Floats
    up: Floats
    size_m: Floats
    lean_m: Floats
    thing: NDArray[np.int64]
    local: tuple[Patch, ...]

    @classmethod
    def of(cls, patches: Sequence[Patch]) -> Patches:
        """Return the patches of one thing as arrays, in its frame."""

        def column(name: str) -> Floats:
            return np.array([getattr(patch, name) for patch in patches], np.float64)

        return cls(
            corner=column('corner'),
            across=column('across'),
            up=column('up'),
            size_m=column('size_m'),
            lean_m=column('lean_m'),
            thing=np.zeros(len(patches), np.int64),
            local=tuple(patches),
        )

    def __len__(self) -> int:
        return len(self.local)

    def only(self, numbers: NDArray[np.int64]) -> Patches:
        """Return some of the patches."""
        return Patches(
            self.corner[numbers],
            self.across[numbers],
            self.up[numbers],
            self.size_m[numbers],
            self.lean_m[numbers],
            self.thing[numbers],
            tuple(self.local[number] for number in numbers.tolist()),
        )

    @property
    def normals(self) -> Floats:
        """What points outwards: float64 (M, 3), unit vectors."""
        a, b = self.across, self.up
        columns = [a[:, i] * b[:, j] - a[:, j] * b[:, i] for i, j in ((1, 2), (2, 0), (0, 1))]
        return np.column_stack(columns)


def _nothing() -> Patches:
    rows, pairs = np.zeros((0, 3)), np.zeros((0, 2))
    return Patches(rows, rows, rows, pairs, pairs, np.zeros(0, np.int64), ())


def placed(
    parts: Sequence[Patches], x: Floats, y: Floats, cosine: Floats, sine: Floats
) -> Patches:
    """Return the patches of several things in the world.

    parts: the patches of each thing. x, y, cosine, sine: position and direction of each thing in
    the world, float64 (T,).
    """
    parts = parts or [_nothing()]
    thing = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    cosine, sine = cosine[thing], sine[thing]

    def turned(name: str) -> Floats:
        ahead, aside, up = np.concatenate([getattr(part, name) for part in parts]).T
        columns = (ahead * cosine - aside * sine, ahead * sine + aside * cosine, up)
        return np.column_stack(columns)

    corner = turned('corner')
    corner[:, 0] += x[thing]
    corner[:, 1] += y[thing]
    return Patches(
        corner,
        turned('across'),
        turned('up'),
        np.concatenate([part.size_m for part in parts]),
        np.concatenate([part.lean_m for part in parts]),
        thing,
        tuple(patch for part in parts for patch in part.local),
    )


def no_warnings() -> np.errstate:
    """Return a context in which rays may run along planes."""
    return np.errstate(divide='ignore', invalid='ignore')


@dataclass(frozen=True, eq=False)
class Meeting:
    """The plane of one patch as seen from one origin, precomputed for intersecting rays.

    u_0, v_0: coordinates of the origin in the patch. mask: bool (H, W) of a cut-out, or None.
    """

    plane: tuple[float, float, float]
    across: tuple[float, float, float]
    up: tuple[float, float, float]
    u_0: float
    v_0: float
    width: float
    height: float
    lean: tuple[float, float]
    mask: NDArray[np.bool_] | None

    def range_m(self) -> float:
        """Return the distance of the middle of the patch."""
        u, v = self.width / 2 - self.u_0, self.height / 2 - self.v_0
        a, b, c = self.plane
        return math.sqrt(u * u + v * v + 1 / (a * a + b * b + c * c))

    def rays(self, x: Reals, y: Reals, z: Reals) -> tuple[Reals, Reals, Reals, NDArray[np.bool_]]:
        """Return distance, u, v and whether the patch is hit, for directions of any shape.

        Rays parallel to its plane never hit it; call it within `no_warnings`: they divide by zero.
        """
        distance = _dot(self.plane, x, y, z)
        np.divide(1, distance, out=distance)
        u = _dot(self.across, x, y, z)
        u *= distance
        u += self.u_0
        v = distance * (z if self.up[2] == 1 else _dot(self.up, x, y, z))
        v += self.v_0
        met = distance > NEAREST
        met &= v >= 0
        met &= v <= self.height
        left, right = self.lean
        if left or right:
            met &= u >= v * (left / self.height)
            met &= u <= self.width - v * (right / self.height)
        else:
            met &= u >= 0
            met &= u <= self.width
        if self.mask is not None:
            met &= _inside(self.mask, u * (1 / self.width), v * (1 / self.height))
        return distance, u, v, met


def _dot(vector: Vector, x: Reals, y: Reals, z: Reals) -> Reals:
    a, b, c = vector
    total = a * x
    total += b * y
    if c:
        total += c * z
    return total


def _inside(mask: NDArray[np.bool_], u: Reals, v: Reals) -> NDArray[np.bool_]:
    """Return the mask's values at shares of its width, and of its height from below."""
    height, width = mask.shape
    column = np.fmin(np.fmax(u * width, 0), width - 1).astype(np.int32)  # 0 where not a number
    row = np.fmin(np.fmax((1 - v) * height, 0), height - 1).astype(np.int32)
    return np.asarray(mask.ravel()[row * width + column])


def seen_from(patches: Patches, origin: Vector) -> Patches:
    """Return those patches whose outside faces the origin."""
    offset = _rows(patches.normals, patches.corner - origin)
    return patches.only(np.flatnonzero(offset < -NEAREST))


def meetings(patches: Patches, origin: Vector) -> list[Meeting]:
    """Return the planes of patches that are seen from the origin."""
    corner = patches.corner - origin
    normal = patches.normals
    rows = zip(
        (normal / _rows(normal, corner)[:, None]).tolist(),
        patches.across.tolist(),
        patches.up.tolist(),
        (-_rows(patches.across, corner)).tolist(),
        (-_rows(patches.up, corner)).tolist(),
        patches.size_m.tolist(),
        patches.lean_m.tolist(),
        patches.local,
        strict=True,
    )
    return [
        Meeting(plane, across, up, u, v, width, height, lean, image(local.image).mask)
        for plane, across, up, u, v, (width, height), lean, local in rows
    ]


def _rows(a: Floats, b: Floats) -> Floats:
    """Return the scalar products of rows, summed in a fixed order."""
    return np.asarray(a[:, 0] * b[:, 0] + a[:, 1] * b[:, 1] + a[:, 2] * b[:, 2])
