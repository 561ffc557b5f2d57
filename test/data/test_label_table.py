# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tables between label sets: what they say, and one clear line for each that is wrong."""

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.data.label_table import (
    LabelCodes,
    identity_table,
    parse_table,
    read_table,
)

TEXT = """
# a comment
0 : 0            # one class
1 : 8, terrain   # two, one by its name
2 : 9,8
3 : 13
4 : car
5 :
255 :
"""


def table(text=TEXT, label_set=CITYSCAPES):
    return parse_table(text.splitlines(), label_set, 'x.txt')


def test_rows_are_read():
    allowed = {0: (0,), 1: (8, 9), 2: (8, 9), 3: (13,), 4: (13,), 5: (), 255: ()}
    assert table().allowed == allowed


def test_sets_are_named_once_and_merged_ids_are_told():
    assert table().sets == ((8, 9),)
    assert table().merged() == {13: (3, 4)}


def test_void_needs_no_row():
    assert table('0 : 1').allowed[255] == ()


def test_a_file_is_read(tmp_path):
    path = tmp_path / 'table.txt'
    path.write_text(TEXT)
    assert read_table(path, CITYSCAPES).allowed == table().allowed


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('0 road', "line 1: '0 road' is no row"),
        ('x : 0', 'is no row'),
        ('256 : 0', 'from 0 to 255'),
        ('0 : 0\n\n0 : 1', 'line 3: id 0 has a row already'),
        ('0 : 19', "line 1: unknown class of cityscapes '19'"),
        ('0 : roda', "did you mean 'road'"),
        ('0 : 0\n255 : 1', 'id 255 is void'),
        ('0 :\n1 :', 'gives no id a class'),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, message):
    with pytest.raises(ConfigError, match=message) as error:
        table(text)
    assert str(error.value).startswith('table x.txt')
    assert '\n' not in str(error.value)


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(ConfigError, match='cannot be read'):
        read_table(tmp_path / 'nowhere.txt', CITYSCAPES)


def test_codes_are_classes_and_then_sets():
    other = parse_table(['7 : 11,12', '8 : 8,9'], CITYSCAPES, 'y.txt')
    codes = LabelCodes.of(CITYSCAPES, [table(), other])
    assert codes.sets == ((8, 9), (11, 12))
    assert len(codes) == 21
    assert codes.encode(table())[[0, 1, 2, 3, 4, 5, 6, 255]].tolist() == [
        0, 19, 19, 13, 13, 255, 255, 255,
    ]  # fmt: skip
    assert codes.encode(other)[[7, 8]].tolist() == [20, 19]
    assert codes.describe(20) == 'person or rider'
    assert np.array_equal(codes.members[:19], np.eye(19, dtype=bool))
    assert np.flatnonzero(codes.members[19]).tolist() == [8, 9]


def test_own_ids_are_their_own_codes():
    codes = LabelCodes(CAMVID)
    lookup = codes.encode(identity_table(CAMVID))
    assert lookup[:11].tolist() == list(range(11))
    assert set(lookup[11:]) == {255}


def test_sets_that_are_none_or_too_many():
    with pytest.raises(ConfigError, match='no set of several classes'):
        LabelCodes(CAMVID, ((3,),))
    with pytest.raises(ConfigError, match='no set of several classes'):
        LabelCodes(CAMVID, ((3, 11),))
    many = tuple((a, b, c) for a in range(11) for b in range(a) for c in range(b))
    with pytest.raises(ConfigError, match='8 bits'):
        LabelCodes(CAMVID, (*many, *many[:100]))
