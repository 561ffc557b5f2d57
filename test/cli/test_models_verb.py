# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet models`: the table of the zoo and its figures."""

import json

import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.models import create_model, get_model_entry, list_models, save_weights

SCALE_SETS = 15
WITH_SCALES = [name for name in list_models() if get_model_entry(name).has_scales]


@pytest.fixture
def figures(tmp_path, capsys):
    """Run the verb and return what it printed, and the figures it wrote."""

    def run(*arguments):
        path = tmp_path / 'figures.json'
        assert main(['models', '--json', str(path), *map(str, arguments)]) == 0
        return capsys.readouterr().out, json.loads(path.read_text(encoding='utf-8'))

    return run


@pytest.fixture
def weights_folder(tmp_path):
    """A folder with one good weights file and a broken one."""
    folder = tmp_path / 'weights'
    folder.mkdir()
    model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
    save_weights(model, folder / 'good.safetensors', label_set=get_label_set('camvid'))
    (folder / 'broken.safetensors').write_bytes(b'nothing of the kind')
    return folder


def test_every_network_has_a_row(figures, tmp_path):
    text, found = figures('--weights', tmp_path)
    rows = {row['model']: row for row in found['models']}
    assert sorted(rows) == list_models()
    assert all(row['scales'] == [1, 2, 3, 4] for row in rows.values())
    assert {n: row['stride'] for n, row in rows.items()} == {
        name: get_model_entry(name).stride for name in list_models()
    }
    assert rows['mfaranet_resnet18']['parameters'] == 12_996_748
    assert rows['mfaranet_resnet101']['parameters'] == 44_664_332
    line = next(line for line in text.splitlines() if line.startswith('mfaranet_resnet18'))
    assert line.split()[:6] == ['mfaranet_resnet18', '1,2,3,4', '12,996,748', '218.15', '203.17',
                                '32']  # fmt: skip
    assert line.endswith('none')


@pytest.mark.parametrize(
    ('size', 'published'),
    [('1024x2048', 203.17), ('1024X1024', 101.58), ('512x1024', 50.79), ('720x960', 67.08)],
)
def test_size_is_height_by_width(figures, size, published):
    _, found = figures('--size', size)
    row = next(row for row in found['models'] if row['model'] == 'mfaranet_resnet18')
    assert row['macs'] / 2**30 == pytest.approx(published, abs=0.006)
    assert f'{found["size"]["height"]}x{found["size"]["width"]}' == size.lower()


@pytest.mark.parametrize(
    ('labels', 'parameters'), [('camvid', 12_990_572), ('pascal_context', 13_027_628)]
)
def test_classes_are_those_of_the_label_set(figures, labels, parameters):
    text, found = figures('--labels', labels)
    row = next(row for row in found['models'] if row['model'] == 'mfaranet_resnet18')
    assert row['parameters'] == parameters
    assert labels in text
    assert found['label_sets'] == {'camvid': 11, 'cityscapes': 19, 'pascal_context': 59}


def test_every_scale_set_on_request(figures):
    _, found = figures('--scales')
    rows = [row for row in found['models'] if row['model'] == 'mfaranet_resnet18']
    assert len({tuple(row['scales']) for row in rows}) == len(rows) == SCALE_SETS
    whole = len(list_models()) - len(WITH_SCALES)
    assert len(found['models']) == SCALE_SETS * len(WITH_SCALES) + whole
    assert next(row['parameters'] for row in rows if row['scales'] == [2]) == 12_208_595


def test_one_scale_set_on_request(figures):
    _, found = figures('--scales', '1,2')
    kept = {row['model']: row['scales'] for row in found['models']}
    assert kept == {n: [1, 2] if n in WITH_SCALES else [1, 2, 3, 4] for n in list_models()}


def test_weights_at_hand_are_named_and_broken_ones_too(figures, weights_folder):
    text, found = figures('--weights', weights_folder)
    good = next(entry for entry in found['weights'] if not entry['problem'])
    assert (good['file'], good['model'], good['label_set']) == (
        'good.safetensors', 'mfaranet_resnet18', 'camvid',
    )  # fmt: skip
    assert good['scales'] == [2]
    assert good['sha256'][:12] in text
    assert next(line for line in text.splitlines() if 'resnet18 ' in line).endswith('camvid')
    broken = next(entry for entry in found['weights'] if entry['problem'])
    assert 'broken.safetensors' in broken['problem']
    assert broken['problem'] in text


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--size', '12'], '--size 12: write HEIGHTxWIDTH'),
        (['--size', '0x12'], '--size 0x12'),
        (['--size', '-3x12'], '--size -3x12'),
        (['--labels', 'camvit'], "did you mean 'camvid'"),
        (['--scales', '2,2'], 'each once'),
        (['--scales', '7'], 'scales [7]'),
        (['--scales', 'two'], '--scales two: write a list'),
        (['--weights', '/nowhere/at/all'], '/nowhere/at/all'),
    ],
)
def test_bad_input_is_one_clear_line(capsys, arguments, said):
    arguments = [f'{arguments[0]}={arguments[1]}']
    assert main(['models', *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
