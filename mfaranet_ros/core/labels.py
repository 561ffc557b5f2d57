# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Label sets: what each class id of a network means, its colour, and its role on the road.

The drivable area, the grid and the evaluation look at roles only, so they work with every label
set. Ids are the positions in the tables below; 255 is unlabeled in every set. Roles are our
judgement: what a road vehicle may drive on is drivable, other flat surfaces are ground, what it
could hit is an obstacle, the rest is background. In doubt a class is an obstacle.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.registry import Registry

Color = tuple[int, int, int]
"""Red, green and blue, each 0 to 255."""


MAX_CLASSES = UNLABELED
"""Largest number of classes that fit into an 8-bit mask beside 255 for unlabeled pixels."""


class Role(enum.IntEnum):
    """The meaning of a class for a road vehicle."""

    UNLABELED = 0
    DRIVABLE = 1
    GROUND = 2
    OBSTACLE = 3
    BACKGROUND = 4


ROLE_COLORS: dict[Role, Color] = {
    Role.UNLABELED: (0, 0, 0),
    Role.DRIVABLE: (0, 170, 70),
    Role.GROUND: (240, 200, 40),
    Role.OBSTACLE: (220, 40, 40),
    Role.BACKGROUND: (110, 110, 110),
}
"""Drivable green, ground yellow, obstacle red, background grey, unlabeled black."""


@dataclass(frozen=True)
class LabelClass:
    """One class: its id in the masks, its name in the dataset, its colour and its role."""

    id: int
    name: str
    color: Color
    role: Role


@dataclass(frozen=True)
class LabelSet:
    """The classes of one dataset, in the order of their ids.

    Raises ConfigError unless the ids are 0, 1, 2 ... in order, at most MAX_CLASSES.
    """

    name: str
    classes: tuple[LabelClass, ...]

    def __post_init__(self) -> None:
        ids = [entry.id for entry in self.classes]
        if ids != list(range(len(ids))) or not 1 <= len(ids) <= MAX_CLASSES:
            raise ConfigError(
                f'label set {self.name!r}: the ids are {ids}, but must be 0, 1, 2 ... in order, '
                f'{MAX_CLASSES} classes at most'
            )

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The class names in the order of their ids."""
        return tuple(entry.name for entry in self.classes)

    @cached_property
    def palette(self) -> NDArray[np.uint8]:
        """The colour of each mask value: uint8 (256, 3) RGB, read-only, black where unlabeled."""
        return _table([entry.color for entry in self.classes], (256, 3))

    @cached_property
    def role_palette(self) -> NDArray[np.uint8]:
        """The colour of each mask value's role: uint8 (256, 3) RGB, read-only."""
        return _table([ROLE_COLORS[entry.role] for entry in self.classes], (256, 3))

    @cached_property
    def roles(self) -> NDArray[np.uint8]:
        """The `Role` of each mask value: uint8 (256,), read-only."""
        return _table([entry.role for entry in self.classes], (256,))


