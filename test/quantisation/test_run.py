# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network is quantised and written, or refused with its layers named, from images to files."""

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from fixtures.tiny_onnx import tiny_network

pytest.importorskip('nncf', reason='NNCF is not installed')
pytest.importorskip('openvino', reason='OpenVINO is not installed')

from mfaranet_ros.backends.network import Network
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import ModelConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import CAMVID
from mfaranet_ros.core.specification_file import open_network_file
from mfaranet_ros.models.weights_file import Weights
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.quantisation import run
from mfaranet_ros.quantisation.run import (
    QuantisationRefusedError,
    Request,
    quantise,
    save,
    tensorrt_path,
)

NAME = 'mfaranet_resnet18'


class Toy(torch.nn.Module):
    """Labels by colour; `extreme` makes one channel 5000 times as large between two layers."""

    scales = (1, 2, 3, 4)

    def __init__(self, extreme=0):
        super().__init__()
        torch.manual_seed(0)
        self.stem = torch.nn.Conv2d(3, 16, 3, stride=2, padding=1)
        self.middle = torch.nn.Conv2d(16, 16, 3, stride=2, padding=1)
        self.depth = torch.nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.head = torch.nn.Conv2d(16, 11, 1)
        with torch.no_grad():
            for channel in range(extreme):
                factor = 5000.0
                self.stem.weight[channel] *= factor
                self.stem.bias[channel] *= factor
                self.middle.weight[:, channel] /= factor

    def coarse_logits(self, x):
        return self.head(self.depth(self.middle(self.stem(x).relu()).relu()).relu())


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
        large = cv2.resize(coarse, (128, 96), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f'{number}.png'), large)
    return folder


def use(monkeypatch, tmp_path, model):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    weights = Weights(tmp_path / 'toy.safetensors', 'a' * 64, {})
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    network = Network(NAME, model.eval(), CAMVID, mean, std, weights)
    monkeypatch.setattr(run, 'load_network', lambda config: network)


def timed(monkeypatch, plain_ms, int8_ms):
    """Replace the times, which say nothing for so small a network, and leave the rest."""
    measure = run.measure
    monkeypatch.setattr(
        run,
        'measure',
        lambda *args, **more: dataclasses.replace(
            measure(*args, **more), plain_ms=plain_ms, int8_ms=int8_ms
        ),
    )


def test_what_does_no_harm_is_written_and_runs(images, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, Toy())
    timed(monkeypatch, 2.0, 1.0)
    made = quantise(Request(ModelConfig(), (images,), 4))
    assert made.kept == ()
    assert 0.98 < made.measured.sets[0].agreement < 1
    out = tmp_path / 'toy_int8.onnx'
    files = save(made, out)
    assert files[0] == out
    facts = open_network_file(out).specification.export
    assert (facts.precision, facts.weights_sha256) == ('int8', 'a' * 64)
    for backend in ('openvino', 'onnx'):
        config = replace(PipelineConfig(), {'model.weights': str(out), 'runtime.backend': backend})
        processor = build_processor(config)
        assert dict(prepare(processor))['precision'] == 'int8'
        processor.close()


def test_what_is_made_bad_on_purpose_is_mended_by_leaving_the_layer_in_float32(
    images, tmp_path, monkeypatch
):
    use(monkeypatch, tmp_path, Toy(extreme=1))
    timed(monkeypatch, 2.0, 1.0)
    made = quantise(Request(ModelConfig(), (images,), 4))
    assert made.kept[0] == '/middle/Conv'
    assert made.noise[0].name == '/middle/Conv'
    assert made.noise[0].noise > 0.01


def test_what_cannot_be_mended_is_refused_with_the_layers_and_nothing_is_written(
    images, tmp_path, monkeypatch, capsys
):
    use(monkeypatch, tmp_path, Toy(extreme=1))
    timed(monkeypatch, 2.0, 1.0)
    monkeypatch.setattr(run, 'at_fault', lambda noise: [])  # leaving layers out does not help
    out = tmp_path / 'bad.onnx'
    assert main(['quantise', '--calibration', str(images), '--out', str(out)]) == 2
    told = capsys.readouterr()
    assert 'worst layers: /middle/Conv (noise' in told.err
    assert 'nothing was written' in told.err
    assert 'equal labels' in told.out
    assert not out.exists()
    assert not tensorrt_path(out).exists()


def test_what_is_not_faster_is_refused_at_once(images, tmp_path, monkeypatch):
    use(monkeypatch, tmp_path, Toy())
    timed(monkeypatch, 1.0, 1.0)
    with pytest.raises(QuantisationRefusedError, match='it is not faster') as caught:
        quantise(Request(ModelConfig(), (images,), 4))
    assert caught.value.kept == ()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'a.bin'], 'must end in .onnx'),
        (['--out', 'a.onnx', '--count', '0'], '--count must be 1 or more'),
        (
            ['--out', 'a.onnx', '--images', 'x', '--images', 'y', '--ground-truth', 'z'],
            '2 --images, 1',
        ),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    assert main(['quantise', '--calibration', 'images', *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_network_without_weights_is_refused(images, monkeypatch):
    monkeypatch.setattr(
        run, 'load_network', lambda config: Network(NAME, None, CAMVID, (), (), None)
    )
    with pytest.raises(ConfigError, match='has no weights to quantise'):
        quantise(Request(ModelConfig(), (images,), 4))


def test_a_network_file_of_others_is_quantised_by_its_own_specification(
    images, tmp_path, monkeypatch
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    timed(monkeypatch, 2.0, 1.0)
    path = tiny_network(tmp_path / 'net.onnx', names=('pixels', 'scores'), opset=13)
    assert main(['inspect', str(path)]) == 0
    made = quantise(Request(ModelConfig(weights=str(path)), (images,), 4))
    out = tmp_path / 'net_int8.onnx'
    save(made, out)
    file = open_network_file(out)
    export = file.specification.export
    assert (export.precision, export.weights, export.opset) == ('int8', 'net.onnx', 13)
    assert file.specification.input.name == 'pixels'
    config = replace(PipelineConfig(), {'model.weights': str(out), 'runtime.device': 'cpu'})
    processor = build_processor(config)
    facts = dict(prepare(processor))
    processor.close()
    assert (facts['precision'], facts['scales']) == ('int8', 'all')
    with pytest.raises(ConfigError, match='is quantised already'):
        quantise(Request(ModelConfig(weights=str(out)), (images,), 4))


def test_a_file_whose_input_is_not_float32_is_refused(images, tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', dtype='uint8')
    assert main(['inspect', str(path)]) == 0
    with pytest.raises(ConfigError, match='with an input of float32'):
        quantise(Request(ModelConfig(weights=str(path)), (images,), 4))
