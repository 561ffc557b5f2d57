# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Size of a network: its parameters, and the multiply-accumulates of its convolutions.

Counted as in the papers: convolutions only, without bias, normalisation, activation, resizing or
warping. Papers often mean 2^30 by giga.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models.base import SegmentationModel
from mfaranet_ros.models.create import create_model
from mfaranet_ros.models.scales import ALL_SCALES


@dataclass(frozen=True)
class ModelSize:
    """The number of parameters and the multiply-accumulates for one image."""

    parameters: int
    macs: int


def measure_model(
    name: str, *, classes: int, height: int, width: int, scales: Iterable[int] = ALL_SCALES
) -> ModelSize:
    """Return the size of a network of the zoo, for an image of this height and width in pixels.

    Raises ConfigError as `create_model` does, or for an empty image.
    """
    with torch.device('meta'):  # allocates and initialises nothing
        model = create_model(name, classes=classes, scales=scales)
    model.to_empty(device='cpu')
    return ModelSize(count_parameters(model), count_macs(model, height, width))


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable values of a network, without running statistics."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: SegmentationModel, height: int, width: int) -> int:
    """Return the multiply-accumulates of one image of this height and width in pixels.

    The network is run on an empty batch: shapes are propagated, nothing is computed. Raises
    ConfigError for an empty image.
    """
    if min(height, width) < 1:
        raise ConfigError(f'an image of {height}x{width} px: both sides must be 1 or more')
    macs = 0

    def count(layer: nn.Conv2d, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        macs += output.shape[1:].numel() * layer.weight[0].numel()

    hooks = [
        layer.register_forward_hook(count)
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            model.eval().coarse_logits(torch.empty(0, 3, height, width, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return macs
