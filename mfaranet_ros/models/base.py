# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The base classes of all networks, and the outputs that training and inference share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models.layers import resize
from mfaranet_ros.models.scales import ALL_SCALES


@dataclass(frozen=True, eq=False)
class StageOutputs:
    """The outputs of each kept scale for one batch, all aligned at stride 4.

    scales: the kept scales; the tuples below are in their order.
    scores: float (N, C, h, w) each, with h = ceil(H / 4) and w = ceil(W / 4).
    attentions: float (N, C, h, w) each, 0 to 1; empty for a single score, which needs none.
    boundaries: (N, 1, h, w) logits each; empty unless the network has its training heads.
    """

    scales: tuple[int, ...]
    scores: tuple[Tensor, ...]
    attentions: tuple[Tensor, ...] = ()
    boundaries: tuple[Tensor, ...] = ()

    @property
    def fused(self) -> Tensor:
        """The coarse logits (N, C, h, w): the one score, or the sum of score times attention."""
        if not self.attentions:
            return self.scores[0]
        fused = self.scores[0] * self.attentions[0]
        for score, attention in zip(self.scores[1:], self.attentions[1:], strict=True):
            fused = fused + score * attention
        return fused


Model = TypeVar('Model', bound='SegmentationModel')


class SegmentationModel(nn.Module):
    """A semantic segmentation network as its paper publishes it.

    name: its name in the registry, set by `create_model`.
    classes: number of classes C. scales: the kept scales, ascending. frozen: whether the
    backbone is excluded from training.
    Inputs are float (N, 3, H, W), RGB in 0..1, normalised by the mean and std of the weights;
    H and W may be any size.

    A family derives from it and implements `stage_outputs`; docs/adding_a_network.md shows how.
    """

    name: str = ''
    BACKBONE: tuple[str, ...] = ()
    """Names of the backbone's modules, which are trained at a lower learning rate."""
    ATTENTION_HEADS: tuple[str, ...] = ()
    """Names of the modules that weigh the scales against each other."""
    TRAINING_HEADS: tuple[str, ...] = ()
    """Names of the modules that only the loss uses; a weights file may omit all of them."""
    SCORE_HEADS: tuple[str, ...] = ()
    """Names of the modules that score the classes: a 1x1 convolution each, no activation."""

    def __init__(self, *, classes: int, scales: tuple[int, ...] = ALL_SCALES) -> None:
        super().__init__()
        self.classes = classes
        self.scales = scales
        self.frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """Return logits, float (N, C, H, W), at the size of the input x, float (N, 3, H, W)."""
        return resize(self.coarse_logits(x), x.shape[-2:])

    def coarse_logits(self, x: Tensor) -> Tensor:
        """Return logits, float (N, C, ceil(H / 4), ceil(W / 4))."""
        return self.stage_outputs(x).fused

    @abstractmethod
    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return the scores of every kept scale of x, float (N, 3, H, W), and what fuses them."""

    @torch.no_grad()
    def divide_logits(self, temperature: float) -> None:
        """Divide all logits by a temperature, once and for good, in the score heads' parameters.

        The labels stay; above 1 the probabilities become less sure, below 1 surer.
        Raises ConfigError for a network that does not name its score heads.
        """
        if not self.SCORE_HEADS:
            raise ConfigError(
                f'{self.name or type(self).__name__} names no score heads, so its confidence '
                'cannot be calibrated: remove temperature from the metadata of its weights'
            )
        for name in self.SCORE_HEADS:
            for parameter in self.get_submodule(name).parameters():
                parameter.div_(temperature)

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Exclude the backbone, its batch normalisation included, from training, or include it.

        A frozen backbone needs no gradient, so its activations are not kept for the backward pass.
        """
        self.frozen = frozen
        for name in self.BACKBONE:
            self.get_submodule(name).requires_grad_(not frozen)
        self.train(self.training)

    def train(self: Model, mode: bool = True) -> Model:
        """Set training or evaluation mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            for name in self.BACKBONE:
                self.get_submodule(name).eval()
        return self

    def check_size(self, x: Tensor, stride: int) -> None:
        """Raise ConfigError if a training batch (N, 3, H, W) has a single cell at a stride.

        Batch normalisation needs more than one value per channel.
        """
        if self.training and len(x) == 1 and max(x.shape[-2:]) <= stride:
            height, width = x.shape[-2:]
            raise ConfigError(
                f'one image of {height}x{width} px is too small to train {self.name}: use '
                f'{stride + 1} px or more on one side, or a batch of two or more images'
            )

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """Return this network's parameter name for each name of a weights file."""
        return {name: name for name in names}


class SingleScore(SegmentationModel):
    """A network that scores its finest features only.

    width: channels of these features. training_heads: with the boundary head of the loss.
    """

    TRAINING_HEADS = ('boundary_head',)
    SCORE_HEADS = ('score',)

    def __init__(self, width: int, *, classes: int, training_heads: bool = False) -> None:
        super().__init__(classes=classes, scales=ALL_SCALES)
        self.score = nn.Conv2d(width, classes, 1)
        self.boundary_head = nn.Conv2d(width, 1, 1) if training_heads else None

    def read(self, features: Tensor) -> StageOutputs:
        """Return the score and the boundary of features, float (N, width, h, w), at stride 4."""
        boundary = self.boundary_head
        return StageOutputs(
            scales=(1,),
            scores=(self.score(features),),  # (N, C, h, w)
            boundaries=() if boundary is None else (boundary(features),),  # (N, 1, h, w)
        )
