# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a place in the world is, and which class of each label set that is."""

from __future__ import annotations

import enum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import get_label_set


class Kind(enum.IntEnum):
    """What a ray of light meets in the world; the first four lie flat on the ground."""

    ROAD = 0
    MARKING = 1
    PAVEMENT = 2
    GRASS = 3
    SKY = 4
    BUILDING = 5
    WALL = 6
    FENCE = 7
    POLE = 8
    TRAFFIC_LIGHT = 9
    SIGN = 10
    TREE = 11
    PERSON = 12
    RIDER = 13
    CAR = 14
    TRUCK = 15
    BUS = 16
    BICYCLE = 17


_NAMES: dict[str, dict[Kind, str]] = {
    'camvid': {
        Kind.ROAD: 'Road',
        Kind.MARKING: 'Road',
        Kind.PAVEMENT: 'Pavement',
        Kind.GRASS: 'Tree',
        Kind.SKY: 'Sky',
        Kind.BUILDING: 'Building',
        Kind.WALL: 'Building',
        Kind.FENCE: 'Fence',
        Kind.POLE: 'Pole',
        Kind.TRAFFIC_LIGHT: 'SignSymbol',
        Kind.SIGN: 'SignSymbol',
        Kind.TREE: 'Tree',
        Kind.PERSON: 'Pedestrian',
        Kind.RIDER: 'Bicyclist',
        Kind.CAR: 'Car',
        Kind.TRUCK: 'Car',
        Kind.BUS: 'Car',
        Kind.BICYCLE: 'Bicyclist',
    },
    'cityscapes': {
        Kind.ROAD: 'road',
        Kind.MARKING: 'road',
        Kind.PAVEMENT: 'sidewalk',
        Kind.GRASS: 'terrain',
        Kind.SKY: 'sky',
        Kind.BUILDING: 'building',
        Kind.WALL: 'wall',
        Kind.FENCE: 'fence',
        Kind.POLE: 'pole',
        Kind.TRAFFIC_LIGHT: 'traffic light',
        Kind.SIGN: 'traffic sign',
        Kind.TREE: 'vegetation',
        Kind.PERSON: 'person',
        Kind.RIDER: 'rider',
        Kind.CAR: 'car',
        Kind.TRUCK: 'truck',
        Kind.BUS: 'bus',
        Kind.BICYCLE: 'bicycle',
    },
}
"""Classes as the datasets' own annotators use them: grass of CamVid belongs to its trees."""

LABEL_SETS = tuple(_NAMES)


@cache
def label_table(label_set: str) -> NDArray[np.uint8]:
    """Return the class id of each kind: uint8 (256,), read-only; raises UnknownNameError."""
    if label_set not in _NAMES:
        raise UnknownNameError('label set of the scene', label_set, _NAMES)
    ids = get_label_set(label_set).names
    table = np.full(256, UNLABELED, np.uint8)
    for kind, name in _NAMES[label_set].items():
        table[kind] = ids.index(name)
    table.flags.writeable = False
    return table
