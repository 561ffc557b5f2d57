# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How things are built from patches: one row per shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

from mfaranet_ros.scenes.images.catalog import FRONTS, PAINTS, RIDERS, TREES, WALKERS
from mfaranet_ros.scenes.images.vehicles import BONNET, NOSE, VAN_NOSE, VAN_SCREEN
from mfaranet_ros.scenes.patches import UP, Patch, Patches

Build = Callable[[float, float, float, int], list[Patch]]
"""From length, width, height (m) and variant to patches, front first."""

_VAN_PAINTS = (1, 2, 2, 3, 5)
_BUS_PAINTS = (4, 3, 2)
"""Numbers of vehicles.PAINTS."""

ROOF_PITCH = 0.75
"""How steep roofs are: rise per run."""


def _walls(
    length: float,
    width: float,
    height: float,
    images: tuple[str, str, str, str],
) -> list[Patch]:
    """Return the four sides of a box: front, left, back, right."""
    a, b = length / 2, width / 2
    corners = (
        ((a, -b, 0.0), (0.0, 1.0, 0.0), width),
        ((a, b, 0.0), (-1.0, 0.0, 0.0), length),
        ((-a, b, 0.0), (0.0, -1.0, 0.0), width),
        ((-a, -b, 0.0), (1.0, 0.0, 0.0), length),
    )
    return [
        Patch(corner, across, UP, (size, height), image=image)
        for (corner, across, size), image in zip(corners, images, strict=True)
    ]


def _slope(x: float, z: float, to_x: float, to_z: float, width: float, image: str) -> Patch:
    """Return a patch across the thing that rises from (x, z) to (to_x, to_z).

    It is seen from in front where it rises backwards, from behind where it rises forwards.
    """
    length = math.sqrt((to_x - x) ** 2 + (to_z - z) ** 2)
    up = ((to_x - x) / length, 0.0, (to_z - z) / length)
    sign = 1.0 if to_x < x else -1.0
    corner = (x, -sign * width / 2, z)
    return Patch(corner, (0.0, sign, 0.0), up, (width, length), image=image)