def _table(rows: Iterable[int] | Iterable[Color], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    values = np.array(list(rows), np.uint8)
    table = np.zeros(shape, np.uint8)
    table[: len(values)] = values
    table.flags.writeable = False
    return table


def _label_set(name: str, *rows: tuple[str, Color, Role]) -> LabelSet:
    return LabelSet(name, tuple(LabelClass(i, *row) for i, row in enumerate(rows)))


CITYSCAPES = _label_set(
    'cityscapes',
    ('road', (128, 64, 128), Role.DRIVABLE),
    ('sidewalk', (244, 35, 232), Role.GROUND),
    ('building', (70, 70, 70), Role.BACKGROUND),
    ('wall', (102, 102, 156), Role.OBSTACLE),
    ('fence', (190, 153, 153), Role.OBSTACLE),
    ('pole', (153, 153, 153), Role.OBSTACLE),
    ('traffic light', (250, 170, 30), Role.OBSTACLE),
    ('traffic sign', (220, 220, 0), Role.OBSTACLE),
    ('vegetation', (107, 142, 35), Role.BACKGROUND),
    ('terrain', (152, 251, 152), Role.GROUND),
    ('sky', (70, 130, 180), Role.BACKGROUND),
    ('person', (220, 20, 60), Role.OBSTACLE),
    ('rider', (255, 0, 0), Role.OBSTACLE),
    ('car', (0, 0, 142), Role.OBSTACLE),
    ('truck', (0, 0, 70), Role.OBSTACLE),
    ('bus', (0, 60, 100), Role.OBSTACLE),
    ('train', (0, 80, 100), Role.OBSTACLE),
    ('motorcycle', (0, 0, 230), Role.OBSTACLE),
    ('bicycle', (119, 11, 32), Role.OBSTACLE),
)
"""The 19 train ids of Cityscapes, with the colours of the dataset's own label table
(Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016)."""

CAMVID = _label_set(
    'camvid',
    ('Sky', (128, 128, 128), Role.BACKGROUND),
    ('Building', (128, 0, 0), Role.BACKGROUND),
    ('Pole', (192, 192, 128), Role.OBSTACLE),
    ('Road', (128, 64, 128), Role.DRIVABLE),
    ('Pavement', (0, 0, 192), Role.GROUND),
    ('Tree', (128, 128, 0), Role.BACKGROUND),
    ('SignSymbol', (192, 128, 128), Role.OBSTACLE),
    ('Fence', (64, 64, 128), Role.OBSTACLE),
    ('Car', (64, 0, 128), Role.OBSTACLE),
    ('Pedestrian', (64, 64, 0), Role.OBSTACLE),
    ('Bicyclist', (0, 128, 192), Role.OBSTACLE),
)
"""The 11 classes of CamVid in the order that SegNet made common, with the colours of the dataset's
own label list (Brostow, Fauqueur and Cipolla, Semantic Object Classes in Video, 2009)."""


def _voc_color(index: int) -> Color:
    """Return one entry of the PASCAL VOC colour map: the bits of the index, dealt to R, G, B."""
    red = green = blue = 0
    for bit in range(3):
        red |= (index >> (3 * bit) & 1) << (7 - bit)
        green |= (index >> (3 * bit + 1) & 1) << (7 - bit)
        blue |= (index >> (3 * bit + 2) & 1) << (7 - bit)
    return red, green, blue


_PASCAL_CONTEXT_ROLES = {
    Role.DRIVABLE: {'road'},
    Role.GROUND: {'floor', 'grass', 'ground', 'platform', 'sidewalk', 'snow', 'track'},
    Role.BACKGROUND: {
        'building', 'ceiling', 'curtain', 'door', 'mountain', 'sky', 'tree', 'wall', 'window',
    },
}  # fmt: skip

_PASCAL_CONTEXT_NAMES = (
    'aeroplane', 'bag', 'bed', 'bedclothes', 'bench', 'bicycle', 'bird', 'boat', 'book', 'bottle',
    'building', 'bus', 'cabinet', 'car', 'cat', 'ceiling', 'chair', 'cloth', 'computer', 'cow',
    'cup', 'curtain', 'dog', 'door', 'fence', 'floor', 'flower', 'food', 'grass', 'ground',
    'horse', 'keyboard', 'light', 'motorbike', 'mountain', 'mouse', 'person', 'plate', 'platform',
    'pottedplant', 'road', 'rock', 'sheep', 'shelves', 'sidewalk', 'sign', 'sky', 'snow', 'sofa',
    'table', 'track', 'train', 'tree', 'truck', 'tvmonitor', 'wall', 'water', 'window', 'wood',
)  # fmt: skip


def _pascal_context_role(name: str) -> Role:
    found = (role for role, names in _PASCAL_CONTEXT_ROLES.items() if name in names)
    return next(found, Role.OBSTACLE)


PASCAL_CONTEXT = _label_set(
    'pascal_context',
    *(
        (name, _voc_color(index), _pascal_context_role(name))
        for index, name in enumerate(_PASCAL_CONTEXT_NAMES, start=1)
    ),
)
"""The 59 most frequent classes of PASCAL-Context, in alphabetical order as is customary. The
dataset has no colours of its own; these are entries 1 to 59 of the PASCAL VOC colour map
(Mottaghi et al., The Role of Context for Object Detection and Semantic Segmentation, CVPR 2014;
Everingham et al., The PASCAL VOC development kit)."""

_LABEL_SETS: Registry[LabelSet] = Registry('label set')
for _entry in (CAMVID, CITYSCAPES, PASCAL_CONTEXT):
    _LABEL_SETS[_entry.name] = _entry


def register_label_set(label_set: LabelSet) -> LabelSet:
    """Make a label set available under its name, to weights files and settings; return it.

    Raises ConfigError if another label set has this name.
    """
    if _LABEL_SETS.get(label_set.name) != label_set:
        _LABEL_SETS[label_set.name] = label_set
    return label_set


def list_label_sets() -> list[str]:
    """Return the names of all label sets, sorted."""
    return sorted(_LABEL_SETS)


def get_label_set(name: str) -> LabelSet:
    """Return a label set by its name; raises UnknownNameError with the nearest names."""
    return _LABEL_SETS[name]
