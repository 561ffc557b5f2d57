# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The bidirectional feature pyramid network (BiFPN) of EfficientDet (arXiv 1911.09070).

Each layer carries features from the coarsest level down to the finest and back up again. Where
they meet, they are added with learned, positive weights that sum to one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet_ros.models.layers import resize

EPSILON = 1e-4
"""Keeps the normalised weights of a fusion finite if all of them are zero."""

Activation = Callable[[], nn.Module]


class Fusion(nn.Module):
    """Adds features of one size with learned weights: fast normalised fusion."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.ones(inputs))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        """Return the weighted sum (N, C, h, w) of features of that shape, one per weight."""
        shares = self.shares().unbind()
        fused = features[0] * shares[0]
        for feature, share in zip(features[1:], shares[1:], strict=True):
            fused = fused + feature * share
        return fused

    def shares(self) -> Tensor:
        """Return the normalised weight of each input, float (inputs,): positive, summing to 1."""
        positive = F.relu(self.weights)
        return positive / (positive.sum() + EPSILON)


def separable(channels: int, activation: nn.Module) -> nn.Sequential:
    """Return a depthwise 3x3 and a 1x1 convolution, batch normalisation and activation."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        activation,
    )


class Node(nn.Module):
    """A node of the pyramid: features of one size are fused and filtered."""

    def __init__(self, inputs: int, channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.fusion = Fusion(inputs)
        self.conv = separable(channels, activation)

    def forward(self, *features: Tensor) -> Tensor:
        """Return the fused and filtered features (N, C, h, w) of inputs of that shape."""
        fused: Tensor = self.conv(self.fusion(features))
        return fused


class BiFPNLayer(nn.Module):
    """One top-down and bottom-up pass over a pyramid of `levels` levels, the finest first."""

    def __init__(self, levels: int, channels: int, activation: Activation) -> None:
        super().__init__()
        self.down = nn.ModuleList(Node(2, channels, activation()) for _ in range(levels - 1))
        self.up = nn.ModuleList(Node(3, channels, activation()) for _ in range(levels - 2))
        self.top = Node(2, channels, activation())

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Return levels of the same shapes, (N, C, h, w) each, h and w halved level by level."""
        down = [levels[-1]]  # from the coarsest level to the finest
        for level, node in zip(reversed(levels[:-1]), reversed(self.down), strict=True):
            down.insert(0, node(level, resize(down[0], level.shape[-2:])))
        up = [down[0]]  # and back
        for level, crossed, node in zip(levels[1:-1], down[1:-1], self.up, strict=True):
            up.append(node(level, crossed, halve(up[-1])))
        return [*up, self.top(levels[-1], halve(up[-1]))]


def halve(x: Tensor) -> Tensor:
    """Return 3x3 max pooling with stride 2: (N, C, h, w) to (N, C, ceil(h/2), ceil(w/2))."""
    return F.max_pool2d(x, 3, stride=2, padding=1)
