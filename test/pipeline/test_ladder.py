"""Rungs as texts: what they stand for, and which ladders are refused in which words."""

from __future__ import annotations

import dataclasses

import pytest

from mfaranet_ros.errors import ConfigError
from mfaranet_ros.models import ModelEntry, registry
from mfaranet_ros.pipeline.config import PipelineConfig, replace
from mfaranet_ros.pipeline.ladder import (
    Rung,
    check_change,
    check_order,
    parse_rung,
    rungs_of,
)

CONFIG = PipelineConfig()


def adapting(*ladder, **values):
    given = {name.replace('__', '.'): value for name, value in values.items()}
    return replace(CONFIG, {'latency.adapt': True, 'latency.ladder': ladder, **given})


# -- one rung ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('text', 'rung'),
    [
        ('1,2,3,4@512x1024', Rung((1, 2, 3, 4), (512, 1024))),
        ('2@360x480', Rung((2,), (360, 480))),
        ('2', Rung((2,))),
        ('1,2@360x0', Rung((1, 2), (360, 0))),
        ('mfaranet_resnet18:2@360x480', Rung((2,), (360, 480), 'mfaranet_resnet18')),
        ('mfaranet_resnet50:1,2', Rung((1, 2), None, 'mfaranet_resnet50')),
        ('mfaranet_resnet50@512x1024', Rung(None, (512, 1024), 'mfaranet_resnet50')),
        ('mfaranet_resnet50', Rung(None, None, 'mfaranet_resnet50')),
        ('eseg_lite_s@360x480', Rung(None, (360, 480), 'eseg_lite_s')),
        ('eseg_lite_s=a/b-1.pth@9x8', Rung(None, (9, 8), 'eseg_lite_s', 'a/b-1.pth')),
        ('mfaranet_resnet50=w.pth:1,2', Rung((1, 2), None, 'mfaranet_resnet50', 'w.pth')),
    ],
)
def test_a_rung_is_read_and_written_alike(text, rung):
    assert parse_rung(text) == rung
    assert str(rung) == text


@pytest.mark.parametrize('text', ['2,1', ' 1, 2 '])
def test_scales_may_stand_in_any_order_and_with_blanks(text):
    assert parse_rung(text) == Rung((1, 2))


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
        ('all', 'known are'),
    ],
)
def test_an_unknown_rung_is_refused_by_its_text(text, words):
    with pytest.raises(ConfigError) as refusal:
        parse_rung(text)
    assert f'unknown rung {text!r}' in str(refusal.value)
    assert words in str(refusal.value)
    assert '\n' not in str(refusal.value)


def test_what_a_rung_leaves_out_is_as_the_config_has_it():
    config = replace(CONFIG, {'model.weights': 'w.pth', 'input.height': 96, 'input.width': 128})
    own = parse_rung('2').applied_to(config)
    assert own == replace(config, {'model.scales': [2]})
    sized = parse_rung('1,2@64x96').applied_to(config)
    assert (sized.input.height, sized.input.width) == (64, 96)
    assert sized.model.weights == 'w.pth'


def test_another_network_takes_its_own_weights_and_the_same_one_keeps_the_configs():
    config = replace(CONFIG, {'model.weights': 'w.pth'})
    other = parse_rung('mfaranet_resnet50').applied_to(config).model
    assert (other.name, other.weights, other.scales) == ('mfaranet_resnet50', '', (1, 2, 3, 4))
    same = parse_rung('mfaranet_resnet18:2').applied_to(config).model
    assert (same.name, same.weights) == ('mfaranet_resnet18', 'w.pth')


def test_a_rung_may_name_the_weights_of_its_network():
    config = replace(CONFIG, {'model.weights': 'w.pth'})
    for text in ('mfaranet_resnet50=x.pth', 'mfaranet_resnet18=x.pth:2'):
        assert parse_rung(text).applied_to(config).model.weights == 'x.pth'


def test_a_config_of_another_network_names_it_and_its_weights():
    config = replace(CONFIG, {'model.name': 'eseg_lite_s', 'model.weights': 'x.pth'})
    rung = Rung.of(config, CONFIG)
    assert str(rung) == 'eseg_lite_s=x.pth'
    assert rung.applied_to(CONFIG) == config
    assert str(Rung.of(config)) == 'eseg_lite_s'
    assert str(Rung.of(CONFIG, CONFIG)) == '1,2,3,4'


