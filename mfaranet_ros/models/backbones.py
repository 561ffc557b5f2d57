# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ResNets that networks use as backbones.

Deep Residual Learning for Image Recognition (arXiv 1512.03385), as published or with the deep stem
that PSPNet (arXiv 1612.01105) made common in segmentation: three 3x3 convolutions of 64, 64 and
128 channels in place of one 7x7. Parameters are named as in torchvision.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; the second may be dilated."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, width, h / stride, w / stride) of x, float (N, inputs, h, w)."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, h / stride, w / stride)
        out = self.bn2(self.conv2(out))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut; the 3x3 has the stride and the dilation."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, dilation, dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 4 * width, h / stride, w / stride) of x, float (N, inputs, h, w)."""
        out = self.relu(self.bn1(self.conv1(x)))  # (N, width, h, w)
        out = self.relu(self.bn2(self.conv2(out)))  # (N, width, h / stride, w / stride)
        out = self.bn3(self.conv3(out))  # (N, 4 * width, h / stride, w / stride)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))  # type: ignore[no-any-return]


def shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    """Return the projection of a block's shortcut, or None if the input already fits."""
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
    )


STEM_CHANNELS = 128
"""Channels of the deep stem."""

PLAIN_STEM_CHANNELS = 64
"""Channels of the original stem."""


@dataclass(frozen=True)
class ResNet:
    """The block type of a ResNet and the number of blocks in each stage."""

    block: type[BasicBlock] | type[Bottleneck]
    depths: tuple[int, int, int, int]

    @property
    def channels(self) -> tuple[int, ...]:
        """The output channels of the four stages, at strides 4, 8, 16 and 32."""
        return tuple(width * self.block.expansion for width in (64, 128, 256, 512))

    def stage(self, number: int, dilation: int = 1, stem: int = STEM_CHANNELS) -> nn.Sequential:
        """Return stage 1, 2, 3 or 4; all but the first halve the size. stem: its channels."""
        stride = 1 if number == 1 else 2
        inputs = stem if number == 1 else self.channels[number - 2]
        outputs, width = self.channels[number - 1], 32 << number
        blocks = [self.block(inputs, width, stride, dilation)]
        for _ in range(self.depths[number - 1] - 1):
            blocks.append(self.block(outputs, width, 1, dilation))
        return nn.Sequential(*blocks)


RESNET18 = ResNet(BasicBlock, (2, 2, 2, 2))
RESNET50 = ResNet(Bottleneck, (3, 4, 6, 3))
RESNET101 = ResNet(Bottleneck, (3, 4, 23, 3))


def deep_stem() -> nn.Sequential:
    """Return the deep stem: (N, 3, H, W) to (N, 128, H / 4, W / 4)."""
    convolutions = nn.Sequential(
        nn.Conv2d(3, 64, 3, stride=2, padding=1, bias=False),  # (N, 64, H / 2, W / 2)
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, 64, 3, padding=1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        nn.Conv2d(64, STEM_CHANNELS, 3, padding=1, bias=False),  # (N, 128, H / 2, W / 2)
    )
    return nn.Sequential(
        convolutions,
        nn.BatchNorm2d(STEM_CHANNELS),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, stride=2, padding=1),  # (N, 128, H / 4, W / 4)
    )


class PlainResNet(nn.Module):
    """The features of a ResNet as published, with a stem of one 7x7 convolution."""

    CLASSIFIER = 'fc'
    HEAD: tuple[str, ...] = ()

    def __init__(self, resnet: ResNet) -> None:
        super().__init__()
        self.resnet = resnet
        self.conv1 = nn.Conv2d(3, PLAIN_STEM_CHANNELS, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(PLAIN_STEM_CHANNELS)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = resnet.stage(1, stem=PLAIN_STEM_CHANNELS)
        self.layer2 = resnet.stage(2)
        self.layer3 = resnet.stage(3)
        self.layer4 = resnet.stage(4)
        initialise(self)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return features of (N, 3, H, W) at strides 2, 4, 8, 16 and 32, sizes rounded up."""
        features = [self.relu(self.bn1(self.conv1(x)))]  # (N, 64, H / 2, W / 2)
        x = self.maxpool(features[0])
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            features.append(x)
        return features

    def published(self) -> dict[str, Tensor]:
        """Return the public network's state_dict of (meta, shape only) tensors, no classifier."""
        with torch.device('meta'):
            return PlainResNet(self.resnet).state_dict()

    def translate(self, name: str) -> str:
        """Return the name of a parameter, which is the same in timm and torchvision."""
        return name


def initialise(*modules: nn.Module) -> None:
    """Initialise the convolutions of a backbone for training from scratch (arXiv 1502.01852).

    Batch normalisation already starts at one and zero. Tensors on the meta device are skipped:
    they hold no values, and torch would spend a second importing what fills them.
    """
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d) and not layer.weight.is_meta:
                nn.init.kaiming_normal_(layer.weight, mode='fan_out', nonlinearity='relu')
