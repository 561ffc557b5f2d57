# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every image by its name, each drawn once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from zlib import crc32

import numpy as np

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.images import furniture, houses, people, plants, vehicles
from mfaranet_ros.scenes.images.image import Color, Image, blank

Draw = Callable[[np.random.Generator], Image]
DrawPart = Callable[[np.random.Generator, Color], Image]

FRONTS = 16
WALKERS, RIDERS, TREES = 16, 4, 8
"""Of people on foot, every two images are two steps of one person."""

PAINTS = len(vehicles.PAINTS)


def _front(number: int) -> Draw:
    """Return how one front is drawn: its wall, its use and its storeys all differ."""

    def draw(chance: np.random.Generator) -> Image:
        if number % 2:
            color = houses.BRICK[number // 2 % len(houses.BRICK)]
            wall = houses.bricks(chance, color)
        else:
            color = houses.RENDER[number // 2 % len(houses.RENDER)]
            wall = houses.rendered(chance, color)
        build = (houses.home, houses.shop, houses.home, houses.office)[number // 2 % 4]
        return build(chance, wall, 2 if number % 3 == 0 else 3)

    return draw


def _wall(number: int) -> Draw:
    color = (*houses.BRICK, *houses.RENDER)[number]
    return lambda chance: houses.side(chance, houses.bricks(chance, color))


def _walker(number: int) -> Draw:
    def draw(_: np.random.Generator) -> Image:
        person = generator(0, Purpose.TEXTURE, 2, number // 2)
        return people.walker(person, stride=0.11 * (number % 2))

    return draw


def _cars() -> dict[str, Draw]:
    sides = {
        'side': vehicles.body_side,
        'cabin': vehicles.cabin_side,
        'van_side': vehicles.van_side,
        'bus_side': vehicles.bus_side,
    }
    parts = {
        **sides,
        **{f'{name}_left': _mirrored(draw) for name, draw in sides.items()},
        'front': vehicles.body_front,
        'rear': vehicles.body_rear,
        'screen': vehicles.screen,
        'lid': vehicles.lid,
        'van_front': vehicles.van_front,
        'van_rear': vehicles.van_rear,
    }
    return {
        f'{part}_{number}': _painted(draw, color)
        for part, draw in parts.items()
        for number, color in enumerate(vehicles.PAINTS)
    }


def _painted(draw: DrawPart, color: Color) -> Draw:
    return lambda chance: draw(chance, color)


def _mirrored(draw: DrawPart) -> DrawPart:
    """Return how a side is drawn on the left of a car, where its front is to the left."""
    return lambda chance, color: draw(chance, color).mirrored()


IMAGES: dict[str, Draw] = {
    'plain': lambda chance: Image(blank(8, 8, (120, 120, 120))),
    **{f'house_{number}': _front(number) for number in range(FRONTS)},
    **{f'wall_{number}': _wall(number) for number in range(6)},
    'roof_0': partial(houses.roof, color=(74, 78, 86)),
    'roof_1': partial(houses.roof, color=(110, 72, 58)),
    **_cars(),
    **{f'walker_{number}': _walker(number) for number in range(WALKERS)},
    **{f'rider_{number}': people.rider for number in range(RIDERS)},
    'bicycle': people.bicycle,
    **{f'tree_{number}': plants.bare for number in range(0, TREES, 2)},
    **{
        f'tree_{number}': partial(plants.leafy, color=plants.LEAVES[number // 2 % 3])
        for number in range(1, TREES, 2)
    },
    'hedge': plants.hedge,
    'pole': furniture.pole,
    'round_sign': furniture.round_sign,
    'blue_sign': partial(furniture.board_sign, color=(30, 60, 130)),
    'green_sign': partial(furniture.board_sign, color=(24, 84, 60)),
    'sign_back': furniture.sign_back,
    'traffic_light': furniture.traffic_light,
    'railing': furniture.railing,
    'boards': furniture.boards,
    'garden_wall': partial(furniture.garden_wall, color=(112, 84, 68)),
}
"""How each is drawn; a thing names its images by these names."""


@cache
def image(name: str) -> Image:
    """Return an image by its name; it does not depend on which were drawn before."""
    return IMAGES[name](generator(0, Purpose.TEXTURE, 1, crc32(name.encode())))
