"""How things are built from patches: one row per shape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from mfaranet_ros.scenes.patches import UP, Patch, Patches


def _walls(
    length: float, width: float, height: float, picture: str, bottom: float = 0.0
) -> list[Patch]:
    """Return the four sides of a box: front, left, back, right."""
    a, b = length / 2, width / 2
    corners = (
        ((a, -b, bottom), (0.0, 1.0, 0.0), width),
        ((a, b, bottom), (-1.0, 0.0, 0.0), length),
        ((-a, b, bottom), (0.0, -1.0, 0.0), width),
        ((-a, -b, bottom), (1.0, 0.0, 0.0), length),
    )
    return [
        Patch(corner, across, UP, (size, height), picture=picture)
        for corner, across, size in corners
    ]


def _lid(length: float, width: float, height: float, picture: str) -> Patch:
    """Return the top of a box."""
    corner = (-length / 2, width / 2, height)
    return Patch(corner, (0.0, -1.0, 0.0), (1.0, 0.0, 0.0), (width, length), picture=picture)


def _box(length: float, width: float, height: float) -> list[Patch]:
    return [*_walls(length, width, height, 'plain'), _lid(length, width, height, 'plain')]


def _board(silhouette: str) -> Callable[[float, float, float], list[Patch]]:
    """Return the shape of what always turns its one side to the viewer."""

    def build(length: float, width: float, height: float) -> list[Patch]:
        corner = (0.0, -width / 2, 0.0)
        return [Patch(corner, (0.0, 1.0, 0.0), UP, (width, height), silhouette=silhouette)]

    return build


@dataclass(frozen=True)
class Shape:
    """How one kind of thing is built; turns: whether it always faces the viewer."""

    build: Callable[[float, float, float], list[Patch]]
    turns: bool = False


SHAPES = {
    'box': Shape(_box),
    'board': Shape(_board(''), turns=True),
    'person': Shape(_board('person'), turns=True),
    'tree': Shape(_board('crown'), turns=True),
}


@cache
def patches_of(shape: str, length: float, width: float, height: float) -> Patches:
    """Return the patches of a thing in its own frame."""
    return Patches.of(SHAPES[shape].build(length, width, height))
