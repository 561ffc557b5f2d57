# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""All images in one array of packed colours, each also at decreasing sizes.

A colour is looked up by an integer, its address, so that one look-up paints a whole frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.images.catalog import IMAGES, image
from mfaranet_ros.scenes.images.image import Rgb
from mfaranet_ros.scenes.images.sky import sky
from mfaranet_ros.scenes.images.street import street

SMALLEST = 4
"""Length in texels of the shorter side below which an image is not reduced further."""

STREET_LEVELS = (8, 6)
"""Number of sizes of the street texture along and across; seen from low, it shrinks along."""

STREET_FLATTEST = 5
"""Largest difference between the numbers of halvings along and across."""


@dataclass(frozen=True)
class Page:
    """One image at one size: the address of its first texel, and its height and width."""

    start: int
    height: int
    width: int


@dataclass(frozen=True, eq=False)
class Atlas:
    """colors: uint32 (N,), red in the lowest byte. pages: sizes of each image, largest first.

    street: the page of each number of halvings along and across, [along, across].
    """

    colors: NDArray[np.uint32]
    pages: dict[str, tuple[Page, ...]]
    street: dict[tuple[int, int], Page]
    sky: Page


class _Binder:
    """Collects images into one array."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.uint32]] = []
        self._size = 0

    def add(self, rgb: Rgb) -> Page:
        part = packed(rgb)
        page = Page(self._size, *part.shape)
        self._parts.append(part.ravel())
        self._size += part.size
        return page

    def bound(self) -> NDArray[np.uint32]:
        return np.concatenate(self._parts)


@cache
def atlas() -> Atlas:
    """Return the atlas; drawing it takes about a second, once."""
    binder = _Binder()
    pages = {
        name: tuple(binder.add(rgb) for rgb in _smaller_and_smaller(image(name).rgb))
        for name in IMAGES
    }
    chance = generator(0, Purpose.TEXTURE, 0)
    streets = {levels: binder.add(rgb) for levels, rgb in _flatter_and_flatter(street(chance))}
    page = binder.add(sky(chance))
    return Atlas(binder.bound(), pages, streets, page)


def packed(rgb: Rgb) -> NDArray[np.uint32]:
    """Return colours, uint8 (..., 3), as one number each, uint32, red in the lowest byte."""
    red, green, blue = (rgb[..., i].astype(np.uint32) for i in range(3))
    return np.asarray(red | green << 8 | blue << 16)


def halved(rgb: Rgb, axis: int) -> Rgb:
    """Return an image (H, W, 3) of half the size along an axis, each texel the mean of two."""
    length = rgb.shape[axis] // 2
    first, second = (
        np.take(rgb, np.arange(length) * 2 + i, axis).astype(np.uint16) for i in range(2)
    )
    return np.asarray((first + second + 1) >> 1, np.uint8)


def _smaller_and_smaller(rgb: Rgb) -> Iterable[Rgb]:
    yield rgb
    while min(rgb.shape[:2]) >= 2 * SMALLEST:
        rgb = halved(halved(rgb, 0), 1)
        yield rgb


def _flatter_and_flatter(rgb: Rgb) -> Iterable[tuple[tuple[int, int], Rgb]]:
    most_along, most_across = STREET_LEVELS
    for across in range(most_across):
        flat = rgb
        for along in range(across, min(most_along, across + STREET_FLATTEST + 1)):
            yield (along, across), flat
            flat = halved(flat, 1)
        rgb = halved(halved(rgb, 0), 1)
