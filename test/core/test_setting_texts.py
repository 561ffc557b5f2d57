# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings written as text: every one of them can be given, and what is wrong is refused."""

from __future__ import annotations

import pytest

from mfaranet_ros.core.config import PipelineConfig, settings_of
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.settings import parse_boolean, parse_settings, parse_value

SETTINGS = {setting.name: setting for setting in settings_of(PipelineConfig)}


@pytest.mark.parametrize('setting', SETTINGS.values(), ids=SETTINGS)
def test_a_default_written_as_text_is_read_again(setting):
    text = str(setting.default)
    value = parse_value(setting, text)
    assert value == setting.default
    assert type(value) is type(setting.default)


@pytest.mark.parametrize('text', ['2,4', '[2, 4]', '(2,4)', ' 2 , 4 '])
def test_a_list_may_be_written_in_several_ways(text):
    assert parse_settings([f'model.scales={text}'], PipelineConfig) == {'model.scales': (2, 4)}


@pytest.mark.parametrize('text', ['1,2@64x96 2', "['1,2@64x96', '2']", ' 1,2@64x96   2 '])
def test_texts_of_a_list_stand_between_blanks(text):
    assert parse_settings([f'latency.operating_points={text}'], PipelineConfig) == {
        'latency.operating_points': ('1,2@64x96', '2')
    }


@pytest.mark.parametrize(
    ('assignment', 'text'),
    [
        ('ground.z', 'write NAME=VALUE'),
        ('ground.z=high', "ground.z = 'high': must be float"),
        ('ground.z=nan', 'ground.z = nan'),
        ('model.scales=', r'model\.scales'),
        ('model.scales=2,2', r'model\.scales'),
        ('model.scales=2;3', r'model\.scales'),
        ('input.width=1.5', "input.width = '1.5': must be int"),
        ('output.palette=rainbow', 'allowed are classes, roles'),
    ],
)
def test_a_value_that_is_none_is_refused(assignment, text):
    with pytest.raises(ConfigError, match=text):
        parse_settings([assignment], PipelineConfig)


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(UnknownNameError, match=r"'model\.weights'"):
        parse_settings(['model.weight=a.pth'], PipelineConfig)


def test_a_value_may_hold_the_sign_itself():
    assert parse_settings(['output.class_remap=Road=7'], PipelineConfig) == {
        'output.class_remap': 'Road=7'
    }


@pytest.mark.parametrize(('text', 'value'), [('true', True), ('False', False)])
def test_a_boolean_in_any_case(text, value):
    assert parse_boolean('loop', text) is value


@pytest.mark.parametrize('text', ['', '1', 'yes'])
def test_no_boolean_is_refused(text):
    with pytest.raises(ConfigError, match=r'loop = .*: must be true or false'):
        parse_boolean('loop', text)
