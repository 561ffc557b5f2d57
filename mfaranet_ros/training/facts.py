# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the weights file of a run says of itself in its metadata."""

from __future__ import annotations

import json
from typing import Any

import torch

from mfaranet_ros.backends.device import name_device
from mfaranet_ros.core.config import changes
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.models import Weights
from mfaranet_ros.training.assembly import Parts
from mfaranet_ros.training.config import RECIPES
from mfaranet_ros.training.history import Row

PRIVATE = (
    'data.root', 'data.mixture', 'network.weights', 'network.backbone_weights', 'network.teacher',
)  # fmt: skip
"""Settings that are paths on the machine of the training."""


def describe(parts: Parts, step: int, minutes: float, row: Row | None) -> dict[str, str]:
    """Return the facts of a network trained so far; row: the validation it was chosen by."""
    config, names = parts.config, parts.label_set.names
    recipe = RECIPES[config.recipe]
    changed = {
        name: value for name, value in changes(config, recipe).items() if name not in PRIVATE
    }
    training = {
        'recipe': config.recipe,
        'changed': changed,
        'begun_with': _origin(parts.begun_with),
        'backbone_begun_with': parts.backbone and {'sha256': parts.backbone.sha256},
        'teacher': parts.teacher_weights and {'sha256': parts.teacher_weights.sha256},
        'data': _data(parts),
        'images': len(parts.train),
        'names_sha256': parts.data_hash,
        'steps': step,
        'epochs': round(step / parts.loader.steps_per_epoch, 2),
        'minutes': round(minutes, 1),
        'processes': parts.world.size,
        'device': name_device(parts.feed.device),
        'mixed_precision': parts.feed.mixed,
        'torch': torch.__version__,
    }
    if row is not None and row.mean_iou is not None:
        training['validation'] = {
            'images': len(parts.validation),
            'mean_iou': round(row.mean_iou, 4),
            'iou': {
                name: None if value is None else round(value, 4)
                for name, value in zip(names, row.iou, strict=True)
            },
        }
    return {'training': json.dumps(training)}


def _data(parts: Parts) -> str | list[dict[str, Any]]:
    """Return the layout of one data set, or what each part of a mixture contributed."""
    if not parts.config.data.mixture:
        return parts.config.data.kind
    return [
        {'name': part.name, 'images': len(part.pairs), 'weight': part.weight}
        for part in parts.train.dataset.parts
    ]


def _origin(weights: Weights | None) -> str | dict[str, Any]:
    """Return where a network came from, back to its first weights."""
    if weights is None:
        return 'scratch'
    try:
        training = parse_json(weights.training or 'null')
    except ValueError:  # the file is not of this package's training
        training = weights.training
    return {'sha256': weights.sha256, 'training': training}
