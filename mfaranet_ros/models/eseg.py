# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ESeg: semantic segmentation with a feature pyramid down to stride 512 and no atrous convolution.

Meng et al., Revisiting Multi-Scale Feature Fusion for Semantic Segmentation (arXiv 2203.12683).
There is no public code. The abstract specifies: levels P2 (stride 4) to P9 (stride 512), no atrous
convolution, no high internal resolution, all levels fused by a BiFPN. The backbones, the widths
and repeats of each size, and all details are our choice: docs/models.md lists them.
"""

from __future__ import annotations

from torch import Tensor, nn

from mfaranet_ros.models.base import SegmentationModel, SingleScore, StageOutputs
from mfaranet_ros.models.bifpn import BiFPNLayer, Fusion, halve, separable
from mfaranet_ros.models.efficientnet import (
    B0,
    LITE0,
    LITE1,
    LITE3,
    EfficientNet,
    EfficientNetSize,
)
from mfaranet_ros.models.layers import resize
from mfaranet_ros.models.registry import register_model

LEVELS = 8
"""P2 to P9: four of the backbone, at strides 4 to 32, and four more, each half the last."""

STRIDE = 512
"""Stride of P9."""

SMALL = 0.02
"""Standard deviation of the initial weights."""


class ESeg(SingleScore):
    """An EfficientNet, a BiFPN over eight levels, and one score at stride 4.

    backbone: which EfficientNet. width: channels of the pyramid. repeats: layers of the BiFPN.
    training_heads: with the boundary head of the loss.
    """

    BACKBONE = ('backbone',)

    def __init__(
        self,
        backbone: EfficientNetSize,
        width: int,
        repeats: int,
        *,
        classes: int,
        training_heads: bool = False,
    ) -> None:
        super().__init__(width, classes=classes, training_heads=training_heads)
        self.shape = backbone, width, repeats
        self.backbone = EfficientNet(backbone)
        self.lateral = nn.ModuleList(
            nn.Sequential(nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width))
            for channels in (*backbone.channels, backbone.channels[-1])
        )  # the last one for what lies above the backbone
        self.bifpn = nn.Sequential(
            *(BiFPNLayer(LEVELS, width, backbone.activation) for _ in range(repeats))
        )
        self.fusion = Fusion(LEVELS)
        self.head = separable(width, backbone.activation())
        make_small(self)

    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return the score and the boundary of x, float (N, 3, H, W), at stride 4."""
        return self.read(self.head(self._fuse(self.bifpn(self._levels(x)))))

    def _levels(self, x: Tensor) -> list[Tensor]:
        """Return P2 to P9, (N, width, H / 4, W / 4) and then half of it each, rounded up."""
        self.check_size(x, STRIDE)
        features = self.backbone(x)
        features.append(features[-1])
        levels = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        levels[-1] = halve(levels[-1])  # P6
        while len(levels) < LEVELS:
            levels.append(halve(levels[-1]))
        return levels

    def _fuse(self, levels: list[Tensor]) -> Tensor:
        """Return the weighted sum of all levels at the size of the finest, (N, width, h, w).

        Each sum is enlarged to the next finer level, which costs less than enlarging every level
        to the finest.
        """
        shares = self.fusion.shares().unbind()
        fused = levels[-1] * shares[-1]
        for level, share in zip(reversed(levels[:-1]), reversed(shares[:-1]), strict=True):
            fused = resize(fused, level.shape[-2:]) + level * share
        return fused


def make_small(module: nn.Module) -> None:
    """Give small initial weights to convolutions followed by batch normalisation, not depthwise.

    Their magnitude does not change the output, only how far a training step rotates them: Muon's
    steps do not scale with the weights. docs/training.md reports the effect.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None and layer.groups == 1:
            _fill(layer.weight)


def _fill(weight: Tensor) -> None:
    if not weight.is_meta:  # meta tensors hold no values
        nn.init.normal_(weight, 0.0, SMALL)


_register = register_model(stride=STRIDE, paper='arXiv 2203.12683')


@_register
def eseg_lite_s(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the small light network."""
    return ESeg(LITE0, 64, 3, classes=classes, training_heads=training_heads)


@_register
def eseg_lite_m(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the medium light network."""
    return ESeg(LITE1, 80, 4, classes=classes, training_heads=training_heads)


@_register
def eseg_lite_l(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the large light network."""
    return ESeg(LITE3, 96, 5, classes=classes, training_heads=training_heads)


@_register
def eseg_s(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the network on an EfficientNet with squeeze and excitation."""
    return ESeg(B0, 64, 3, classes=classes, training_heads=training_heads)
