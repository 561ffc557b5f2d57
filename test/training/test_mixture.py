# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Mixtures: what the file says, what is held out, and one clear line before any training."""

import cv2
import numpy as np
import pytest
import yaml

from mfaranet_ros.core.errors import ConfigError, SourceError, UnknownNameError
from mfaranet_ros.core.labels import CAMVID, LabelClass, LabelSet, Role
from mfaranet_ros.data.label_table import LabelCodes
from mfaranet_ros.training.config import make_config
from mfaranet_ros.training.datasets import Cache, Dataset, Part, class_shares, count_classes
from mfaranet_ros.training.loop import train
from mfaranet_ros.training.mixture import open_mixture, read_mixture


def open_file(path):
    return open_mixture(read_mixture(path), 2)


def test_data_sets_are_read_through_their_tables(make_mixture):
    training, held_out = open_file(make_mixture())
    assert [(part.name, len(part.pairs), part.weight) for part in training.parts] == [
        ('fine', 6, 2.0),
        ('coarse', 7, 1.0),
    ]
    assert training.codes.sets == ((1, 5), (4, 7))
    assert training.names[6] == 'coarse/000'
    own, sample = training.parts[1].read(0), training.read(6)
    ids = cv2.imread(str(training.pairs[6].ground_truth), cv2.IMREAD_UNCHANGED)
    codes = {0: 0, 1: 3, 2: 11, 3: 12, 255: 255}
    assert np.array_equal(sample.labels, np.vectorize(codes.get)(ids))
    assert np.array_equal(own.labels, sample.labels)
    assert [part.name for part in held_out.parts] == ['coarse']
    assert held_out.codes == training.codes


def test_the_last_by_name_are_held_out(make_mixture):
    training, held_out = open_file(make_mixture())
    assert held_out.names == ('007', '008', '009')
    assert not {name.removeprefix('coarse/') for name in training.names[6:]} & {*held_out.names}


@pytest.mark.parametrize(('hold_out', 'names'), [(['002', '005'], ('002', '005')), (1, ('009',))])
def test_what_is_held_out_can_be_named(make_mixture, hold_out, names):
    _, held_out = open_file(make_mixture(coarse={'hold_out': hold_out}))
    assert held_out.names == names


def test_a_data_set_can_be_for_validation_alone(make_mixture):
    training, held_out = open_file(make_mixture(coarse={'hold_out': 'all'}))
    assert [part.name for part in training.parts] == ['fine']
    assert len(held_out) == 10


def test_a_scale_of_a_data_set_reaches_its_samples(make_mixture):
    training, _ = open_file(make_mixture(coarse={'scale': 1.5}))
    assert {training.read(index).scale for index in range(6)} == {1.0}
    assert {training.read(index).scale for index in range(6, 13)} == {1.5}


BAD_ENTRIES = {
    'weight of zero': ({'weight': 0}, ConfigError, 'weight = 0 must be a number above 0'),
    'negative scale': ({'scale': -1}, ConfigError, 'scale = -1 must be'),
    'weight in words': ({'weight': 'much'}, ConfigError, "weight = 'much'"),
    'unknown entry': ({'wieght': 1}, ConfigError, "unknown entry 'wieght': did you mean 'weight'"),
    'missing root': ({'root': 'nowhere'}, SourceError, 'fine: root .*nowhere is no folder'),
    'missing table': ({'table': 'no.txt'}, ConfigError, 'no.txt cannot be read'),
    'no labels': ({'ground_truth': 'masks'}, SourceError, 'masks is no folder'),
    'all held out': ({'hold_out': 6}, ConfigError, 'fine: hold_out = 6 of 6 images'),
    'unknown image held out': ({'hold_out': ['123']}, ConfigError, r'not there \(123\)'),
    'hold_out in words': ({'hold_out': 'some'}, ConfigError, "hold_out = 'some' must be"),
    'weight of nothing': ({'hold_out': 'all'}, ConfigError, 'fine: all of it is held out'),
    'no name': ({'name': ''}, ConfigError, "name = '' must be a text"),
    'name twice': ({'name': 'coarse'}, ConfigError, "two data sets are named 'coarse'"),
}


@pytest.mark.parametrize('case', BAD_ENTRIES)
def test_bad_entry_is_one_clear_line(make_mixture, case):
    fine, error, message = BAD_ENTRIES[case]
    with pytest.raises(error, match=message) as raised:
        open_file(make_mixture(fine))
    assert '\n' not in str(raised.value)


BAD_TABLES = {
    'id without a row': (
        '0 : 0\n1 : 3\n',
        SourceError,
        'holds the values 2, 3, which have no row',
    ),
    'unknown class': ('0 : Sky\n1 : Raod\n', ConfigError, "line 2: .*'Raod': did you mean 'Road'"),
    'id outside the classes': ('0 : 11\n', ConfigError, "line 1: .*'11'"),
}


