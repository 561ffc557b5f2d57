# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Depthwise convolutions in float32 where all else is in bfloat16."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class PreciseConv2d(nn.Conv2d):
    """A convolution that autocast leaves in float32; its answer has the input's precision."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the convolution of (N, C, H, W)."""
        with torch.autocast(x.device.type, enabled=False):
            return super().forward(x.float()).to(x.dtype)


def keep_depthwise_precise(model: nn.Module) -> None:
    """Let the depthwise convolutions of a network compute in float32, whatever autocast says.

    On a CPU torch's backward pass of one in bfloat16 takes up to four times as long. Parameters
    and their names stay as they are.
    """
    for layer in model.modules():
        if type(layer) is nn.Conv2d and layer.groups == layer.in_channels > 1:
            layer.__class__ = PreciseConv2d
