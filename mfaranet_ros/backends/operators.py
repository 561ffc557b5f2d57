# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The operators of a network in the form that is fastest on a CPU or on a GPU.

On a CPU gathering whole rows of channels beats `grid_sample`; on a GPU there are kernels. While
torch's compiler traces a network it is given the torch code, which it fuses with the code around
it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mfaranet_ros.backends.fast_mfaranet import CollapsedFlowNet, sum_gated
from mfaranet_ros.backends.kernels import why_no_kernels
from mfaranet_ros.models.layers import warp


def warp_rows(x: Tensor, grid: Tensor) -> Tensor:
    """Return x (N, C, h', w') sampled at a grid (N, h, w, 2), as `models.layers.warp` does.

    With the channels last in memory, the four neighbours of a pixel are four rows of a table. So
    looked up, they take less than a third of the time forward and two thirds of it backward, and
    what comes out has its channels last, too. The results differ by rounding alone.
    """
    n, channels, height, width = x.shape
    column = (grid[..., 0] + 1) * ((width - 1) / 2)  # (N, h, w), in pixels of x
    row = (grid[..., 1] + 1) * ((height - 1) / 2)
    left, top = column.detach().floor(), row.detach().floor()
    right_share, low_share = column - left, row - top
    left_share, top_share = 1 - right_share, 1 - low_share
    shares = torch.stack(
        [
            left_share * top_share,
            right_share * top_share,
            left_share * low_share,
            right_share * low_share,
        ],
        dim=-1,
    )  # (N, h, w, 4)
    columns = torch.stack([left, left + 1, left, left + 1], dim=-1)
    rows = torch.stack([top, top, top + 1, top + 1], dim=-1)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    places = rows.clamp(0, height - 1).long() * width + columns.clamp(0, width - 1).long()
    places += torch.arange(n, device=x.device)[:, None, None, None] * (height * width)
    table = x.permute(0, 2, 3, 1).reshape(n * height * width, channels).to(shares.dtype)
    sampled = F.embedding_bag(
        places.reshape(-1, 4),
        table,
        mode='sum',
        per_sample_weights=(shares * inside).reshape(-1, 4),
    )  # (N * h * w, C)
    return sampled.reshape(*grid.shape[:3], channels).permute(0, 3, 1, 2).to(x.dtype)


def use_row_warp(model: Any) -> None:
    """Let a network that warps do it by rows; one that does not stays as it is."""
    if hasattr(model, 'warp'):
        model.warp = warp_rows


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
