# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""MFARANet rewritten to the same answer with less work.

Each step is exact but for rounding, and a test holds it to that:

- A flow net is linear. What it does to the fine map is one 3x3 convolution to two channels; what
  it does to the coarse map is one 1x1 convolution to the 18 values its nine taps pick, enlarged
  after and not before.
- The 1x1 score commutes with warping, which mixes places and not channels: with one kept scale
  only the scores are warped, and the bias, which zeros from outside must not have, comes after.
- The base of the sampling grids is computed once for a size.
- Batch normalisation is folded into the convolutions, and score and attention of a scale that
  are added up need no stack.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet_ros.backends.fold import fold_batch_norm
from mfaranet_ros.models.layers import FlowNet, resize
from mfaranet_ros.models.mfaranet import MFARANet

Warp = Callable[[Tensor, Tensor], Tensor]
SumGated = Callable[[Sequence[Tensor], Sequence[Tensor]], Tensor]


class FastMFARANet(nn.Module):
    """Gives the coarse logits of an MFARANet, whose modules it takes over and changes.

    network: in evaluation mode, float32, without need of its training heads. warp: samples
    features (N, C, h', w') at a grid (N, h, w, 2), x first, zero outside. sum_gated: as the
    function of that name. flow_net: takes the place of each flow net.
    """

    def __init__(
        self,
        network: MFARANet,
        warp: Warp,
        sum_gated: SumGated,
        flow_net: type[CollapsedFlowNet],
    ) -> None:
        super().__init__()
        fold_batch_norm(network)
        network.boundary_heads = nn.ModuleDict()
        self.flows = nn.ModuleList(flow_net(flow) for flow in network.stages_offset)  # type: ignore[arg-type]
        network.stages_offset = nn.ModuleList()
        for attention in network.HMSA_attentions.values():
            assert isinstance(attention, nn.Sequential)
            assert isinstance(attention[-1], nn.Sigmoid)
            del attention[-1]  # applied by sum_gated
        self.network = network
        self.scales = network.scales
        self._warp = warp
        self._sum_gated = sum_gated

    def coarse_logits(self, x: Tensor) -> Tensor:
        """Return logits (N, C, ceil(H / 4), ceil(W / 4)) of an input (N, 3, H, W)."""
        network = self.network
        levels = network._aggregate(network._features(x))
        grids = [flow(levels[k], levels[k + 1]) for k, flow in enumerate(self.flows)]
        if len(self.scales) == 1:
            return self._one_scale(levels, grids)
        scores, gates = [], []
        for scale in self.scales:
            aligned = self._align(levels[scale - 1], grids[: scale - 1])  # (N, 128, h, w)
            scores.append(network.multi_loss_head[str(scale - 1)](aligned))
            gates.append(network.HMSA_attentions[str(scale - 1)](aligned))
        return self._sum_gated(scores, gates)

    def _one_scale(self, levels: list[Tensor], grids: list[Tensor]) -> Tensor:
        (scale,) = self.scales
        head = self.network.multi_loss_head[str(scale - 1)]
        weight, bias = head.get_parameter('0.weight'), head.get_parameter('0.bias')
        scores = F.conv2d(levels[scale - 1], weight)  # (N, C, ...) at the scale's own size
        return self._align(scores, grids[: scale - 1]) + bias.view(1, -1, 1, 1)

    def _align(self, level: Tensor, grids: list[Tensor]) -> Tensor:
        for grid in reversed(grids):
            level = self._warp(level, grid)
        return level


def sum_gated(scores: Sequence[Tensor], gates: Sequence[Tensor]) -> Tensor:
    """Return the sum of score times sigmoid of gate, all (N, C, h, w), one of each per scale."""
    total = scores[0] * gates[0].sigmoid()
    for score, gate in zip(scores[1:], gates[1:], strict=True):
        total = total + score * gate.sigmoid()
    return total


class CollapsedFlowNet(nn.Module):
    """A flow net as two convolutions to the few channels that a flow has."""

    def __init__(self, flow: FlowNet) -> None:
        super().__init__()
        offset = flow.offset_map.weight.double()  # (2, 2 * reduced, 3, 3)
        reduced = offset.shape[1] // 2
        fine = flow.channel_change2.weight.double()[..., 0, 0]  # (reduced, C)
        coarse = flow.channel_change1.weight.double()[..., 0, 0]  # (reduced, C)
        of_fine = torch.einsum('orij,rc->ocij', offset[:, :reduced], fine)
        of_coarse = torch.einsum('orij,rc->ijoc', offset[:, reduced:], coarse)
        dtype = flow.offset_map.weight.dtype
        self.of_fine = nn.Parameter(of_fine.to(dtype), requires_grad=False)  # (2, C, 3, 3)
        # One row of two for each tap, tap after tap: (18, C, 1, 1).
        taps = of_coarse.flatten(0, 2)[..., None, None]
        self.of_coarse = nn.Parameter(taps.to(dtype), requires_grad=False)
        self._bases: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the sampling grid (N, h, w, 2) of fine (N, C, h, w) in coarse (N, C, h', w')."""
        flow = F.conv2d(fine, self.of_fine, padding=1)  # (N, 2, h, w)
        return self._grid(flow, F.conv2d(coarse, self.of_coarse))

    def _grid(self, flow: Tensor, taps: Tensor) -> Tensor:
        """Return the grid that follows the fine map's flow and the coarse map's taps."""
        height, width = flow.shape[-2:]
        dtype = torch.promote_types(flow.dtype, torch.float32)  # as the published flow net
        flow = flow.to(dtype)
        values = resize(taps.to(dtype), (height, width))
        values = F.pad(values, (1, 1, 1, 1))  # (N, 18, h + 2, w + 2)
        for tap in range(9):
            row, column = divmod(tap, 3)
            part = values[:, 2 * tap : 2 * tap + 2]
            flow = flow + part[..., row : row + height, column : column + width]
        columns, rows = self._base_of(flow)
        return torch.stack([columns + flow[:, 0] / width, rows + flow[:, 1] / height], dim=-1)

    def _base_of(self, flow: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the pixels of a flow (N, 2, h, w) are, from -1 to 1: (w,) and (h, 1)."""
        height, width = flow.shape[-2:]
        if (height, width) not in self._bases:
            columns, rows = (
                torch.linspace(-1.0, 1.0, n, dtype=flow.dtype, device=flow.device)
                for n in (width, height)
            )
            # None is ever dropped: a CUDA graph goes on to read the one that it was recorded with.
            self._bases[height, width] = columns, rows[:, None]
        return self._bases[height, width]