def _house(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return a terraced house: its front to the right of its direction, a roof along it."""
    front, wall = f'house_{variant % FRONTS}', f'wall_{variant % 6}'
    walls = _walls(length, width, height, (wall, wall, wall, front))
    rise = ROOF_PITCH * width / 2
    slant = math.sqrt(rise**2 + width**2 / 4)
    away, up = width / 2 / slant, rise / slant
    roof = f'roof_{variant % 2}'
    a, b = length / 2, width / 2
    gable = (b, b)
    return [
        *walls,
        Patch((-a, -b, height), (1.0, 0.0, 0.0), (0.0, away, up), (length, slant), image=roof),
        Patch((a, b, height), (-1.0, 0.0, 0.0), (0.0, -away, up), (length, slant), image=roof),
        Patch((a, -b, height), (0.0, 1.0, 0.0), UP, (width, rise), gable, image=wall),
        Patch((-a, b, height), (0.0, -1.0, 0.0), UP, (width, rise), gable, image=wall),
        *_chimney(a - 0.4, height + rise - 0.6, variant),
    ]


def _chimney(ahead: float, bottom: float, variant: int) -> list[Patch]:
    """Return the chimney at one end of a roof; every other house has one."""
    return [
        replace(part, corner=(part.corner[0] + ahead, part.corner[1], bottom))
        for part in _walls(0.6, 0.9, 1.6, ('wall_0', 'wall_0', 'wall_0', 'wall_0'))
        if variant % 2
    ]


def _block(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return a building with a flat roof."""
    front, wall = f'house_{variant % FRONTS}', f'wall_{variant % 6}'
    return _walls(length, width, height, (wall, wall, wall, front))


def _car(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return a hatchback: a body, a bonnet, and a cabin with slanted screens."""
    paint = variant % PAINTS
    a, waist = length / 2, height * 0.63
    nose = waist * (1 - NOSE)
    body = _walls(
        length,
        width,
        waist,
        (f'front_{paint}', f'side_left_{paint}', f'rear_{paint}', f'side_{paint}'),
    )
    body[0] = replace(body[0], size_m=(width, nose))
    foot, top = a - length * BONNET, a - length * 0.42
    back, end = -a, -a + length * 0.09
    front, rear = (foot - top) / (height - waist), (end - back) / (height - waist)
    lap = 0.02  # below the waist, so that no gap is seen
    rise, run = height - waist + lap, foot - back + lap * (front + rear)
    lean, b, low = (front * rise, rear * rise), width / 2, waist - lap
    left, right = f'cabin_left_{paint}', f'cabin_{paint}'
    return [
        *body,
        _slope(a, nose, foot, waist, width, f'lid_{paint}'),
        _slope(foot, waist, top, height, width, f'screen_{paint}'),
        _slope(back, waist, end, height, width, f'screen_{paint}'),
        Patch((foot + lap * front, b, low), (-1.0, 0.0, 0.0), UP, (run, rise), lean, left),
        Patch((back - lap * rear, -b, low), (1.0, 0.0, 0.0), UP, (run, rise), lean[::-1], right),
        Patch(
            (top, -b, height), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (2 * b, top - end),
            image=f'lid_{paint}',
        ),
    ]  # fmt: skip


def _van(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return a van: its bonnet and its screen are one slope, the side is cut to fit."""
    paint = _VAN_PAINTS[variant % len(_VAN_PAINTS)]
    a, nose = length / 2, height * (1 - VAN_SCREEN)
    images = (
        f'front_{paint}', f'van_side_left_{paint}', f'van_rear_{paint}', f'van_side_{paint}',
    )  # fmt: skip
    body = _walls(length, width, height, images)
    body[0] = replace(body[0], size_m=(width, nose))
    top = a - length * VAN_NOSE
    return [
        *body,
        _slope(a, nose, top, height, width, f'screen_{paint}'),
        Patch(
            (top, -width / 2, height), (0.0, 1.0, 0.0), (-1.0, 0.0, 0.0), (width, top + a),
            image=f'lid_{paint}',
        ),
    ]  # fmt: skip


def _bus(length: float, width: float, height: float, variant: int) -> list[Patch]:
    paint = _BUS_PAINTS[variant % len(_BUS_PAINTS)]
    images = (
        f'van_front_{paint}', f'bus_side_left_{paint}', f'van_rear_{paint}', f'bus_side_{paint}',
    )  # fmt: skip
    return _walls(length, width, height, images)


def _barrier(image: str) -> Build:
    """Return the shape of a wall, hedge or fence along its direction."""

    def build(length: float, width: float, height: float, variant: int) -> list[Patch]:
        return _walls(length, width, height, (image, image, image, image))

    return build


def _board(*images: str, slim: float = 0.0) -> Build:
    """Return the shape of what is flat and turns to the viewer.

    slim: its width as a share of its height; 0: it is as wide as its foot.
    """

    def build(length: float, width: float, height: float, variant: int) -> list[Patch]:
        name = images[variant % len(images)]
        wide = slim * height or width
        corner = (0.0, -wide / 2, 0.0)
        return [Patch(corner, (0.0, 1.0, 0.0), UP, (wide, height), image=name)]

    return build


def _people(name: str, count: int) -> Build:
    return _board(*(f'{name}_{number}' for number in range(count)), slim=0.375)


def _lamp(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return a street lamp, its arm to the right of its direction, seen along the road."""
    post = Patch((0.0, -0.07, 0.0), (0.0, 1.0, 0.0), UP, (0.14, height), image='pole')
    arm = Patch((0.0, -1.4, height - 0.2), (0.0, 1.0, 0.0), UP, (1.4, 0.12), image='pole')
    head = Patch((0.0, -1.9, height - 0.25), (0.0, 1.0, 0.0), UP, (0.6, 0.18), image='plain')
    return [part for front in (post, arm, head) for part in (front, _reverse(front))]


def _reverse(patch: Patch, image: str = '') -> Patch:
    """Return the other side of an upright patch."""
    x, y, z = patch.corner
    a, b, _ = patch.across
    corner = (x + a * patch.size_m[0], y + b * patch.size_m[0], z)
    return Patch(corner, (-a, -b, 0.0), patch.up, patch.size_m, patch.lean_m, image or patch.image)


def _sign(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return the plate of a sign, its lower edge at a height above people's heads."""
    name = ('round_sign', 'blue_sign', 'green_sign')[variant % 3]
    plate = Patch(
        (0.0, -width / 2, height - width), (0.0, 1.0, 0.0), UP, (width, width), image=name
    )
    return [plate, _reverse(plate, name if variant % 3 == 0 else 'sign_back')]


def _light(length: float, width: float, height: float, variant: int) -> list[Patch]:
    """Return the head of a traffic light, on top of its pole."""
    images = ('traffic_light', 'pole', 'pole', 'pole')
    size = 0.85
    box = _walls(length, width, size, images)
    return [
        Patch((*part.corner[:2], height - size), part.across, UP, part.size_m, image=part.image)
        for part in box
    ]


@dataclass(frozen=True)
class Shape:
    """How one kind of thing is built; turns: whether it always faces the viewer."""

    build: Build
    turns: bool = False


SHAPES = {
    'house': Shape(_house),
    'block': Shape(_block),
    'car': Shape(_car),
    'van': Shape(_van),
    'bus': Shape(_bus),
    'hedge': Shape(_barrier('hedge')),
    'garden_wall': Shape(_barrier('garden_wall')),
    'boards': Shape(_barrier('boards')),
    'railing': Shape(_barrier('railing')),
    'lamp': Shape(_lamp),
    'sign': Shape(_sign),
    'traffic_light': Shape(_light),
    'pole': Shape(_board('pole'), turns=True),
    'tree': Shape(_board(*(f'tree_{number}' for number in range(TREES)), slim=0.9), turns=True),
    'walker': Shape(_people('walker', WALKERS), turns=True),
    'rider': Shape(_people('rider', RIDERS), turns=True),
    'bicycle': Shape(_board('bicycle', slim=0.5), turns=True),
}


@cache
def patches_of(shape: str, length: float, width: float, height: float, variant: int) -> Patches:
    """Return the patches of a thing in its own frame."""
    return Patches.of(SHAPES[shape].build(length, width, height, variant))
