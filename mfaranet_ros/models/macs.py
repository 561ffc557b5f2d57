# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How large a network is, and how much it computes: the multiply-accumulates of its convolutions.

Counted as the papers of this zoo do: convolutions only, without bias, normalisation, activation,
resizing or warping. What they publish as giga is often 2^30.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models.base import ALL_SCALES, SegmentationModel
from mfaranet_ros.models.create import create_model


@dataclass(frozen=True)
class ModelSize:
    """A network's parameters, and its multiply-accumulates for one image."""

    parameters: int
    macs: int


def measure_model(
    name: str, *, classes: int, height: int, width: int, scales: Iterable[int] = ALL_SCALES
) -> ModelSize:
    """Return the size of a network of the zoo, for an image of this height and width in pixels.

    Raises ConfigError as `create_model` does, or if the image is of no size.
    """
    with torch.device('meta'):  # nothing is filled with numbers, nor is memory taken
        model = create_model(name, classes=classes, scales=scales)
    model.to_empty(device='cpu')
    return ModelSize(count_parameters(model), count_macs(model, height, width))


def count_parameters(model: nn.Module) -> int:
    """Return the number of a network's parameters, without the statistics of normalisation."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: SegmentationModel, height: int, width: int) -> int:
    """Return the multiply-accumulates of one image of this height and width in pixels.

    The network is run on a batch of no images: all sizes are what they are, nothing is computed.
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