@pytest.mark.parametrize('case', BAD_TABLES)
def test_bad_table_is_one_clear_line(make_mixture, mixture_folder, case):
    text, error, message = BAD_TABLES[case]
    (mixture_folder / 'coarse.txt').write_text(text)
    with pytest.raises(error, match=message) as raised:
        open_file(make_mixture())
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize(
    ('top', 'error'),
    [
        ({'labels': 'camvit'}, UnknownNameError),
        ({'sets': []}, ConfigError),
        ({'x': 1}, ConfigError),
    ],
)
def test_bad_file_is_one_clear_line(make_mixture, top, error):
    with pytest.raises(error) as raised:
        open_file(make_mixture(**top))
    assert '\n' not in str(raised.value)


def test_text_that_is_no_yaml(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text('a: [')
    with pytest.raises(ConfigError, match='cannot be read') as raised:
        read_mixture(path)
    assert '\n' not in str(raised.value)


def test_nothing_held_out(make_mixture):
    with pytest.raises(ConfigError, match='nothing to validate on'):
        open_file(make_mixture(coarse={'hold_out': 0}))


def test_nothing_to_train_on(make_mixture):
    both = {'hold_out': 'all'}
    path = make_mixture(both, both)
    text = yaml.safe_load(path.read_text())
    del text['sets'][0]['weight']
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match='nothing to train on'):
        open_file(path)


def test_an_image_on_both_sides_is_found_whatever_its_name(make_mixture, mixture_folder):
    source = mixture_folder / 'coarse' / 'images' / '008.png'
    (mixture_folder / 'fine' / 'images' / '003.png').write_bytes(source.read_bytes())
    with pytest.raises(ConfigError, match=r'1 held-out images .*coarse/008 is fine/003'):
        open_file(make_mixture())


def test_two_labellings_of_one_folder_hold_out_the_same(make_mixture):
    """The second one forgets to hold out, so it would train on what the first one validates on."""
    again = {'name': 'again', 'root': 'coarse', 'table': 'coarse.txt'}
    path = make_mixture()
    text = yaml.safe_load(path.read_text())
    text['sets'].append(again)
    path.write_text(yaml.safe_dump(text))
    with pytest.raises(ConfigError, match='3 held-out images are trained on'):
        open_file(path)
    text['sets'][-1]['hold_out'] = 3
    path.write_text(yaml.safe_dump(text))
    assert len(open_file(path)[1]) == 6


def test_partial_labels_of_too_many_classes(make_mixture, monkeypatch):
    many = LabelSet(
        'many', tuple(LabelClass(i, f'c{i}', (0, 0, i), Role.GROUND) for i in range(63))
    )
    monkeypatch.setattr('mfaranet_ros.training.mixture.get_label_set', lambda name: many)
    path = make_mixture()
    (path.parent / 'coarse.txt').write_text('0 : 0\n1 : 1\n2 : 1,2\n3 : 3\n')
    with pytest.raises(ConfigError, match='limited to 62'):
        open_file(path)


# -- shares of the classes ------------------------------------------------------------------------


def test_partial_pixels_are_shared_as_the_certain_ones():
    codes = LabelCodes(CAMVID, ((1, 5), (4, 7)))
    part = Part('x', (None, None), None)
    counts = np.zeros((2, 13), np.int64)
    counts[0, [1, 5, 11]] = 30, 10, 40
    counts[1, 12] = 20
    shares = class_shares(Dataset(codes, (part,)), counts)
    assert shares[[1, 5, 4, 7]] == pytest.approx([0.6, 0.2, 0.1, 0.1])
    assert shares.sum() == pytest.approx(1.0)


def test_shares_are_those_that_training_sees(make_mixture):
    training, _ = open_file(make_mixture())
    counts = count_classes(Cache(training, 1e9), 2)
    shares = class_shares(training, counts)
    per_image = [counts[:6].sum(0) / 6, counts[6:].sum(0) / 7]
    seen = 2 * per_image[0] + per_image[1]
    road = seen[3] / seen.sum()
    assert shares[3] == pytest.approx(road)


# -- a run ----------------------------------------------------------------------------------------


def test_a_mixture_trains(make_mixture, tiny_network, tmp_path):
    values = {
        'data.mixture': str(make_mixture()),
        'data.threads': 2,
        'network.name': tiny_network,
        'augment.height': 32,
        'augment.width': 32,
        'augment.paste_share': 0.5,
        'loss.stride': 1,
        'optim.batch': 2,
        'optim.learning_rate': 0.02,
        'optim.ema': 0.9,
        'run.device': 'cpu',
        'run.precision': 'float32',
        'run.epochs': 25,
        'run.validate_every': 25,
        'run.threads': 1,
    }
    result = train(make_config('small', values), tmp_path / 'run')
    assert result.rows[-1].loss < 0.7 * result.rows[0].loss
    assert result.rows[-1].pixel_accuracy > 0.4  # one class alone would have a quarter


@pytest.mark.parametrize('values', [{'data.root': 'x'}, {'data.leave_out': 'a'}])
def test_a_mixture_beside_other_data_is_refused(values):
    with pytest.raises(ConfigError, match=r'leave data.root and data.leave_out empty'):
        make_config('small', {'data.mixture': 'x.yaml', **values})
