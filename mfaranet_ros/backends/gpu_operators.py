# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The operators of a network for which there are kernels, each by whatever is best for its input.

While torch's compiler reads a network it is given the torch code, which it fuses with what stands
around it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mfaranet_ros.backends.fast_mfaranet import CollapsedFlowNet, sum_gated
from mfaranet_ros.backends.kernels import why_no_kernels
from mfaranet_ros.models.layers import warp


def warp_on_gpu(x: Tensor, grid: Tensor) -> Tensor:
    """Return x (N, C, h', w') sampled at a grid (N, h, w, 2), as `models.layers.warp` does."""
    if not _has_kernels(x):
        return warp(x, grid)
    from mfaranet_ros.backends.kernels.warp import warp as kernel

    return kernel(x, grid)


def sum_gated_on_gpu(scores: Sequence[Tensor], gates: Sequence[Tensor]) -> Tensor:
    """Return the sum of score times sigmoid of gate, as `fast_mfaranet.sum_gated` does."""
    if not _has_kernels(scores[0]):
        return sum_gated(scores, gates)
    from mfaranet_ros.backends.kernels.gates import sum_gated as kernel

    return kernel(scores, gates)


class FlowNetOnGpu(CollapsedFlowNet):
    """Makes its grid in one pass."""

    def _grid(self, flow: Tensor, taps: Tensor) -> Tensor:
        if not _has_kernels(flow):
            return super()._grid(flow, taps)
        from mfaranet_ros.backends.kernels.grid import flow_grid

        return flow_grid(flow, taps)


def _has_kernels(x: Tensor) -> bool:
    return not torch.compiler.is_compiling() and not why_no_kernels(x.device)
