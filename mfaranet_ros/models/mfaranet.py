# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""MFARANet: Multi-Level Features Aggregation and Recursive Alignment Network.

Zhang et al., Multi-Level Feature Aggregation and Recursive Alignment Network for Real-Time
Semantic Segmentation (arXiv 2402.02286). Written from the paper and the published description of
its parameters; the names of the parameters are those of the published checkpoints.

A ResNet gives features at strides 4, 8, 16 and 32. A top-down and a bottom-up path mix them. Each
level is then warped, flow by flow, onto the finest one, and scored there; every class weighs the
scales by its own attention.

A network with only some of the scales has only the branches that reach one of them, with the
weights of the whole network. A single scale is the paper's pruned network: its own score and no
attention.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from torch import Tensor, nn

from mfaranet_ros.models.backbones import (
    RESNET18,
    RESNET50,
    RESNET101,
    ResNet,
    deep_stem,
    initialise,
)
from mfaranet_ros.models.base import SegmentationModel, StageOutputs
from mfaranet_ros.models.layers import FlowNet, conv_bn_relu, resize, warp
from mfaranet_ros.models.registry import register_model
from mfaranet_ros.models.scales import ALL_SCALES

WIDTH = 128
"""Channels of every feature map in the decoder."""

STRIDE = 32
"""Stride of the coarsest features."""


