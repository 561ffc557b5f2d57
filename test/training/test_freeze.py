# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Frozen backbones, weights of others for them, and depthwise convolutions in float32."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.models import create_model, read_weights
from mfaranet_ros.training.checkpoints import BEST, LAST
from mfaranet_ros.training.config import NetworkConfig
from mfaranet_ros.training.depthwise import keep_depthwise_precise
from mfaranet_ros.training.freeze import freeze
from mfaranet_ros.training.loop import train


@pytest.fixture
def frozen_by_paper():
    with torch.device('meta'):
        return create_model('early_fusion_w18', classes=3)


def test_a_frozen_backbone_without_weights_names_both_flags(frozen_by_paper):
    with pytest.raises(ConfigError, match=r'--backbone-weights .*network\.backbone to trained'):
        freeze(frozen_by_paper, NetworkConfig())


def test_a_frozen_backbone_asked_to_train_names_the_flag(frozen_by_paper):
    config = NetworkConfig(backbone_weights='x.pth', dropout=0.1)
    with pytest.raises(ConfigError, match=r'dropout = 0\.1 .*network\.backbone to trained'):
        freeze(frozen_by_paper, config)


def test_it_trains_where_it_is_said(frozen_by_paper):
    freeze(frozen_by_paper, NetworkConfig(backbone='trained'))
    assert all(p.requires_grad for p in frozen_by_paper.parameters())


@pytest.mark.parametrize('how', ['frozen', 'trained'])
def test_a_network_without_a_backbone_says_so(how):
    with torch.device('meta'):
        model = create_model('mmbconv_unet_s', classes=3)
    with pytest.raises(ConfigError, match=f"'{how}': mmbconv_unet_s has no backbone"):
        freeze(model, NetworkConfig(backbone=how))
    freeze(model, NetworkConfig())


def test_a_run_leaves_a_frozen_backbone_alone(make_tiny_config, tmp_path):
    train(make_tiny_config({'run.epochs': 1}), tmp_path / 'first')
    begun = tmp_path / 'first' / LAST
    values = {'network.weights': str(begun), 'network.backbone': 'frozen', 'optim.ema': 0.0}
    train(make_tiny_config({'run.epochs': 1, **values}), tmp_path / 'second')
    before, after = (read_weights(path).state for path in (begun, tmp_path / 'second' / LAST))
    same = {name.split('.')[0] for name in before if torch.equal(before[name], after[name])}
    changed = {name.split('.')[0] for name in before} - same
    assert same == {f'layer{number}' for number in range(5)}
    assert {'heads', 'attentions'} <= changed


def test_both_kinds_of_weights_at_once_are_refused(make_tiny_config, tmp_path):
    values = {'network.weights': 'a.pth', 'network.backbone_weights': 'b.pth'}
    with pytest.raises(ConfigError, match='both given'):
        train(make_tiny_config(values), tmp_path / 'run')


def test_weights_for_a_backbone_are_read_and_written_down(make_tiny_config, tmp_path):
    given = tmp_path / 'lite0.pth'
    lite0 = create_model('eseg_lite_s', classes=3).backbone
    state = {name: torch.full(v.shape, 0.01).to(v.dtype) for name, v in lite0.published().items()}
    torch.save(state, given)
    values = {
        'network.name': 'eseg_lite_s', 'network.backbone_weights': str(given),
        'network.backbone': 'frozen', 'run.epochs': 1,
    }  # fmt: skip
    train(make_tiny_config(values), tmp_path / 'run')
    made = read_weights(tmp_path / 'run' / BEST)
    torch.testing.assert_close(made.state['backbone.conv_stem.weight'].float(),
                               state['conv_stem.weight'], rtol=1e-3, atol=0)  # fmt: skip
    facts = json.loads(made.training)
    assert facts['backbone_begun_with'] == {'sha256': read_weights(given).sha256}
    assert str(tmp_path) not in made.training


def test_the_flag_names_what_does_not_fit(make_tiny_config, tmp_path):
    torch.save({'conv1.weight': torch.ones(1)}, tmp_path / 'x.pth')
    values = {
        'network.name': 'eseg_lite_s', 'network.backbone_weights': str(tmp_path / 'x.pth'),
    }  # fmt: skip
    with pytest.raises(WeightsError, match=r'eseg_lite_s, EfficientNet-Lite0: .* missing'):
        train(make_tiny_config(values), tmp_path / 'run')


def test_depthwise_convolutions_compute_in_float32_and_the_others_do_not():
    model = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 8, 3, groups=8))
    keep_depthwise_precise(model)
    names = list(model.state_dict())
    x = torch.randn(1, 4, 6, 6)
    with torch.autocast('cpu', torch.bfloat16):
        wide = model[0](x)
        out = model(x)
    assert wide.dtype == out.dtype == torch.bfloat16
    wanted = nn.functional.conv2d(wide.float(), model[1].weight, model[1].bias, groups=8)
    assert torch.equal(out, wanted.bfloat16())
    assert list(model.state_dict()) == names
