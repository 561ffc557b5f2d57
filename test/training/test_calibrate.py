# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Confidence calibration: the temperature that is fitted, where it is kept, what it changes."""

import json

import numpy as np
import pytest
import torch

from mfaranet_ros.backends.network import load_network
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import ModelConfig
from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.labels import CAMVID
from mfaranet_ros.evaluation.metrics.measures import reliability
from mfaranet_ros.models import create_model, load_weights, read_weights, save_weights
from mfaranet_ros.training.calibrate import Scores, calibration, fit_temperature


def draw_scores(sharpness, *, name='x', pixels=20_000, seed=0):
    """Logits whose probabilities are true, then made too sure by a factor."""
    random = np.random.default_rng(seed)
    logits = torch.from_numpy(2.0 * random.standard_normal((pixels, 5))).float()
    shares = torch.softmax(logits, 1)
    torch.manual_seed(seed)
    labels = torch.multinomial(shares, 1)[:, 0]
    return Scores(name, sharpness * logits, labels)


@pytest.mark.parametrize('sharpness', [0.5, 1.0, 2.5])
def test_a_network_that_is_too_sure_is_cooled_and_the_other_way_round(sharpness):
    found = fit_temperature((draw_scores(sharpness),))
    assert found.temperature == pytest.approx(sharpness, rel=0.1)
    assert found.after['x'] < 0.02
    assert found.after['x'] <= found.before['x']


def test_the_mean_of_several_data_sets_counts_whatever_their_sizes():
    sets = draw_scores(1.0, name='a'), draw_scores(2.0, name='b', seed=1, pixels=2000)
    found = fit_temperature(sets)
    assert 1.0 <= found.temperature < 2.1
    for own in sets:
        alone = fit_temperature((own,)).temperature
        total = sum(reliability(calibration(one, alone)).ece for one in sets)
        assert sum(found.after.values()) <= total


def test_counts_are_those_of_the_pipeline():
    scores = Scores(
        'x', torch.tensor([[9.0, 0.0], [0.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1, 1])
    )
    counts = calibration(scores, 1.0)
    assert counts[:, 0].sum() == 3
    assert counts[255].tolist() == [1, 1]
    assert counts[128].tolist() == [1, 0]  # the first of two equal classes
    assert counts[round(255 * float(torch.tensor(1.0).sigmoid()))].tolist() == [1, 0]


def test_without_pixels_nothing_is_changed():
    empty = Scores('x', torch.zeros(0, 5), torch.zeros(0, dtype=torch.int64))
    assert fit_temperature((empty,)).temperature == 1.0


@pytest.mark.parametrize('name', ['mfaranet_resnet18', 'eseg_lite_s', 'mmbconv_unet_s'])
def test_logits_are_divided_whatever_the_family(name):
    torch.manual_seed(0)
    model = create_model(name, classes=11).eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = model(image)
        model.divide_logits(2.5)
        after = model(image)
    assert torch.allclose(before / 2.5, after, atol=1e-5)


def test_a_network_without_score_heads_says_so():
    model = create_model('mfaranet_resnet18', classes=11)
    model.SCORE_HEADS = ()
    with pytest.raises(ConfigError, match='names no score heads'):
        model.divide_logits(2.0)


def save(path, temperature):
    torch.manual_seed(0)
    model = create_model('eseg_lite_s', classes=11)
    facts = {} if temperature is None else {'temperature': temperature}
    return save_weights(model, path, label_set=CAMVID, facts=facts)


def test_the_pipeline_applies_what_the_metadata_say(tmp_path):
    plain, warm = save(tmp_path / 'a.safetensors', None), save(tmp_path / 'b.safetensors', '1.6')
    assert read_weights(plain).temperature is None
    assert read_weights(warm).temperature == 1.6
    image = torch.randn(1, 3, 64, 64)
    networks = [load_network(ModelConfig('eseg_lite_s', str(path))) for path in (plain, warm)]
    with torch.inference_mode():
        first, second = (network.model(image) for network in networks)
    assert torch.allclose(first / 1.6, second, atol=1e-5)


def test_training_begins_with_the_weights_as_they_are(tmp_path):
    """Else a network that is trained again would be divided once more each time."""
    warm = save(tmp_path / 'b.safetensors', '1.6')
    model = create_model('eseg_lite_s', classes=11)
    load_weights(model, warm)
    assert torch.equal(model.score.weight, read_weights(warm).state['score.weight'].float())


@pytest.mark.parametrize('value', ['0', '-1', 'nan', 'inf', '1,2', 'warm'])
def test_a_temperature_that_is_none_is_refused(tmp_path, value):
    path = save(tmp_path / 'x.safetensors', value)
    with pytest.raises(WeightsError, match='temperature'):
        read_weights(path)


def test_the_command_writes_calibrated_weights(make_mixture, tmp_path, capsys):
    torch.manual_seed(0)
    model = create_model('eseg_lite_s', classes=11, training_heads=True)
    given = save_weights(
        model, tmp_path / 'a.safetensors', label_set=CAMVID, facts={'training': '{"steps": 1}'}
    )
    out, json_file = tmp_path / 'b.safetensors', tmp_path / 'figures.json'
    arguments = ['--weights', str(given), '--mixture', str(make_mixture()), '--out', str(out)]
    assert main(['calibrate', *arguments, '--json', str(json_file)]) == 0
    figures = json.loads(json_file.read_text())
    found = read_weights(out)
    assert found.temperature == pytest.approx(figures['temperature'], rel=1e-4)
    assert found.training == '{"steps": 1}'
    assert not any(name.startswith('boundary') for name in found.state)
    assert torch.equal(found.state['score.weight'], read_weights(given).state['score.weight'])
    assert f'{figures["after"]["coarse"]:.4f}' in capsys.readouterr().out


def test_the_command_refuses_another_label_set(make_mixture, tmp_path, capsys):
    path = make_mixture(labels='cityscapes')  # the table's names are camvid's, its ids are not
    (path.parent / 'coarse.txt').write_text('0 : 0\n1 : 0\n2 : 2,8\n3 : 1\n')
    given = save(tmp_path / 'a.safetensors', None)
    arguments = ['--weights', str(given), '--mixture', str(path), '--out', str(tmp_path / 'x')]
    assert main(['calibrate', *arguments]) == 2
    assert 'weights and tables of one label set' in capsys.readouterr().err
