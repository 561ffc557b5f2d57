# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The EfficientNets, with squeeze and excitation or, as EfficientNet-Lite, without.

EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks (arXiv 1905.11946). Its
Lite variants (Google, 2020) leave out squeeze and excitation, bound the activation at 6, and scale
neither the stem nor the number of blocks of the first and the last stage. Parameters
are named and padding is symmetric as in timm.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

HEAD_CHANNELS = 1280
"""Channels before the classifier of all EfficientNets here."""


@dataclass(frozen=True)
class Stage:
    """One stage of EfficientNet-B0; kernel in pixels, expansion of the inputs of each block."""

    blocks: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
"""The stages of EfficientNet-B0, from which all others are scaled."""

TAPS = (1, 2, 4, 6)
"""The stages whose outputs are the features at strides 4, 8, 16 and 32."""


@dataclass(frozen=True)
class EfficientNetSize:
    """The scaling of an EfficientNet relative to B0; lite: whether it is a Lite variant."""

    width: float = 1.0
    depth: float = 1.0
    lite: bool = False

    @property
    def stem(self) -> int:
        """The channels of the stem."""
        return 32 if self.lite else round_channels(32 * self.width)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The scaled stages."""
        ends = (0, len(STAGES) - 1) if self.lite else ()
        return tuple(
            Stage(
                blocks=stage.blocks if i in ends else math.ceil(stage.blocks * self.depth),
                kernel=stage.kernel,
                stride=stage.stride,
                expansion=stage.expansion,
                channels=round_channels(stage.channels * self.width),
            )
            for i, stage in enumerate(STAGES)
        )

    @property
    def channels(self) -> tuple[int, ...]:
        """The channels of the features at strides 4, 8, 16 and 32."""
        stages = self.stages
        return tuple(stages[i].channels for i in TAPS)

    def activation(self) -> nn.Module:
        """Return a new activation: ReLU6 of a Lite one, else SiLU."""
        return nn.ReLU6(inplace=True) if self.lite else nn.SiLU(inplace=True)


LITE0 = EfficientNetSize(1.0, 1.0, lite=True)
LITE1 = EfficientNetSize(1.0, 1.1, lite=True)
LITE3 = EfficientNetSize(1.2, 1.4, lite=True)
B0 = EfficientNetSize(1.0, 1.0)


def round_channels(channels: float) -> int:
    """Return the nearest multiple of 8 that is at most a tenth smaller."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


