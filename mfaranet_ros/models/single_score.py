# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What networks with one score share: their heads."""

from __future__ import annotations

from torch import Tensor, nn

from mfaranet_ros.models.base import ALL_SCALES, SegmentationModel, StageOutputs


class SingleScore(SegmentationModel):
    """A network that scores its finest features.

    width: channels of these features. training_heads: with the boundary head of the loss.
    """

    TRAINING_HEADS = ('boundary_head',)

    def __init__(self, width: int, *, classes: int, training_heads: bool = False) -> None:
        super().__init__(classes=classes, scales=ALL_SCALES)
        self.score = nn.Conv2d(width, classes, 1)
        self.boundary_head = nn.Conv2d(width, 1, 1) if training_heads else None

    def read(self, features: Tensor) -> StageOutputs:
        """Return the score and the boundary of features (N, width, h, w) at stride 4."""
        boundary = self.boundary_head
        return StageOutputs(
            scales=(1,),
            scores=(self.score(features),),  # (N, C, h, w)
            boundaries=() if boundary is None else (boundary(features),),  # (N, 1, h, w)
        )
