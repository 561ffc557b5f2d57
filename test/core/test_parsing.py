# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML, JSON and numbers of others are values, or refused."""

import pytest

from mfaranet_ros.core import parsing
from mfaranet_ros.core.parsing import parse_count, parse_json, parse_yaml


def test_values_are_read():
    assert parse_yaml(b'a: [1, &x {b: 2}, *x]') == {'a': [1, {'b': 2}, {'b': 2}]}
    assert parse_json('{"a": [1, null]}') == {'a': [1, None]}


@pytest.mark.parametrize('parse', [parse_yaml, parse_json])
@pytest.mark.parametrize('text', [b'\xff', '[' * 1000, '[1, '])
def test_what_is_broken_is_one_line(parse, text):
    with pytest.raises(ValueError, match=r'\S') as raised:
        parse(text)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('text', [
    'a: 2023-99-99', 'a: !!int x', 'a: !!bool x', 'a: !!timestamp x', '!!python/name:os.system',
    '{[1]: 2}', 'a: &a [*a]',
])  # fmt: skip
def test_odd_yaml_is_refused(text):
    with pytest.raises(ValueError, match=r'\S'):
        parse_yaml(text)


@pytest.mark.parametrize(
    ('text', 'number'),
    [('7', 7), (' 255 ', 255), ('256', None), ('9' * 5000, None), ('-1', None), ('²', None),
     ('', None), ('1.0', None)],
)  # fmt: skip
def test_counts(text, number):
    assert parse_count(text, 255) == number


def test_more_values_than_allowed_are_refused(monkeypatch):
    monkeypatch.setattr(parsing, 'MAX_VALUES', 20)
    assert len(parse_yaml(f'[{"1, " * 19}]')) == 19
    with pytest.raises(ValueError, match='stands for more than 20 values'):
        parse_yaml(f'[{"1, " * 20}]')