class MFARANet(SegmentationModel):
    """The network of the paper on one of the deep-stem ResNets; input float (N, 3, H, W).

    scales: kept scales, ascending. training_heads: with the boundary heads of the loss.
    """

    BACKBONE = ('layer0', 'layer1', 'layer2', 'layer3', 'layer4')
    ATTENTION_HEADS = ('HMSA_attentions',)
    TRAINING_HEADS = ('boundary_heads',)
    SCORE_HEADS = ('multi_loss_head',)

    warp: Callable[[Tensor, Tensor], Tensor] = staticmethod(warp)
    """Samples features (N, C, h, w) at a grid (N, h, w, 2); backends may replace it."""

    def __init__(
        self,
        backbone: ResNet,
        *,
        classes: int,
        scales: tuple[int, ...] = ALL_SCALES,
        training_heads: bool = False,
    ) -> None:
        super().__init__(classes=classes, scales=scales)
        self.backbone = backbone
        self.layer0 = deep_stem()
        self.layer1 = backbone.stage(1)
        self.layer2 = backbone.stage(2)
        self.layer3 = backbone.stage(3, dilation=2)  # dilated, yet the stride stays
        self.layer4 = backbone.stage(4, dilation=4)
        initialise(self.layer0, self.layer1, self.layer2, self.layer3, self.layer4)

        coarsest = max(scales)  # what lies beyond it reaches no kept scale but from the top down
        fused = min(coarsest, 3) - 1  # the finest and the coarsest level are not fused again
        kept = [str(scale - 1) for scale in scales]
        attended = kept if len(kept) > 1 else []
        self.channel_changes = nn.ModuleList(
            conv_bn_relu(channels, WIDTH, 1) for channels in backbone.channels
        )
        self.feature_fuses_up = nn.ModuleList(conv_bn_relu(WIDTH, WIDTH, 3) for _ in range(3))
        self.feature_fuses_down = nn.ModuleList(
            conv_bn_relu(WIDTH, WIDTH, 3) for _ in range(coarsest - 1)
        )
        self.stage_fuses = nn.ModuleList(conv_bn_relu(WIDTH, WIDTH, 3) for _ in range(fused))
        self.multi_loss_head = nn.ModuleDict({key: score_head(classes) for key in kept})
        self.stages_offset = nn.ModuleList(FlowNet(WIDTH, WIDTH // 2) for _ in range(coarsest - 1))
        self.HMSA_attentions = nn.ModuleDict({key: attention_head(classes) for key in attended})
        self.boundary_heads = nn.ModuleDict(
            {key: score_head(1) for key in kept} if training_heads else {}
        )

    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return score, attention and boundary of x, float (N, 3, H, W), for each kept scale."""
        self.check_size(x, STRIDE)
        aligned = self._align(self._aggregate(self._features(x)))  # (N, 128, h, w) each
        return StageOutputs(
            scales=self.scales,
            scores=_apply(self.multi_loss_head, aligned),  # (N, C, h, w) each
            attentions=_apply(self.HMSA_attentions, aligned),  # (N, C, h, w) each
            boundaries=_apply(self.boundary_heads, aligned),  # (N, 1, h, w) each
        )

    def _features(self, x: Tensor) -> list[Tensor]:
        """Return the features of the four stages: (N, 128, ...) at strides 4, 8, 16 and 32."""
        x = self.layer0(x)  # (N, 128, h, w) with h = ceil(H / 4), w = ceil(W / 4)
        features = []
        stages = (self.layer1, self.layer2, self.layer3, self.layer4)
        for stage, channel_change in zip(stages, self.channel_changes, strict=True):
            x = stage(x)  # (N, channels of the stage, h / 2^k, w / 2^k)
            features.append(channel_change(x))
        return features

    def _aggregate(self, features: list[Tensor]) -> list[Tensor]:
        """Return the levels (N, 128, ...) up to the coarsest kept one, mixed along both paths."""
        top_down = [features[3]]
        for level in (2, 1, 0):
            coarser = resize(top_down[0], features[level].shape[-2:])
            top_down.insert(0, self.feature_fuses_up[level](coarser + features[level]))
        bottom_up = [features[0]]
        for level, fuse in enumerate(self.feature_fuses_down, start=1):
            finer = resize(bottom_up[-1], features[level].shape[-2:])
            bottom_up.append(fuse(finer + features[level]))
        levels = [top_down[0]]
        for level, fuse in enumerate(self.stage_fuses, start=1):
            levels.append(fuse(top_down[level] + bottom_up[level]))
        return levels + bottom_up[len(levels) :]  # level 4 comes from the bottom-up path alone

    def _align(self, levels: list[Tensor]) -> list[Tensor]:
        """Return the kept levels warped, one flow after another, to the finest: (N, 128, h, w)."""
        grids = [
            flow_net(levels[k], levels[k + 1]) for k, flow_net in enumerate(self.stages_offset)
        ]
        aligned = []
        for scale in self.scales:
            level = levels[scale - 1]
            for grid in reversed(grids[: scale - 1]):
                level = self.warp(level, grid)
            aligned.append(level)
        return aligned

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """Return this network's name for each name of a weights file.

        The authors' `MFARANet_Scale_Choice` nests the stages one deeper and names the attentions
        differently. With fewer than four attentions it does not say which scales they
        belong to, so they keep their names and are reported as unexpected.
        """
        names = list(names)
        attentions = {name.split('.')[1] for name in names if name.startswith('ASFM_attentions.')}
        translated = {name: _NESTED.sub(r'\1.\2', name) for name in names}
        if len(attentions) < len(ALL_SCALES):
            return translated
        return {
            name: ours.replace('ASFM_attentions.', 'HMSA_attentions.', 1)
            for name, ours in translated.items()
        }


_NESTED = re.compile(r'^(layer[1-4])\.0\.(\d+\.)')


def _apply(heads: nn.ModuleDict, aligned: list[Tensor]) -> tuple[Tensor, ...]:
    """Return the output of each head for its kept scale; empty if there are no heads."""
    if not heads:
        return ()
    return tuple(head(x) for head, x in zip(heads.values(), aligned, strict=True))


def score_head(classes: int) -> nn.Sequential:
    """Return the head that scores the classes of one scale, (N, 128, h, w) to (N, C, h, w)."""
    return nn.Sequential(nn.Conv2d(WIDTH, classes, 1))


def attention_head(classes: int) -> nn.Sequential:
    """Return the head that weights the classes of one scale, (N, 128, h, w) to (N, C, h, w)."""
    return nn.Sequential(
        nn.Conv2d(WIDTH, WIDTH // 2, 3, padding=1, bias=False),  # (N, 64, h, w)
        nn.BatchNorm2d(WIDTH // 2),
        nn.ReLU(inplace=True),
        nn.Dropout(0.5),
        nn.Conv2d(WIDTH // 2, classes, 1, bias=False),  # (N, C, h, w)
        nn.Sigmoid(),
    )


_register = register_model(stride=STRIDE, paper='arXiv 2402.02286', has_scales=True)


@_register
def mfaranet_resnet18(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the network of the paper, on ResNet-18."""
    return MFARANet(RESNET18, classes=classes, scales=scales, training_heads=training_heads)


@_register
def mfaranet_resnet50(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the paper's larger variant."""
    return MFARANet(RESNET50, classes=classes, scales=scales, training_heads=training_heads)


@_register
def mfaranet_resnet101(
    classes: int, scales: tuple[int, ...], training_heads: bool
) -> SegmentationModel:
    """Build the largest variant of the authors' code."""
    return MFARANet(RESNET101, classes=classes, scales=scales, training_heads=training_heads)
