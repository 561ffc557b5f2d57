# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""MMBConv U-Net: a U-Net with equal branches of inverted bottlenecks without 1x1 convolutions.

Chen, Cai, Wu, Xiong and Park, Multi-Scale Semantic Segmentation with Modified MBConv Blocks (arXiv
2402.04618). There is no public code. The abstract and summaries specify: a stem that reduces the
image four times, a U-Net whose branches have the same depth and channels at every resolution,
and MBConv (arXiv 1801.04381) with 3x3 convolutions in place of its 1x1 ones. All numbers
of layers and channels are our choice: docs/models.md lists them.
"""

from __future__ import annotations

from torch import Tensor, nn

from mfaranet_ros.models.base import SegmentationModel, SingleScore, StageOutputs
from mfaranet_ros.models.efficientnet import initialise
from mfaranet_ros.models.layers import resize
from mfaranet_ros.models.registry import register_model

LEVELS = 5
"""Number of branches, at strides 4 to 64."""

STRIDE = 64
"""Stride of the coarsest branch."""

EXPANSION = 4
"""Ratio of the inner to the outer channels of an MMBConv."""


class MMBConvUNet(SingleScore):
    """A stem, five equal branches on the way down and up, and one score at stride 4.

    width: channels everywhere. depth: blocks of a branch on either way. training_heads: with the
    boundary head of the loss.
    """

    def __init__(
        self, width: int, depth: int, *, classes: int, training_heads: bool = False
    ) -> None:
        super().__init__(width, classes=classes, training_heads=training_heads)
        self.shape = width, depth
        self.stem = nn.Sequential(
            *conv_bn_act(3, width // 2, stride=2), *conv_bn_act(width // 2, width, stride=2)
        )
        self.down = nn.ModuleList(
            branch(width, depth, stride=1 if level == 0 else 2) for level in range(LEVELS)
        )
        self.up = nn.ModuleList(branch(width, depth, stride=1) for _ in range(LEVELS))
        initialise(self)

    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return the score and the boundary of x, float (N, 3, H, W), at stride 4."""
        self.check_size(x, STRIDE)
        x = self.stem(x)  # (N, width, h, w) with h = ceil(H / 4), w = ceil(W / 4)
        levels = []
        for down in self.down:
            x = down(x)  # (N, width, h / 2^k, w / 2^k), rounded up
            levels.append(x)
        x = self.up[-1](x)
        for level, up in zip(reversed(levels[:-1]), reversed(self.up[:-1]), strict=True):
            x = up(resize(x, level.shape[-2:]) + level)
        return self.read(x)


class MMBConv(nn.Module):
    """A modified MBConv: 3x3 expansion, depthwise 3x3 convolution, 3x3 projection."""

    def __init__(self, channels: int, stride: int = 1) -> None:
        super().__init__()
        wide = channels * EXPANSION
        self.expand = conv_bn_act(channels, wide)
        self.filter = conv_bn_act(wide, wide, stride=stride, groups=wide)
        self.project = nn.Sequential(
            nn.Conv2d(wide, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )
        self.is_residual = stride == 1

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, h / stride, w / stride) of x, float (N, C, h, w)."""
        out = self.project(self.filter(self.expand(x)))  # (N, C, h / stride, w / stride)
        return out + x if self.is_residual else out  # type: ignore[no-any-return]


def branch(width: int, depth: int, stride: int) -> nn.Sequential:
    """Return the blocks of a branch in one direction; the first block applies the stride."""
    return nn.Sequential(MMBConv(width, stride), *(MMBConv(width) for _ in range(depth - 1)))


def conv_bn_act(inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Return a 3x3 convolution, batch normalisation and SiLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.SiLU(inplace=True),
    )


_register = register_model(stride=STRIDE, paper='arXiv 2402.04618')


@_register
def mmbconv_unet_s(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the small network."""
    return MMBConvUNet(64, 2, classes=classes, training_heads=training_heads)


@_register
def mmbconv_unet_m(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the medium network."""
    return MMBConvUNet(96, 3, classes=classes, training_heads=training_heads)


@_register
def mmbconv_unet_l(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the large network."""
    return MMBConvUNet(128, 4, classes=classes, training_heads=training_heads)
