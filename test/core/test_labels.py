# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The label sets: tables that agree with themselves, their datasets and the roles on the road."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import (
    ROLE_COLORS,
    LabelClass,
    LabelSet,
    Role,
    get_label_set,
    list_label_sets,
)

SIZES = {'camvid': 11, 'cityscapes': 19, 'pascal_context': 59}
IN_THE_WAY = (
    'person', 'pedestrian', 'rider', 'bicyclist', 'car', 'truck', 'bus', 'train', 'motorcycle',
    'motorbike', 'bicycle', 'pole', 'fence', 'horse', 'cow', 'sheep', 'dog',
    'boat', 'water', 'bench',
)  # fmt: skip

every_set = pytest.mark.parametrize('label_set', [get_label_set(n) for n in list_label_sets()])


def test_the_sets_are_listed_in_order():
    assert list_label_sets() == sorted(SIZES)
    assert {name: len(get_label_set(name)) for name in list_label_sets()} == SIZES


def test_an_unknown_set_names_the_nearest():
    with pytest.raises(UnknownNameError, match=r"label set 'citiscapes': .*'cityscapes'"):
        get_label_set('citiscapes')


@every_set
def test_names_and_colours_are_told_apart(label_set):
    assert len(set(label_set.names)) == len(label_set)
    assert [entry.id for entry in label_set.classes] == list(range(len(label_set)))
    colors = [entry.color for entry in label_set.classes]
    assert len(set(colors)) == len(colors)
    assert (0, 0, 0) not in colors
    assert all(0 <= part <= 255 for color in colors for part in color)


@every_set
def test_tables_hold_what_the_classes_say(label_set):
    count = len(label_set)
    for table, shape in (
        (label_set.palette, (256, 3)),
        (label_set.role_palette, (256, 3)),
        (label_set.roles, (256,)),
    ):
        assert (table.shape, table.dtype) == (shape, np.uint8)
        assert not table[count:].any()
        with pytest.raises(ValueError, match='read-only'):
            table[0] = 1
    for entry in label_set.classes:
        assert tuple(label_set.palette[entry.id]) == entry.color
        assert tuple(label_set.role_palette[entry.id]) == ROLE_COLORS[entry.role]
        assert Role(label_set.roles[entry.id]) is entry.role
    assert Role(label_set.roles[UNLABELED]) is Role.UNLABELED


@every_set
def test_roles_are_those_of_a_road(label_set):
    roles = {entry.name.lower(): entry.role for entry in label_set.classes}
    assert [name for name, role in roles.items() if role is Role.DRIVABLE] == ['road']
    assert roles['sky'] is roles['building'] is Role.BACKGROUND
    assert roles.get('sidewalk', roles.get('pavement')) is Role.GROUND
    assert Role.UNLABELED not in roles.values()
    found = [name for name in IN_THE_WAY if name in roles]
    assert len(found) >= 4
    assert {roles[name] for name in found} == {Role.OBSTACLE}


def test_role_colours_look_like_what_they_mean():
    red, green, _ = ROLE_COLORS[Role.DRIVABLE]
    assert green > 2 * red
    red, green, _ = ROLE_COLORS[Role.OBSTACLE]
    assert red > 2 * green
    assert set(ROLE_COLORS) == set(Role)


def test_camvid_ids_are_those_of_the_labels():
    readme = Path(__file__).resolve().parents[3] / 'shared' / 'camvid' / 'README.md'
    if not readme.exists():
        pytest.skip(f'{readme} is not here')
    told = re.findall(r'(\d+) ([A-Z]\w+)', readme.read_text().split('class ids:')[1])
    assert {int(i): name for i, name in told} == dict(enumerate(get_label_set('camvid').names))


def test_cityscapes_ids_are_the_train_ids():
    names = get_label_set('cityscapes').names
    assert [names.index(name) for name in ('road', 'pole', 'sky', 'car', 'bicycle')] == [
        0, 5, 10, 13, 18,
    ]  # fmt: skip


@pytest.mark.parametrize('ids', [(), (1, 2), (0, 0), (1, 0), tuple(range(256))], ids=len)
def test_ids_with_gaps_are_refused(ids):
    classes = tuple(LabelClass(i, str(i), (1, 2, 3), Role.GROUND) for i in ids)
    with pytest.raises(ConfigError, match='0, 1, 2'):
        LabelSet('x', classes)
