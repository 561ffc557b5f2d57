# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Early Fusion: features of a frozen classifier are fused first, then refined level by level.

Gupta, Krishnamurthy and Singh, Early Fusion of Features for Semantic Segmentation (arXiv
2402.06091). There is no public code. The abstract and the first figure specify: a frozen
ResNet-50, which saves memory; its features at several scales, adapted by 1x1 convolutions, go into
a reverse HRNet; one more stream of high resolution is added. What reverse means, all widths and
all numbers are our choice: docs/models.md lists them.

Here it means HRNet (arXiv 1908.07919) in a mirror: every module first fuses all streams and then
refines each of them, and from stage to stage the coarsest stream is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from mfaranet_ros.models.backbones import (
    PLAIN_STEM_CHANNELS,
    RESNET50,
    BasicBlock,
    PlainResNet,
    initialise,
)
from mfaranet_ros.models.base import SegmentationModel, SingleScore, StageOutputs
from mfaranet_ros.models.layers import resize
from mfaranet_ros.models.registry import register_model

STRIDE = 32
"""Stride of the coarsest stream."""

LEVELS = (0, 0, 1, 2, 3)
"""The level of each stream, 0 at stride 4 to 3 at stride 32; the first is the additional one."""

STREAMS = (5, 5, 5, 4, 4, 4, 4, 3, 1)
"""How many streams leave each module: HRNet's 1, 4 and 3 modules the other way round."""

BLOCKS = 4
"""Residual blocks of each stream in each module, as HRNet has."""


class EarlyFusion(SingleScore):
    """A frozen ResNet-50, a reverse HRNet, and one score at stride 4.

    width: channels of the streams at stride 4; each coarser level has twice as many.
    training_heads: with the boundary head of the loss.
    """

    BACKBONE = ('backbone',)

    def __init__(self, width: int, *, classes: int, training_heads: bool = False) -> None:
        super().__init__(width, classes=classes, training_heads=training_heads)
        self.width = width
        self.backbone = PlainResNet(RESNET50)
        channels = (PLAIN_STEM_CHANNELS, *RESNET50.channels)
        self.adapt = nn.ModuleList(
            conv_bn(inputs, width << level, 1)
            for inputs, level in zip(channels, LEVELS, strict=True)
        )
        self.halve = nn.Sequential(nn.ReLU(inplace=True), conv_bn(width, width, 3, stride=2))
        before = (len(LEVELS), *STREAMS[:-1])
        self.fusions = nn.Sequential(
            *(
                FusionModule(width, LEVELS[:inputs], LEVELS[:outputs])
                for inputs, outputs in zip(before, STREAMS, strict=True)
            )
        )
        initialise(self.adapt, self.halve, self.fusions)
        self.freeze_backbone()

    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return the score and the boundary of x, float (N, 3, H, W), at stride 4."""
        self.check_size(x, STRIDE)
        features = self.backbone(x)  # at strides 2, 4, 8, 16 and 32
        streams = [adapt(f) for adapt, f in zip(self.adapt, features, strict=True)]
        streams[0] = self.halve(streams[0])  # (N, width, h, w) like the next one
        (finest,) = self.fusions(streams)
        return self.read(finest)


class FusionModule(nn.Module):
    """Fuses streams into the streams of some of their levels and refines each of these."""

    def __init__(self, width: int, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        super().__init__()
        self.levels = tuple(inputs)
        self.exchanges = nn.ModuleList(
            nn.ModuleList(
                exchange(width, level, target, same=i == o) for i, level in enumerate(inputs)
            )
            for o, target in enumerate(outputs)
        )
        self.relu = nn.ReLU(inplace=True)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width << level, width << level) for _ in range(BLOCKS)))
            for level in outputs
        )

    def forward(self, streams: list[Tensor]) -> list[Tensor]:
        """Return the refined streams, finest first, (N, C, h, w) each, C doubling by level."""
        refined = []
        for number, (exchanges, blocks) in enumerate(
            zip(self.exchanges, self.blocks, strict=True)
        ):
            assert isinstance(exchanges, nn.ModuleList)
            size = streams[number].shape[-2:]
            fused = streams[number]
            for i, (stream, change) in enumerate(zip(streams, exchanges, strict=True)):
                if i != number:
                    changed = change(stream)
                    coarser = self.levels[i] > self.levels[number]
                    fused = fused + (resize(changed, size) if coarser else changed)
            refined.append(blocks(self.relu(fused)))
        return refined


def exchange(width: int, level: int, target: int, *, same: bool) -> nn.Module:
    """Return the layers that convert a stream of a level to the channels of a target level.

    To a coarser level: a 3x3 convolution of stride 2 for each halving. To a finer level: a 1x1
    convolution, enlarged afterwards by the caller. same: the stream itself, unchanged.
    """
    if same:
        return nn.Identity()
    if level >= target:
        return conv_bn(width << level, width << target, 1)
    steps = nn.Sequential()
    for last in range(level + 1, target + 1):
        outputs = width << (target if last == target else level)
        steps.append(conv_bn(width << level, outputs, 3, stride=2))
        if last < target:
            steps.append(nn.ReLU(inplace=True))
    return steps


def conv_bn(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution and batch normalisation: (N, inputs, h, w) to (N, outputs, ...)."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    )


_register = register_model(stride=STRIDE, paper='arXiv 2402.06091')


@_register
def early_fusion_w18(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the small network."""
    return EarlyFusion(18, classes=classes, training_heads=training_heads)


@_register
def early_fusion_w48(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the large network."""
    return EarlyFusion(48, classes=classes, training_heads=training_heads)
