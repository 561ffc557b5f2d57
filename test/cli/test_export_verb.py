# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet export`: what it prints and writes, and what it refuses."""

import json

import pytest
import torch

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification_file import open_network_file
from mfaranet_ros.models import create_model, save_weights


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(5)
    model = create_model('mfaranet_resnet18', classes=11, scales=(1,))
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    return save_weights(model, path, label_set=get_label_set('camvid'))


def run(weights, out, *arguments):
    given = ['--weights', weights, '--scales', '1', '--out', out, *arguments]
    return main(['export', *map(str, given)])


def test_it_says_what_it_wrote_and_how_tensorrt_reads_it(weights, tmp_path, capsys):
    out, report = tmp_path / 'drive.onnx', tmp_path / 'report.json'
    arguments = ('--size', '48x64', '--precision', 'float16', '--outputs', 'labels')
    assert run(weights, out, *arguments, '--json', report) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f'{out}: mfaranet_resnet18, scales 1, camvid, 48x64, float16, lab')
    assert lines[1].startswith(str(out.with_suffix('.yaml')))
    assert 'of the labels are equal' in lines[2]
    assert lines[3].startswith('TensorRT 10: trtexec')
    assert lines[4].startswith('TensorRT 11: trtexec')
    specification = open_network_file(out).specification
    facts = specification.export
    assert (facts.precision, facts.outputs) == ('float16', 'labels')
    assert specification.input.size == (48, 64)
    assert dict(facts.versions)['mfaranet_ros']
    figures = json.loads(report.read_text(encoding='utf-8'))
    assert figures['specification']['sha256'] == specification.sha256
    assert figures['compared']['agreement'] > 0.99
    assert set(figures['trtexec']) == {'TensorRT 10', 'TensorRT 11'}


def test_a_size_beside_dynamic_is_the_usual_one(weights, tmp_path, capsys):
    out = tmp_path / 'drive.onnx'
    assert run(weights, out, '--dynamic', '--size', '48x64') == 0
    assert open_network_file(out).specification.input.size is None
    printed = capsys.readouterr().out
    assert 'any size, float32, logits' in printed
    assert '--optShapes=image:1x3x48x64' in printed


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        ([], 'no size: give --size HxW for one, --dynamic for any, or both'),
        (['--size', '48'], '--size 48: write HEIGHTxWIDTH'),
        (['--size', '48x64', '--scales', '1,1'], 'once'),
        (['--size', '48x64', '--scales', '1,2'], 'saved with scales 1 only'),
        (['--size', '48x64', '--model', 'mfaranet_resnet'], "did you mean 'mfaranet_resnet"),
        (['--size', '48x64', '--labels', 'cityscapes'], "trained on 'camvid'"),
        (['--size', '48x64', '--out', 'drive.pt'], 'must end in .onnx'),
        (['--size', '48x64', '--weights', '/nowhere.safetensors'], '/nowhere.safetensors'),
    ],
)
def test_bad_input_is_one_clear_line(weights, tmp_path, capsys, arguments, said):
    assert run(weights, tmp_path / 'drive.onnx', *arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