@pytest.mark.parametrize('scales', [[1, 2, 3, 4], [2]])
def test_a_config_with_other_weights_names_them(scales):
    config = replace(CONFIG, {'model.weights': 'x.pth', 'model.scales': scales})
    rung = Rung.of(config, CONFIG)
    assert 'mfaranet_resnet18=x.pth' in str(rung)
    assert rung.applied_to(CONFIG) == config
    assert '=' not in str(Rung.of(config, config))


def test_a_ladder_may_be_of_several_families():
    config = adapting('1,2,3,4', '2', 'eseg_lite_s=x.pth', 'eseg_lite_s=x.pth@360x480')
    names = [rung.applied_to(config).model.name for rung in rungs_of(config)]
    assert names == ['mfaranet_resnet18'] * 2 + ['eseg_lite_s'] * 2


def test_a_config_is_a_rung_itself():
    assert str(Rung.of(CONFIG)) == '1,2,3,4'
    config = replace(CONFIG, {'model.scales': [4, 2], 'input.height': 360})
    assert str(Rung.of(config)) == '2,4@360x0'
    assert Rung.of(config).applied_to(CONFIG).input == config.input


# -- a ladder ---------------------------------------------------------------------------------


def test_without_adapting_the_config_is_the_only_rung_and_the_ladder_rests():
    config = replace(CONFIG, {'model.scales': [2], 'latency.ladder': []})
    assert rungs_of(config) == (Rung((2,)),)


def test_the_default_ladder_can_be_used_as_it_is():
    assert [str(rung) for rung in rungs_of(replace(CONFIG, {'latency.adapt': True}))] == [
        '1,2,3,4',
        '2',
    ]


def test_an_empty_ladder_is_refused_when_it_is_needed():
    with pytest.raises(ConfigError, match=r'latency\.adapt = true, but latency\.ladder is empty'):
        rungs_of(adapting())


@pytest.mark.parametrize(
    ('ladder', 'values'),
    [
        (('2', '2'), {}),
        (('1,2', '2', '2,1'), {}),
        (('2', '2@96x128'), {'input__height': 96, 'input__width': 128}),
        (('2', 'mfaranet_resnet18:2'), {}),
        (('2@0x0', '2'), {}),
    ],
)
def test_rungs_that_come_to_the_same_are_refused_however_they_are_written(ladder, values):
    with pytest.raises(ConfigError, match='are the same: leave one of them out'):
        rungs_of(adapting(*ladder, **values))


def test_a_size_out_of_range_is_refused_with_its_rung():
    with pytest.raises(ConfigError, match=r"rung '2@9000x64': input\.height = 9000: must be 0 to"):
        rungs_of(adapting('1', '2@9000x64'))


@pytest.fixture
def whole_only(monkeypatch) -> ModelEntry:
    """A network of a family that has no scales to leave out."""
    entry = dataclasses.replace(
        registry.get_model_entry('mfaranet_resnet18'), name='plain', has_scales=False
    )
    monkeypatch.setitem(registry._ENTRIES, 'plain', entry)
    return entry


def test_scales_of_a_network_without_any_are_refused(whole_only):
    with pytest.raises(ConfigError, match=r"rung 'plain:2': plain always uses all of its scales"):
        rungs_of(adapting('1,2', 'plain:2'))
    assert str(rungs_of(adapting('1,2', 'plain'))[1]) == 'plain'
    with pytest.raises(ConfigError, match=r'model\.scales = \[2\]: plain always uses all of its'):
        rungs_of(replace(CONFIG, {'model.name': 'plain', 'model.scales': [2]}))


def test_a_ladder_must_be_ordered_by_what_was_measured():
    rungs = rungs_of(adapting('1,2,3,4', '1', '2'))
    check_order(rungs, [50.0, 30.0, 20.0])
    check_order(rungs, [50.0, 30.0, 31.0])  # equal but for noise
    with pytest.raises(ConfigError, match=r"not ordered by cost: '2' takes 40\.0 ms here, '1'"):
        check_order(rungs, [50.0, 30.0, 40.0])


# -- changes at run time ----------------------------------------------------------------------


def test_scales_cannot_be_changed_while_the_ladder_decides_on_them():
    old = adapting('1,2', '2')
    with pytest.raises(ConfigError, match=r'model\.scales = \[2\]: latency\.adapt is true'):
        check_change(old, replace(old, {'model.scales': [2]}))
    check_change(old, replace(old, {'model.scales': [2], 'latency.adapt': False}))
    check_change(CONFIG, replace(CONFIG, {'model.scales': [2]}))


def test_a_wrong_ladder_is_refused_even_while_it_rests():
    with pytest.raises(ConfigError, match="unknown rung 'two'"):
        check_change(CONFIG, replace(CONFIG, {'latency.ladder': ['1', 'two']}))
