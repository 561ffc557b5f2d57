# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network that trains in milliseconds, and the command with it in the zoo.

Run as a script it is `mfaranet`; the tests load it by its path.
"""

import sys

import torch
from torch import nn

from mfaranet_ros.models import SegmentationModel, StageOutputs
from mfaranet_ros.models.registry import register_model

NAME = 'tiny_network'
WIDTH = 8


class TinyNetwork(SegmentationModel):
    """Two scales, with attentions and boundary heads, on a backbone of five convolutions."""

    BACKBONE = ('layer0', 'layer1', 'layer2', 'layer3', 'layer4')
    TRAINING_HEADS = ('boundary_heads',)
    SCORE_HEADS = ('heads',)

    def __init__(self, *, classes, training_heads=False):
        super().__init__(classes=classes, scales=(1, 2))
        self.layer0 = _stage(3, 4)
        self.layer1, self.layer2, self.layer3, self.layer4 = (_stage(WIDTH, 1) for _ in range(4))
        self.heads = nn.ModuleList(nn.Conv2d(WIDTH, classes, 1) for _ in range(2))
        self.attentions = nn.ModuleList(nn.Conv2d(WIDTH, classes, 1) for _ in range(2))
        self.boundary_heads = nn.ModuleList(
            nn.Conv2d(WIDTH, 1, 1) for _ in range(2 * training_heads)
        )

    def stage_outputs(self, x):
        fine = self.layer2(self.layer1(self.layer0(x)))
        levels = fine, self.layer4(self.layer3(fine))
        pairs = tuple(zip(self.attentions, levels, strict=True))
        return StageOutputs(
            scales=self.scales,
            scores=tuple(head(x) for head, x in zip(self.heads, levels, strict=True)),
            attentions=tuple(torch.sigmoid(head(x)) for head, x in pairs),
            boundaries=tuple(
                head(x) for head, x in zip(self.boundary_heads, levels, strict=False)
            ),
        )


def _stage(inputs, stride):
    return nn.Sequential(
        nn.Conv2d(inputs, WIDTH, 5, stride, padding=2, bias=False),
        nn.BatchNorm2d(WIDTH),
        nn.ReLU(inplace=True),
    )


def register():
    """Enter the network into the zoo."""

    def tiny_network(classes, scales, training_heads):
        return TinyNetwork(classes=classes, training_heads=training_heads)

    enter = register_model(
        paper='none', mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), stride=4, has_scales=False
    )
    enter(tiny_network)


if __name__ == '__main__':
    from mfaranet_ros.cli.main import main

    register()
    sys.exit(main())
