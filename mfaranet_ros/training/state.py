# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where a run is: everything but the weights and the optimizer that a checkpoint holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor

from mfaranet_ros.core.errors import TrainingError
from mfaranet_ros.training.distributed import DistributedContext
from mfaranet_ros.training.history import Row
from mfaranet_ros.training.losses import LossParts

PARTS = ('fused', 'segmentation', 'boundary', 'attention', 'distillation')
"""The parts of the loss, in the order in which they are added up."""


@dataclass
class State:
    """Changes from step to step.

    progress: 0 to 1, what the schedule goes by. elapsed_s: of training, without what a kill has
    cost. validation_s: what the last validation took; validations_s: all of them.
    epoch_losses: sums over the epoch's steps up to the checkpoint. skipped: why, by name.
    """

    step: int = 0
    progress: float = 0.0
    elapsed_s: float = 0.0
    validations_s: float = 0.0
    validation_s: float = 0.0
    best_iou: float | None = None
    best_epoch: int = 0
    epoch_steps: int = 0
    epoch_losses: tuple[float, ...] = (0.0,) * len(PARTS)
    skipped: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    def to_plain(self) -> dict[str, Any]:
        """Return it as a checkpoint can hold it."""
        return asdict(self)

    @classmethod
    def from_plain(cls, values: dict[str, Any]) -> State:
        """Return the state of `to_plain`."""
        rows = [Row(**{**row, 'iou': tuple(row['iou'])}) for row in values['rows']]
        return cls(**{**values, 'rows': rows, 'epoch_losses': tuple(values['epoch_losses'])})


class Tally:
    """Sums up the losses of an epoch on the device; synchronises only when it is read."""

    def __init__(self, device: torch.device, world: DistributedContext) -> None:
        self._world = world
        self._before: tuple[float, ...] = (0.0,) * len(PARTS)
        self._since = torch.zeros(len(PARTS), dtype=torch.float64, device=device)

    def begin(self, sums: tuple[float, ...] = (0.0,) * len(PARTS)) -> None:
        """Begin an epoch, or go on with one from its sums so far."""
        self._before = sums
        self._since.zero_()

    def add(self, loss: LossParts, share: float) -> None:
        """Count a share of a step's loss."""
        values: Tensor = torch.stack([getattr(loss, name).detach() for name in PARTS])
        self._since += share * values.double()

    def sums(self, *, everywhere: bool = False) -> tuple[float, ...]:
        """Return the sums of this process, or their mean over all.

        Raises TrainingError if they are not finite.
        """
        world = self._world
        since = world.sum(self._since) / world.size if everywhere else self._since
        sums = tuple(x + y for x, y in zip(self._before, since.tolist(), strict=True))
        if not all(abs(value) < float('inf') for value in sums):
            parts = ', '.join(f'{name} {x:g}' for name, x in zip(PARTS, sums, strict=True))
            raise TrainingError(f'the loss is not finite ({parts}): {_ADVICE}')
        return sums


def check_finite(weights: Iterable[Tensor]) -> None:
    """Raise TrainingError if weights are not finite, which the next loss would show."""
    if not all(bool(torch.isfinite(weight).all()) for weight in weights):
        raise TrainingError(f'the weights are not finite: {_ADVICE}')


_ADVICE = 'resume from the last checkpoint, or begin again with a lower optim.learning_rate'
