# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every network of the zoo offers, whatever its family."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models.layers import resize

ALL_SCALES = (1, 2, 3, 4)
"""The scales of a pyramid by number: 1 is stride 4, 2 stride 8, 3 stride 16, 4 stride 32."""


@dataclass(frozen=True, eq=False)
class StageOutputs:
    """What each kept scale says of one batch, all aligned at stride 4.

    scales: the kept scales; the tuples below are in their order.
    scores: (N, C, h, w) each, with h = ceil(H / 4) and w = ceil(W / 4).
    attentions: (N, C, h, w) each, 0 to 1; empty where there is one score, which needs none.
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
    backbone stays as it is while the rest is trained.
    Inputs are float (N, 3, H, W), RGB in 0..1, then normalised by the mean and std of the
    weights; H and W may be any size.
    """

    name: str = ''
    BACKBONE: tuple[str, ...] = ()
    """Names of the modules that make the backbone, which learns more slowly than the rest."""
    ATTENTION_HEADS: tuple[str, ...] = ()
    """Names of the modules that weigh the scales by their features."""
    TRAINING_HEADS: tuple[str, ...] = ()
    """Names of the modules that only the loss needs; weights may lack all of them."""

    def __init__(self, *, classes: int, scales: tuple[int, ...] = ALL_SCALES) -> None:
        super().__init__()
        self.classes = classes
        self.scales = scales
        self.frozen = False

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C, H, W) at the input's size."""
        return resize(self.coarse_logits(x), x.shape[-2:])

    def coarse_logits(self, x: Tensor) -> Tensor:
        """Return logits (N, C, ceil(H / 4), ceil(W / 4))."""
        return self.stage_outputs(x).fused

    @abstractmethod
    def stage_outputs(self, x: Tensor) -> StageOutputs:
        """Return what training needs: the scores of every kept scale, and what fuses them."""

    def freeze_backbone(self, frozen: bool = True) -> None:
        """Keep the backbone from training, its batch normalisation too, or let it train again.

        No gradient is asked of it, so what it computes is not kept for the backward pass.
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
        """Raise ConfigError where a batch in training has a single cell at a stride.

        Batch normalisation is over all cells of a batch, and one has nothing to differ from.
        """
        if self.training and len(x) == 1 and max(x.shape[-2:]) <= stride:
            height, width = x.shape[-2:]
            raise ConfigError(
                f'one image of {height}x{width} px is too small to train {self.name} on: give '
                f'{stride + 1} px or more on one side, or two or more images at a time'
            )

    @abstractmethod
    def published(self) -> dict[str, Tensor]:
        """Return the state_dict of the whole published network, on the meta device.

        All scales and all training heads: a weights file may hold any of these names, whether or
        not this network has them.
        """

    def translate(self, names: Iterable[str]) -> dict[str, str]:
        """Return this network's name for each name of a weights file; most are the same."""
        return {name: name for name in names}


def check_scales(scales: Iterable[int]) -> tuple[int, ...]:
    """Return a set of kept scales in ascending order.

    Raises ConfigError if it is empty, names a scale twice, or one that is not 1, 2, 3 or 4.
    """
    given = tuple(scales)
    if (
        not given
        or len(set(given)) != len(given)
        or any(type(scale) is not int or scale not in ALL_SCALES for scale in given)
    ):
        raise ConfigError(
            f'scales {list(given)}: give one to four of 1 (stride 4), 2 (stride 8), '
            '3 (stride 16) and 4 (stride 32), each once'
        )
    return tuple(sorted(given))
