# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The public backbones: their sizes, names and features, and weights of others for them."""

from __future__ import annotations

import json

import numpy as np
import pytest
import safetensors.torch
import torch

from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.models import create_model, load_backbone
from mfaranet_ros.models.backbones import RESNET50, PlainResNet
from mfaranet_ros.models.efficientnet import B0, LITE0, LITE1, LITE3, EfficientNet
from mfaranet_ros.models.macs import count_parameters

STRIDES = ('stride4', 'stride8', 'stride16', 'stride32')


def bare(size):
    return lambda: EfficientNet(size, with_head=True)


PARAMETERS = [
    ('EfficientNet-Lite0', bare(LITE0), 3_371_008),
    ('EfficientNet-Lite1', bare(LITE1), 4_135_680),
    ('EfficientNet-Lite3', bare(LITE3), 6_916_096),
    ('EfficientNet-B0', bare(B0), 4_007_548),
    ('ResNet-50', lambda: PlainResNet(RESNET50), 23_508_032),
]
KEPT = {
    'efficientnet_lite0': ('eseg_lite_s', lambda: EfficientNet(LITE0)),
    'resnet50': ('early_fusion_w18', lambda: PlainResNet(RESNET50)),
}
"""By the name of a parity file: a network that stands on it, and its features."""


@pytest.mark.parametrize(('name', 'build', 'count'), PARAMETERS, ids=[p[0] for p in PARAMETERS])
def test_sizes_without_the_classifier_are_the_public_ones(name, build, count):
    with torch.device('meta'):
        assert count_parameters(build()) == count


def listed(name, shared):
    return json.loads((shared / 'parity' / f'{name}.json').read_text())['state_dict']


@pytest.fixture(scope='module')
def public_state(shared, parity):
    """Make the state_dict that a parity file lists, as its outputs were recorded with."""

    def make(name):
        return {
            key: torch.from_numpy(np.asarray(parity.fill(key, tuple(shape))))
            for key, shape in listed(name, shared)
        }

    return make


@pytest.mark.parametrize('name', KEPT)
def test_names_are_timms(name, shared):
    published = KEPT[name][1]().published()
    ours = [[key, list(value.shape)] for key, value in published.items()]
    assert ours == [entry for entry in listed(name, shared) if entry[0].split('.')[0] not in
                    ('classifier', 'fc')]  # fmt: skip


@pytest.mark.parametrize('name', KEPT)
@torch.inference_mode()
def test_features_are_timms(name, shared, parity, public_state):
    backbone = KEPT[name][1]().eval()
    state = public_state(name)
    backbone.load_state_dict({key: state[key] for key in backbone.state_dict()})
    features = backbone(torch.from_numpy(parity.image(96, 160)))[-4:]
    recorded = np.load(shared / 'parity' / f'{name}.npz')
    for stride, ours in zip(STRIDES, features, strict=True):
        theirs = recorded[stride]
        ours = ours[:, : theirs.shape[1]].numpy()
        assert ours.shape == theirs.shape
        assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


# -- weights of others ---------------------------------------------------------------------------


def fake_state(backbone, classifier):
    """Return a public state_dict with values of its own for each name, classifier included."""
    state = {
        name: torch.rand(value.shape).to(value.dtype)
        for name, value in backbone.published().items()
    }
    return state | {
        f'{classifier}.weight': torch.rand(1000, 8),
        f'{classifier}.bias': torch.rand(8),
    }


def to_torchvision(name):
    """Return torchvision's name of an EfficientNet-B0's parameter, from timm's."""
    top, *rest = name.split('.')
    tops = {'conv_stem': 'features.0.0', 'bn1': 'features.0.1', 'conv_head': 'features.8.0',
            'bn2': 'features.8.1', 'classifier': 'classifier.1'}  # fmt: skip
    if top != 'blocks':
        return '.'.join([tops[top], *rest])
    stage, block, *layer = rest
    places = ['conv_dw bn1', 'se', 'conv_pw bn2'] if stage == '0' else [
        'conv_pw bn1', 'conv_dw bn2', 'se', 'conv_pwl bn3']  # fmt: skip
    place = next(i for i, names in enumerate(places) if layer[0] in names.split())
    inner = {'conv_reduce': 'fc1', 'conv_expand': 'fc2'}.get(layer[1])
    layer = (
        [inner, *layer[2:]] if inner else [str(places[place].split().index(layer[0])), layer[1]]
    )
    return '.'.join([f'features.{int(stage) + 1}', block, 'block', str(place), *layer])


@pytest.fixture
def eseg_s():
    return create_model('eseg_s', classes=3)


@pytest.mark.parametrize('theirs', [str, to_torchvision], ids=['timm', 'torchvision'])
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_efficientnet_takes_both_kinds_of_names(eseg_s, tmp_path, theirs, suffix):
    state = fake_state(eseg_s.backbone, 'classifier')
    write(tmp_path / f'b0{suffix}', {theirs(name): value for name, value in state.items()})
    load_backbone(eseg_s, tmp_path / f'b0{suffix}')
    for name, value in eseg_s.backbone.state_dict().items():
        assert torch.equal(value, state[name]), name


def write(path, state):
    if path.suffix == '.safetensors':
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path)


def test_an_old_resnet_without_counters_is_taken(tmp_path):
    model = create_model('early_fusion_w18', classes=3)
    state = fake_state(model.backbone, 'fc')
    torch.save({k: v for k, v in state.items() if 'num_batches' not in k}, tmp_path / 'r.pth')
    load_backbone(model, tmp_path / 'r.pth')
    assert torch.equal(model.backbone.layer4[2].conv3.weight, state['layer4.2.conv3.weight'])


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ('change', 'says'),
    [
        (lambda s: fake_state(EfficientNet(LITE0), 'classifier'), 'it holds EfficientNet-Lite0;'),
        (lambda s: fake_state(PlainResNet(RESNET50), 'fc'), 'it holds ResNet-50;'),
        (lambda s: without(s, 'bn1.bias'), r'1 missing \(bn1.bias\)'),
        (lambda s: s | {'more': torch.ones(1)}, r'1 unexpected \(more\)'),
        (
            lambda s: s | {'conv_stem.weight': torch.ones(40, 3, 3, 3)},
            r'of another shape \(conv_stem.weight \[40, 3, 3, 3\] instead of \[32, 3, 3, 3\]\)',
        ),
        (lambda s: s | {'bn1.bias': torch.full((32,), torch.nan)}, 'not finite in bn1.bias'),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(eseg_s, tmp_path, change, says):
    torch.save(change(fake_state(eseg_s.backbone, 'classifier')), tmp_path / 'x.pth')
    before = {name: value.clone() for name, value in eseg_s.state_dict().items()}
    with pytest.raises(WeightsError, match=says) as caught:
        load_backbone(eseg_s, tmp_path / 'x.pth')
    assert '\n' not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in eseg_s.state_dict().items())


@pytest.mark.parametrize('name', ['mfaranet_resnet18', 'mmbconv_unet_s'])
def test_a_network_without_a_public_backbone_says_so(name, tmp_path):
    with torch.device('meta'):
        model = create_model(name, classes=3)
    with pytest.raises(ConfigError, match=f'{name} has no backbone that weights of timm'):
        load_backbone(model, tmp_path / 'x.pth')
