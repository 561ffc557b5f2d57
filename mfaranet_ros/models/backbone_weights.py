# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Pretrained weights for backbones: state_dicts of timm and torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.models.backbones import RESNET50, PlainResNet
from mfaranet_ros.models.base import SegmentationModel
from mfaranet_ros.models.efficientnet import B0, LITE0, LITE1, LITE3, EfficientNet
from mfaranet_ros.models.weights_file import Weights, listed, read_weights, same_kind

_COUNTER = 'num_batches_tracked'
"""A buffer of batch normalisation that older files lack and that nothing here reads."""

Backbone = EfficientNet | PlainResNet
"""The backbones that public weights fit. CLASSIFIER names the module of a file that is skipped,
HEAD the modules that a file may have and the backbone does not use."""


def load_backbone(model: SegmentationModel, weights: str | Path | Weights) -> Weights:
    """Load public pretrained weights into a network's backbone; return what was read.

    The classifier is skipped. Raises ConfigError for a network without a public backbone, and
    WeightsError, leaving the network unchanged, for a file that is broken or of another network.
    """
    backbone = _backbone_of(model)
    if not isinstance(weights, Weights):
        weights = read_weights(weights)
    state = _features(weights, backbone)
    wrong = _differences(state, backbone)
    if wrong:
        raise WeightsError(
            f'{weights.path} does not fit the backbone of {model.name}, '
            f'{name_backbone(backbone)}: {_reason(weights, wrong)}; give a state_dict of '
            f'{name_backbone(backbone)} from timm or torchvision'
        )
    wanted = {name: state[name] for name in backbone.state_dict() if name in state}
    broken = [name for name, tensor in wanted.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise WeightsError(
            f'{weights.path} holds values that are not finite in {listed(broken)}: the file is '
            'damaged, give another one'
        )
    backbone.load_state_dict(wanted, strict=False)  # what is checked above is stricter
    return weights


def _backbone_of(model: SegmentationModel) -> Backbone:
    backbone = getattr(model, 'backbone', None)
    if not isinstance(backbone, Backbone):
        raise ConfigError(
            f'{model.name} has no backbone that weights of timm or torchvision fit: omit '
            '--backbone-weights, or give weights of the whole network with --weights'
        )
    return backbone


def _features(weights: Weights, backbone: Backbone) -> dict[str, Tensor]:
    """Return what a file holds besides the classifier, by the backbone's names."""
    return {
        backbone.translate(name): tensor
        for name, tensor in weights.state.items()
        if name.split('.')[0] != backbone.CLASSIFIER
    }


def _differences(state: Mapping[str, Tensor], backbone: Backbone) -> list[str]:
    """Describe what is missing, unexpected or of another shape in a file."""
    published = backbone.published()
    head = {name for name in published if name.split('.')[0] in backbone.HEAD}
    if not head & state.keys():
        published = {name: tensor for name, tensor in published.items() if name not in head}
    missing = [n for n in published if n not in state and not n.endswith(_COUNTER)]
    unexpected = [n for n in state if n not in published]
    others = [
        f'{n} {list(state[n].shape)} instead of {list(tensor.shape)}'
        for n, tensor in published.items()
        if n in state and not same_kind(state[n], tensor)
    ]
    found = ((missing, 'missing'), (unexpected, 'unexpected'), (others, 'of another shape'))
    return [f'{len(names)} {word} ({listed(names)})' for names, word in found if names]


def _reason(weights: Weights, wrong: list[str]) -> str:
    """Return which known network a file belongs to, or how it differs."""
    if weights.model is not None:
        return f'it holds the whole network {weights.model}: give it with --weights'
    for name, backbone in _known().items():
        if not _differences(_features(weights, backbone), backbone):
            return f'it holds {name}'
    return ', '.join(wrong)


_SIZES = {
    'EfficientNet-B0': B0,
    'EfficientNet-Lite0': LITE0,
    'EfficientNet-Lite1': LITE1,
    'EfficientNet-Lite3': LITE3,
}
"""The EfficientNets of the zoo."""

_RESNETS = {'ResNet-50': RESNET50}
"""The ResNets of the zoo with public weights of the same layout."""


def _known() -> dict[str, Backbone]:
    with torch.device('meta'):
        known: dict[str, Backbone] = {name: EfficientNet(size) for name, size in _SIZES.items()}
        known |= {name: PlainResNet(resnet) for name, resnet in _RESNETS.items()}
    return known


def name_backbone(backbone: Backbone) -> str:
    """Return the common name of a backbone, such as ResNet-50."""
    shape: object = backbone.size if isinstance(backbone, EfficientNet) else backbone.resnet
    names: dict[object, str] = {known: name for name, known in {**_SIZES, **_RESNETS}.items()}
    return names[shape]
