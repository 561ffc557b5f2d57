# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sampling grid of a collapsed flow net in one pass: taps enlarged and added, base, scale."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from mfaranet_ros.backends.kernels import FUSED

_PIXELS = 128
"""For how many pixels of a row one program computes where they are sampled."""


def flow_grid(flow: Tensor, taps: Tensor) -> Tensor:
    """Return the grid (N, h, w, 2), float32, as `CollapsedFlowNet` makes it.

    flow: of the fine map (N, 2, h, w). taps: of the coarse map (N, 18, h', w'). Both of any float
    type and layout; all is computed in float32.
    """
    count, _, height, width = flow.shape
    coarse_height, coarse_width = taps.shape[2:]
    grid = torch.empty((count, height, width, 2), dtype=torch.float32, device=flow.device)
    with torch.cuda.device_of(flow):
        _grid[height, triton.cdiv(width, _PIXELS), count](
            flow, *flow.stride(), taps, *taps.stride(), coarse_height - 1, coarse_width - 1,
            _step(coarse_height - 1, height), _step(coarse_width - 1, width),
            _step(2.0, height), _step(2.0, width), grid, height, width, block=_PIXELS, **FUSED,
        )  # fmt: skip
    return grid


def _step(length: float, count: int) -> float:
    """Return the spacing of a number of points from one end of a length to the other."""
    return length / (count - 1) if count > 1 else 0.0


@triton.jit
def _grid(
    flow, flow_image, flow_channel, flow_row, flow_column,
    taps, taps_image, taps_channel, taps_row, taps_column, last_row, last_column,
    row_step, column_step, base_row_step, base_column_step,
    grid, height, width, block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    columns = tl.program_id(1) * block + tl.arange(0, block)
    image = tl.program_id(2).to(tl.int64)
    wanted = columns < width
    at = flow + image * flow_image + row * flow_row + columns * flow_column
    dx = tl.load(at, mask=wanted, other=0.0).to(tl.float32)
    dy = tl.load(at + flow_channel, mask=wanted, other=0.0).to(tl.float32)
    taps += image * taps_image
    for tap in range(9):
        v = row + tap // 3 - 1
        u = columns + tap % 3 - 1
        inside = (u >= 0) & (u < tl.where((v >= 0) & (v < height), width, 0))
        y = tl.maximum(v, 0) * row_step  # where the neighbour lies in the coarse map
        x = tl.maximum(u, 0) * column_step
        top = tl.minimum(y.to(tl.int32), last_row)
        left = tl.minimum(x.to(tl.int32), last_column)
        down = y - top
        right = x - left
        above = taps + 2 * tap * taps_channel + top * taps_row
        below = taps + 2 * tap * taps_channel + tl.minimum(top + 1, last_row) * taps_row
        first = left * taps_column
        second = tl.minimum(left + 1, last_column) * taps_column
        dx += _between(above, below, first, second, down, right, inside)
        above += taps_channel
        below += taps_channel
        dy += _between(above, below, first, second, down, right, inside)
    to = grid + ((image * height + row) * width + columns) * 2
    tl.store(to, columns * base_column_step - 1 + dx / width, mask=wanted)
    tl.store(to + 1, row * base_row_step - 1 + dy / height, mask=wanted)


@triton.jit
def _between(above, below, first, second, down, right, inside):
    upper = tl.load(above + first, mask=inside, other=0.0).to(tl.float32) * (1 - right)
    upper += tl.load(above + second, mask=inside, other=0.0).to(tl.float32) * right
    lower = tl.load(below + first, mask=inside, other=0.0).to(tl.float32) * (1 - right)
    lower += tl.load(below + second, mask=inside, other=0.0).to(tl.float32) * right
    return upper * (1 - down) + lower * down
