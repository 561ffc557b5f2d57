# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which networks train their backbone along."""

from __future__ import annotations

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import SegmentationModel
from mfaranet_ros.training.config import NetworkConfig

_TRAIN_IT = 'set network.backbone to trained'


def freeze(model: SegmentationModel, config: NetworkConfig) -> None:
    """Freeze the backbone of a network or let it train, as is configured or as its paper says.

    Raises ConfigError for a network without a backbone, and for a frozen one that has nothing to
    stay as, or that is asked to do what only a backbone in training does.
    """
    if config.backbone != 'auto':
        if not model.BACKBONE:
            raise ConfigError(
                f'network.backbone = {config.backbone!r}: {model.name} has no backbone, set it '
                'to auto'
            )
        model.freeze_backbone(config.backbone == 'frozen')
    if not model.frozen:
        return
    if not config.weights and not config.backbone_weights:
        raise ConfigError(
            f'the backbone of {model.name} is frozen, and random without weights: give '
            f'--backbone-weights (or --weights), or {_TRAIN_IT}'
        )
    if config.dropout:
        raise ConfigError(
            f'network.dropout = {config.dropout:g} is for a backbone in training, but that of '
            f'{model.name} is frozen: set it to 0, or {_TRAIN_IT}'
        )
