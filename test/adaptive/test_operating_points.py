# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points as texts: what they stand for, and which operating points are refused in which
words."""

from __future__ import annotations

import dataclasses

import pytest

from mfaranet_ros.adaptive.operating_points import (
    OperatingPoint,
    check_change,
    check_order,
    operating_points_of,
    parse_operating_point,
)
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import ModelEntry, registry

CONFIG = PipelineConfig()


def adapting(*operating_points, **values):
    given = {name.replace('__', '.'): value for name, value in values.items()}
    return replace(
        CONFIG, {'latency.adapt': True, 'latency.operating_points': operating_points, **given}
    )


# -- one operating point -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'operating_point'),
    [
        ('1,2,3,4@512x1024', OperatingPoint((1, 2, 3, 4), (512, 1024))),
        ('2@360x480', OperatingPoint((2,), (360, 480))),
        ('2', OperatingPoint((2,))),
        ('1,2@360x0', OperatingPoint((1, 2), (360, 0))),
        ('mfaranet_resnet18:2@360x480', OperatingPoint((2,), (360, 480), 'mfaranet_resnet18')),
        ('mfaranet_resnet50:1,2', OperatingPoint((1, 2), None, 'mfaranet_resnet50')),
        ('mfaranet_resnet50@512x1024', OperatingPoint(None, (512, 1024), 'mfaranet_resnet50')),
        ('mfaranet_resnet50', OperatingPoint(None, None, 'mfaranet_resnet50')),
        ('eseg_lite_s@360x480', OperatingPoint(None, (360, 480), 'eseg_lite_s')),
        ('eseg_lite_s=a/b-1.pth@9x8', OperatingPoint(None, (9, 8), 'eseg_lite_s', 'a/b-1.pth')),
        (
            'mfaranet_resnet50=w.pth:1,2',
            OperatingPoint((1, 2), None, 'mfaranet_resnet50', 'w.pth'),
        ),
    ],
)
def test_a_operating_point_is_read_and_written_alike(text, operating_point):
    assert parse_operating_point(text) == operating_point
    assert str(operating_point) == text


@pytest.mark.parametrize('text', ['2,1', ' 1, 2 '])
def test_scales_may_stand_in_any_order_and_with_blanks(text):
    assert parse_operating_point(text) == OperatingPoint((1, 2))


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('', 'SCALES'),
        ('@512x1024', 'SCALES'),
        ('2@512', 'SCALES'),
        ('2@512x1024x3', 'SCALES'),
        ('2@-1x5', 'SCALES'),
        ('1;2', 'SCALES'),
        ('1,,2', 'SCALES'),
        ('mfaranet_resnet18:', 'SCALES'),
        ('mfaranet_resnet18=', 'SCALES'),
        ('=w.pth', 'SCALES'),
        (':2', 'SCALES'),
        ('5', 'give one to four'),
        ('2,2', 'give one to four'),
        ('mfaranet_resnet19:2', 'did you mean'),
        ('all', 'choose from'),
    ],
)
def test_an_unknown_operating_point_is_refused_by_its_text(text, words):
    with pytest.raises(ConfigError) as refusal:
        parse_operating_point(text)
    assert f'unknown operating point {text!r}' in str(refusal.value)
    assert words in str(refusal.value)
    assert '\n' not in str(refusal.value)


def test_what_a_operating_point_leaves_out_is_as_the_config_has_it():
    config = replace(CONFIG, {'model.weights': 'w.pth', 'input.height': 96, 'input.width': 128})
    own = parse_operating_point('2').applied_to(config)
    assert own == replace(config, {'model.scales': [2]})
    sized = parse_operating_point('1,2@64x96').applied_to(config)
    assert (sized.input.height, sized.input.width) == (64, 96)
    assert sized.model.weights == 'w.pth'


def test_another_network_takes_its_own_weights_and_the_same_one_keeps_the_configs():
    config = replace(CONFIG, {'model.weights': 'w.pth'})
    other = parse_operating_point('mfaranet_resnet50').applied_to(config).model
    assert (other.name, other.weights, other.scales) == ('mfaranet_resnet50', '', (1, 2, 3, 4))
    same = parse_operating_point('mfaranet_resnet18:2').applied_to(config).model
    assert (same.name, same.weights) == ('mfaranet_resnet18', 'w.pth')


def test_a_operating_point_may_name_the_weights_of_its_network():
    config = replace(CONFIG, {'model.weights': 'w.pth'})
    for text in ('mfaranet_resnet50=x.pth', 'mfaranet_resnet18=x.pth:2'):
        assert parse_operating_point(text).applied_to(config).model.weights == 'x.pth'


def test_a_config_of_another_network_names_it_and_its_weights():
    config = replace(CONFIG, {'model.name': 'eseg_lite_s', 'model.weights': 'x.pth'})
    operating_point = OperatingPoint.of(config, CONFIG)
    assert str(operating_point) == 'eseg_lite_s=x.pth'
    assert operating_point.applied_to(CONFIG) == config
    assert str(OperatingPoint.of(config)) == 'eseg_lite_s'
    assert str(OperatingPoint.of(CONFIG, CONFIG)) == '1,2,3,4'


@pytest.mark.parametrize('scales', [[1, 2, 3, 4], [2]])
def test_a_config_with_other_weights_names_them(scales):
    config = replace(CONFIG, {'model.weights': 'x.pth', 'model.scales': scales})
    operating_point = OperatingPoint.of(config, CONFIG)
    assert 'mfaranet_resnet18=x.pth' in str(operating_point)
    assert operating_point.applied_to(CONFIG) == config
    assert '=' not in str(OperatingPoint.of(config, config))


def test_a_operating_points_may_be_of_several_families():
    config = adapting('1,2,3,4', '2', 'eseg_lite_s=x.pth', 'eseg_lite_s=x.pth@360x480')
    names = [
        operating_point.applied_to(config).model.name
        for operating_point in operating_points_of(config)
    ]
    assert names == ['mfaranet_resnet18'] * 2 + ['eseg_lite_s'] * 2


def test_a_config_is_a_operating_point_itself():
    assert str(OperatingPoint.of(CONFIG)) == '1,2,3,4'
    config = replace(CONFIG, {'model.scales': [4, 2], 'input.height': 360})
    assert str(OperatingPoint.of(config)) == '2,4@360x0'
    assert OperatingPoint.of(config).applied_to(CONFIG).input == config.input


# -- the operating points ------------------------------------------------------------------------


def test_without_adapting_the_config_is_the_only_operating_point_and_the_operating_points_rests():
    config = replace(CONFIG, {'model.scales': [2], 'latency.operating_points': []})
    assert operating_points_of(config) == (OperatingPoint((2,)),)


def test_the_default_operating_points_can_be_used_as_it_is():
    assert [
        str(operating_point)
        for operating_point in operating_points_of(replace(CONFIG, {'latency.adapt': True}))
    ] == [
        '1,2,3,4',
        '2',
    ]


def test_an_empty_operating_points_is_refused_when_it_is_needed():
    with pytest.raises(
        ConfigError, match=r'latency\.adapt = true, but latency\.operating_points is empty'
    ):
        operating_points_of(adapting())


@pytest.mark.parametrize(
    ('operating_points', 'values'),
    [
        (('2', '2'), {}),
        (('1,2', '2', '2,1'), {}),
        (('2', '2@96x128'), {'input__height': 96, 'input__width': 128}),
        (('2', 'mfaranet_resnet18:2'), {}),
        (('2@0x0', '2'), {}),
    ],
)
def test_operating_points_that_come_to_the_same_are_refused_however_they_are_written(
    operating_points, values
):
    with pytest.raises(ConfigError, match='are the same: leave one of them out'):
        operating_points_of(adapting(*operating_points, **values))


def test_a_size_out_of_range_is_refused_with_its_operating_point():
    with pytest.raises(
        ConfigError, match=r"operating point '2@9000x64': input\.height = 9000: must be 0 to"
    ):
        operating_points_of(adapting('1', '2@9000x64'))


@pytest.fixture
def whole_only(monkeypatch) -> ModelEntry:
    """A network of a family that has no scales to leave out."""
    entry = dataclasses.replace(
        registry.get_model_entry('mfaranet_resnet18'), name='plain', has_scales=False
    )
    monkeypatch.setitem(registry.MODELS, 'plain', entry)
    return entry


def test_scales_of_a_network_without_any_are_refused(whole_only):
    with pytest.raises(
        ConfigError, match=r"operating point 'plain:2': plain always uses all of its scales"
    ):
        operating_points_of(adapting('1,2', 'plain:2'))
    assert str(operating_points_of(adapting('1,2', 'plain'))[1]) == 'plain'
    with pytest.raises(ConfigError, match=r'model\.scales = \[2\]: plain always uses all of its'):
        operating_points_of(replace(CONFIG, {'model.name': 'plain', 'model.scales': [2]}))


def test_a_operating_points_must_be_ordered_by_what_was_measured():
    operating_points = operating_points_of(adapting('1,2,3,4', '1', '2'))
    check_order(operating_points, [50.0, 30.0, 20.0])
    check_order(operating_points, [50.0, 30.0, 31.0])  # equal but for noise
    with pytest.raises(ConfigError, match=r"not ordered by cost: '2' takes 40\.0 ms here, '1'"):
        check_order(operating_points, [50.0, 30.0, 40.0])


# -- changes at run time -------------------------------------------------------------------------


def test_scales_cannot_be_changed_while_the_operating_points_decides_on_them():
    old = adapting('1,2', '2')
    with pytest.raises(ConfigError, match=r'model\.scales = \[2\]: latency\.adapt is true'):
        check_change(old, replace(old, {'model.scales': [2]}))
    check_change(old, replace(old, {'model.scales': [2], 'latency.adapt': False}))
    check_change(CONFIG, replace(CONFIG, {'model.scales': [2]}))


def test_a_wrong_operating_points_is_refused_even_while_it_rests():
    with pytest.raises(ConfigError, match="unknown operating point 'two'"):
        check_change(CONFIG, replace(CONFIG, {'latency.operating_points': ['1', 'two']}))
