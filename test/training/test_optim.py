# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Schedule, parameter groups, moving average and dropout."""

import itertools
import math

import pytest
import torch

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import create_model
from mfaranet_ros.training.config import OptimConfig
from mfaranet_ros.training.optim import (
    MovingAverage,
    add_dropout,
    learning_rate,
    make_optimizer,
    set_head_dropout,
    set_learning_rate,
)


@pytest.fixture
def model(tiny_network):
    return create_model(tiny_network, classes=3, training_heads=True)


# -- the schedule --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('progress', 'wanted'),
    [(0.0, 0.01), (0.5, 0.01 * 0.5**0.9), (0.99, 0.01 * 0.01**0.9), (1.0, 0.0), (1.2, 0.0)],
)
def test_poly_falls_with_its_power(progress, wanted):
    config = OptimConfig(learning_rate=0.01)
    assert learning_rate(progress, config) == pytest.approx(wanted)


def test_cosine_is_half_a_wave():
    config = OptimConfig(learning_rate=0.01, schedule='cosine')
    rates = [learning_rate(progress, config) for progress in (0.0, 0.25, 0.5, 1.0)]
    assert rates == pytest.approx([0.01, 0.005 * (1 + math.sqrt(0.5)), 0.005, 0.0])


@pytest.mark.parametrize('schedule', ['poly', 'cosine'])
def test_warm_up_rises_to_the_schedule(schedule):
    config = OptimConfig(learning_rate=0.01, schedule=schedule, warm_up=0.1)
    rates = [learning_rate(step / 1000, config) for step in range(1001)]
    top = rates.index(max(rates))
    assert 99 <= top <= 101
    assert 0 < rates[0] < 0.001
    assert all(a < b for a, b in itertools.pairwise(rates[:99]))
    assert all(a > b for a, b in itertools.pairwise(rates[101:]))
    assert rates[-1] == 0.0


# -- groups --------------------------------------------------------------------------------------


def rates_and_decays(model, optimizer):
    groups = {}
    for group in optimizer.param_groups:
        for parameter in group['params']:
            groups[id(parameter)] = group['lr'], group['weight_decay']
    return {name: groups[id(p)] for name, p in model.named_parameters()}


@pytest.mark.parametrize('optimizer', ['sgd', 'adamw', 'muon'])
def test_decoder_learns_faster_and_all_is_decayed(model, optimizer):
    config = OptimConfig(optimizer=optimizer, learning_rate=0.005, decoder_factor=10.0)
    made = make_optimizer(model, config)
    set_learning_rate(made, 0.002)
    for name, (rate, decay) in rates_and_decays(model, made).items():
        assert rate == pytest.approx(0.002 if name.startswith('layer') else 0.02), name
        assert decay == 5e-4


def test_biases_and_normalisations_need_not_be_decayed(model):
    made = make_optimizer(model, OptimConfig(decay_all=False, weight_decay=0.05))
    for name, (_, decay) in rates_and_decays(model, made).items():
        normalisation = name.startswith('layer') and '.1.' in name
        decayed = name.endswith('weight') and not normalisation
        assert decay == (0.05 if decayed else 0.0), name


def test_every_parameter_of_a_published_network_is_in_one_group():
    with torch.device('meta'):
        model = create_model('mfaranet_resnet18', classes=3, training_heads=True)
    groups = {}
    for name, parameter in model.named_parameters():
        groups.setdefault(id(parameter), name)
    factors = {}
    for group in make_fake(model).param_groups:
        for parameter in group['params']:
            factors[groups.pop(id(parameter))] = group['factor']
    assert not groups
    backbone = {name.partition('.')[0] for name, factor in factors.items() if factor == 1.0}
    assert backbone == {'layer0', 'layer1', 'layer2', 'layer3', 'layer4'}
    assert {'channel_changes', 'multi_loss_head', 'boundary_heads'} <= {
        name.partition('.')[0] for name, factor in factors.items() if factor == 10.0
    }


def make_fake(model):
    """Make an optimizer for parameters that have no values, which a fused one refuses."""

    class Groups:
        def __init__(self, settings, *_, **__):
            self.param_groups = settings

    original, torch.optim.SGD = torch.optim.SGD, Groups
    try:
        return make_optimizer(model, OptimConfig())
    finally:
        torch.optim.SGD = original


# -- the moving average --------------------------------------------------------------------------


def test_average_follows_slowly(model):
    average = MovingAverage(model, 0.9)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1.0
    model.layer0[1].num_batches_tracked += 5
    average.update(model, step=1000)
    for name, parameter in average.model.named_parameters():
        assert torch.allclose(parameter, start[name] + 0.1, atol=1e-6), name
        assert not parameter.requires_grad
    assert int(average.model.layer0[1].num_batches_tracked) == 5
    assert not average.model.training


def test_average_soon_forgets_the_beginning(model):
    average = MovingAverage(model, 0.999)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1.0)
    for step in range(30):
        average.update(model, step)
    worst = max(float((p - 1).abs().max()) for p in average.model.parameters())
    assert worst < 1e-3


# -- dropout -------------------------------------------------------------------------------------


def test_dropout_drops_channels_in_training_alone(model):
    add_dropout(model, 0.5)
    names = list(model.state_dict())
    x = torch.randn(4, 8, 6, 6)
    dropped = model.layer2(x).flatten(2)
    assert ((dropped == 0).all(2)).float().mean() > 0.2
    model.eval()
    assert not (model.layer2(x).flatten(2) == 0).all(2).any()
    assert list(model.state_dict()) == names


def test_dropout_needs_stages():
    with pytest.raises(ConfigError, match='stages'):
        add_dropout(Named(), 0.1)
    add_dropout(Named(), 0.0)


class Named(torch.nn.Module):
    name = 'other'


def test_the_dropout_of_the_heads_is_set_and_nothing_else():
    model = create_model('mfaranet_resnet18', classes=3)
    names = set(model.state_dict())
    set_head_dropout(model, 0.25)
    rates = [layer.p for layer in model.modules() if isinstance(layer, torch.nn.Dropout)]
    assert rates == [0.25] * 4
    assert set(model.state_dict()) == names
