# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What changes the weights: parameter groups, the schedule, and the moving average."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import SegmentationModel
from mfaranet_ros.training.config import OptimConfig
from mfaranet_ros.training.muon import Muon

STAGES = ('layer1', 'layer2', 'layer3', 'layer4')
"""The stages of a backbone, by the names that all backbones of the zoo give them."""


def make_optimizer(model: SegmentationModel, config: OptimConfig) -> torch.optim.Optimizer:
    """Return the optimizer, with groups for backbone and decoder, decayed or not.

    Each group's `factor` is what its learning rate is multiplied by.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        factor = 1.0 if name.split('.')[0] in model.BACKBONE else config.decoder_factor
        decayed = config.decay_all or parameter.ndim > 1
        key = factor, config.weight_decay if decayed else 0.0
        groups.setdefault(key, []).append(parameter)
    settings = [
        {'params': parameters, 'factor': factor, 'weight_decay': decay}
        for (factor, decay), parameters in groups.items()
    ]
    if config.optimizer == 'adamw':
        return torch.optim.AdamW(settings, config.learning_rate, fused=True)
    if config.optimizer == 'muon':
        return Muon(settings, config.learning_rate, config.momentum)
    return torch.optim.SGD(settings, config.learning_rate, config.momentum, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give each group its multiple of a learning rate."""
    for group in optimizer.param_groups:
        group['lr'] = rate * group['factor']


def learning_rate(progress: float, config: OptimConfig) -> float:
    """Return the learning rate of the backbone at a progress of 0 to 1."""
    progress = min(max(progress, 0.0), 1.0)
    if progress < config.warm_up:
        # From a hundredth, because nothing is learned at 0.
        return config.learning_rate * (0.01 + 0.99 * progress / config.warm_up)
    if config.schedule == 'cosine':
        after = (progress - config.warm_up) / (1 - config.warm_up)
        return config.learning_rate * 0.5 * (1 + math.cos(math.pi * after))
    return config.learning_rate * float((1 - progress) ** config.power)


class MovingAverage:
    """A copy of a network whose weights follow it slowly, which is better than its last ones.

    decay: the share that is kept at a step; less in the first steps, which it soon forgets.
    """

    def __init__(self, model: SegmentationModel, decay: float) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self._decay = decay

    @torch.no_grad()
    def update(self, model: SegmentationModel, step: int) -> None:
        """Take in the weights and statistics after a step, which are counted from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        ours, theirs = self.model.state_dict(), model.state_dict()
        floats = [name for name, tensor in ours.items() if tensor.is_floating_point()]
        average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        average([ours[name] for name in floats], [theirs[name] for name in floats], step)
        for name in ours.keys() - set(floats):
            ours[name].copy_(theirs[name])


def add_dropout(model: SegmentationModel, rate: float) -> None:
    """Drop whole channels after each stage of the backbone while training.

    The published network has no such layers, so they are hooks and leave no trace in the weights.
    Raises ConfigError for a network without such stages.
    """
    if not rate:
        return
    stages = [getattr(model, name, None) for name in STAGES]
    if not all(isinstance(stage, nn.Module) for stage in stages):
        raise ConfigError(f'network.dropout = {rate:g}: {model.name} has no stages, set it to 0')

    def drop(stage: nn.Module, _: object, features: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout2d(features, rate, stage.training)

    for stage in stages:
        if stage is not None:
            stage.register_forward_hook(drop)


def set_head_dropout(model: SegmentationModel, rate: float) -> None:
    """Set the rate of the dropout layers that a network has in its attention heads."""
    for name in model.ATTENTION_HEADS:
        for module in getattr(model, name).modules():
            if isinstance(module, nn.Dropout):
                module.p = rate
