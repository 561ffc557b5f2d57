# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ESeg: semantic segmentation with a pyramid down to 1/512 of the image, and nothing atrous.

Meng et al., Revisiting Multi-Scale Feature Fusion for Semantic Segmentation (arXiv 2203.12683).
There is no public code. Its abstract says: levels P2 (stride 4) to P9 (stride 512), no atrous
convolution, no high internal resolution, all levels fused by a BiFPN. The backbones, the widths
and repeats of each size, and all details are our choice: docs/models.md lists them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mfaranet_ros.models.base import SegmentationModel, StageOutputs
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
from mfaranet_ros.models.registry import IMAGENET_MEAN, IMAGENET_STD, register_model
from mfaranet_ros.models.single_score import SingleScore

LEVELS = 8
"""P2 to P9: the four of the backbone, at strides 4 to 32, and four more that halve the last."""

STRIDE = 512
"""Of P9."""

SMALL = 0.02
"""Standard deviation of the first weights."""


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
        """Return the one score, and the boundary, at stride 4."""
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

    def published(self) -> dict[str, Tensor]:
        """Return the state_dict of the network with its training head, on the meta device."""
        with torch.device('meta'):
            whole = ESeg(*self.shape, classes=self.classes, training_heads=True)
        return whole.state_dict()


def make_small(module: nn.Module) -> None:
    """Fill the convolutions that batch normalisation follows with small weights, not depthwise.

    Their size changes no answer, only how far a step of training turns them: one of Muon's is as
    long for large weights as for small ones. docs/training.md has what came of it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None and layer.groups == 1:
            _fill(layer.weight)


def _fill(weight: Tensor) -> None:
    if not weight.is_meta:  # where there is nothing to fill
        nn.init.normal_(weight, 0.0, SMALL)


_register = register_model(
    paper='arXiv 2203.12683', mean=IMAGENET_MEAN, std=IMAGENET_STD, stride=STRIDE, has_scales=False
)


@_register
def eseg_lite_s(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the small and fast network."""
    return ESeg(LITE0, 64, 3, classes=classes, training_heads=training_heads)


@_register
def eseg_lite_m(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the middle one of the light networks."""
    return ESeg(LITE1, 80, 4, classes=classes, training_heads=training_heads)


@_register
def eseg_lite_l(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the largest of the light networks."""
    return ESeg(LITE3, 96, 5, classes=classes, training_heads=training_heads)


@_register
def eseg_s(classes: int, scales: tuple[int, ...], training_heads: bool) -> SegmentationModel:
    """Build the network on an EfficientNet with squeeze and excitation."""
    return ESeg(B0, 64, 3, classes=classes, training_heads=training_heads)
