# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Muon: steps that change all directions of a convolution's weight alike.

Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024), with the scale of
Liu et al., Muon is Scalable for LLM Training (arXiv 2502.16982), by which its learning rates and
weight decay mean what they mean to AdamW. torch's own takes matrices alone; a convolution is one,
with a row for each output channel.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

LEAST_CHANNELS = 16
"""A convolution with fewer, in or out, is a score and not a map of features: AdamW's."""

ITERATIONS = 4
"""Of Newton and Schulz; five are usual, but they are a tenth of a step's time on a CPU."""

BETAS = (0.9, 0.999)
"""The decay of AdamW's two averages."""


class Muon(torch.optim.Optimizer):
    """Muon for the convolutions, AdamW for everything else, with one learning rate."""

    def __init__(
        self, groups: Iterable[dict[str, Any]], learning_rate: float, momentum: float
    ) -> None:
        super().__init__(groups, {'lr': learning_rate, 'momentum': momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Change the weights by their gradients."""
        for group in self.param_groups:
            matrices: dict[tuple[int, ...], list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for weight in group['params']:
                if weight.grad is None:
                    continue
                weight.mul_(1 - group['lr'] * group['weight_decay'])
                if weight.ndim == 4 and min(weight.shape[:2]) >= LEAST_CHANNELS:
                    direction = self._momentum(weight, group['momentum']).flatten(1)
                    matrices[tuple(direction.shape)].append((weight, direction))
                else:
                    self._step_adam(weight, group['lr'])
            for shape, pairs in matrices.items():
                # As large, on average, as a step of AdamW.
                size = group['lr'] * 0.2 * max(shape) ** 0.5
                steps = orthogonalise(torch.stack([direction for _, direction in pairs]))
                for (weight, _), step in zip(pairs, steps, strict=True):
                    weight.sub_(step.view(weight.shape), alpha=size)

    def _momentum(self, weight: Tensor, momentum: float) -> Tensor:
        """Return Nesterov's mean of the gradients."""
        state = self.state[weight]
        if not state:
            state['mean'] = torch.zeros_like(weight)
        mean: Tensor = state['mean'].lerp_(weight.grad, 1 - momentum)
        assert weight.grad is not None
        return weight.grad.lerp(mean, momentum)

    def _step_adam(self, weight: Tensor, rate: float) -> None:
        gradient = weight.grad
        assert gradient is not None
        state = self.state[weight]
        if not state:
            state['step'] = 0
            state['mean'] = torch.zeros_like(weight)
            state['square'] = torch.zeros_like(weight)
        state['step'] += 1
        first, second = (1 - beta ** state['step'] for beta in BETAS)
        state['mean'].lerp_(gradient, 1 - BETAS[0])
        state['square'].lerp_(gradient.square(), 1 - BETAS[1])
        spread = (state['square'] / second).sqrt_().add_(1e-8)
        weight.addcdiv_(state['mean'], spread, value=-rate / first)


def orthogonalise(matrices: Tensor) -> Tensor:
    """Return float32 matrices (N, rows, columns) with their singular values brought close to 1.

    Newton's and Schulz's iteration with Jordan's coefficients, in bfloat16: the values end between
    about 0.7 and 1.2, which is near enough for a step.
    """
    tall = matrices.shape[1] > matrices.shape[2]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.float().norm(dim=(1, 2), keepdim=True) + 1e-20).bfloat16()
    for _ in range(ITERATIONS):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    result: Tensor = x.mT if tall else x
    return result.float()