class SqueezeExcite(nn.Module):
    """Squeeze and excitation: weights channels by their global mean (arXiv 1709.01507)."""

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.conv_reduce = nn.Conv2d(channels, reduced, 1)
        self.act = nn.SiLU(inplace=True)
        self.conv_expand = nn.Conv2d(reduced, channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """Return x, float (N, C, h, w), with each channel weighted."""
        mean = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        gate: Tensor = self.gate(self.conv_expand(self.act(self.conv_reduce(mean))))
        return x * gate


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution and a 1x1 convolution: the block of the first stage."""

    def __init__(self, size: EfficientNetSize, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        self.conv_dw = depthwise(inputs, stage.kernel, stride)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.act1 = size.activation()
        self.se = nn.Identity() if size.lite else SqueezeExcite(inputs, inputs // 4)
        self.conv_pw = nn.Conv2d(inputs, stage.channels, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(stage.channels)
        self.is_residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, channels, h / stride, w / stride) of x, float (N, inputs, h, w)."""
        out = self.se(self.act1(self.bn1(self.conv_dw(x))))
        out = self.bn2(self.conv_pw(out))
        return out + x if self.is_residual else out  # type: ignore[no-any-return]


class InvertedResidual(nn.Module):
    """MBConv (arXiv 1801.04381): expanded, filtered channel by channel, and projected."""

    def __init__(self, size: EfficientNetSize, inputs: int, stage: Stage, stride: int) -> None:
        super().__init__()
        wide = inputs * stage.expansion
        self.conv_pw = nn.Conv2d(inputs, wide, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.act1 = size.activation()
        self.conv_dw = depthwise(wide, stage.kernel, stride)
        self.bn2 = nn.BatchNorm2d(wide)
        self.act2 = size.activation()
        self.se = nn.Identity() if size.lite else SqueezeExcite(wide, inputs // 4)
        self.conv_pwl = nn.Conv2d(wide, stage.channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(stage.channels)
        self.is_residual = stride == 1 and inputs == stage.channels

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, channels, h / stride, w / stride) of x, float (N, inputs, h, w)."""
        out = self.act1(self.bn1(self.conv_pw(x)))  # (N, wide, h, w)
        out = self.se(self.act2(self.bn2(self.conv_dw(out))))  # (N, wide, h / stride, ...)
        out = self.bn3(self.conv_pwl(out))
        return out + x if self.is_residual else out  # type: ignore[no-any-return]


def depthwise(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a depthwise convolution."""
    padding = kernel // 2
    return nn.Conv2d(channels, channels, kernel, stride, padding, groups=channels, bias=False)


class EfficientNet(nn.Module):
    """The features of an EfficientNet.

    size: its scaling. with_head: include the convolution before the classifier, which the
    features do not use; the state_dict is then the public network's without the classifier.
    """

    CLASSIFIER = 'classifier'
    HEAD: tuple[str, ...] = ('conv_head', 'bn2')

    def __init__(self, size: EfficientNetSize, *, with_head: bool = False) -> None:
        super().__init__()
        self.size = size
        self.conv_stem = nn.Conv2d(3, size.stem, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(size.stem)
        self.act1 = size.activation()
        self.blocks = nn.Sequential()
        inputs = size.stem
        for stage in size.stages:
            self.blocks.append(make_stage(size, inputs, stage))
            inputs = stage.channels
        if with_head:
            self.conv_head = nn.Conv2d(inputs, HEAD_CHANNELS, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(HEAD_CHANNELS)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features of (N, 3, H, W) at strides 4, 8, 16 and 32, sizes rounded up."""
        x = self.act1(self.bn1(self.conv_stem(x)))  # (N, stem, H / 2, W / 2)
        features = []
        for number, stage in enumerate(self.blocks):
            x = stage(x)
            if number in TAPS:
                features.append(x)
        return features

    def published(self) -> dict[str, Tensor]:
        """Return the public network's state_dict of (meta, shape only) tensors, no classifier."""
        with torch.device('meta'):
            return EfficientNet(self.size, with_head=True).state_dict()

    def translate(self, name: str) -> str:
        """Translate a torchvision parameter name to timm's; other names are unchanged."""
        found = _TORCHVISION.fullmatch(name)
        if found is None:
            return name
        stage, rest = int(found['stage']), found['rest']
        if stage in (0, len(STAGES) + 1):
            names = ('conv_stem', 'bn1') if stage == 0 else self.HEAD
            return _replaced(rest, {'0.': f'{names[0]}.', '1.': f'{names[1]}.'})
        block, _, rest = rest.partition('.block.')
        table = _TORCHVISION_FIRST if STAGES[stage - 1].expansion == 1 else _TORCHVISION_BLOCK
        return f'blocks.{stage - 1}.{block}.{_replaced(rest, table)}'


_TORCHVISION = re.compile(r'features\.(?P<stage>[0-8])\.(?P<rest>.+)')

_TORCHVISION_FIRST = {
    '0.0.': 'conv_dw.', '0.1.': 'bn1.', '1.fc1.': 'se.conv_reduce.', '1.fc2.': 'se.conv_expand.',
    '2.0.': 'conv_pw.', '2.1.': 'bn2.',
}  # fmt: skip
_TORCHVISION_BLOCK = {
    '0.0.': 'conv_pw.', '0.1.': 'bn1.', '1.0.': 'conv_dw.', '1.1.': 'bn2.',
    '2.fc1.': 'se.conv_reduce.', '2.fc2.': 'se.conv_expand.', '3.0.': 'conv_pwl.', '3.1.': 'bn3.',
}  # fmt: skip
"""Prefixes of layer names in torchvision and their names here."""


def _replaced(name: str, table: Mapping[str, str]) -> str:
    for theirs, ours in table.items():
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    return name


def make_stage(size: EfficientNetSize, inputs: int, stage: Stage) -> nn.Sequential:
    """Return the blocks of a stage; the first block applies the stride."""
    kind = DepthwiseSeparable if stage.expansion == 1 else InvertedResidual
    blocks = nn.Sequential(kind(size, inputs, stage, stage.stride))
    for _ in range(stage.blocks - 1):
        blocks.append(kind(size, stage.channels, stage, 1))
    return blocks


def initialise(module: nn.Module) -> None:
    """Initialise convolutions from a normal distribution of variance 2 / fan-out.

    Tensors on the meta device hold no values and are skipped.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
            fan_out = layer.weight[0, 0].numel() * layer.out_channels // layer.groups
            nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / fan_out))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
