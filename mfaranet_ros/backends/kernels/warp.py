# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The warp of a network: four rows of channels gathered and weighed for every pixel."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from mfaranet_ros.backends.kernels import FUSED

_PIXELS = 16
"""How many pixels one program samples, with all their channels."""


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """Return x (N, C, h', w') sampled at a grid (N, h, w, 2), as `models.layers.warp` does.

    x: float32 or half precision, quickest with channels_last, which the result has. grid:
    float32; places and sums are float32, too, and only the result is rounded.
    """
    count, channels, source_height, source_width = x.shape
    height, width = grid.shape[1:3]
    grid = grid.contiguous()
    result = torch.empty(
        (count, channels, height, width),
        dtype=x.dtype,
        device=x.device,
        memory_format=torch.channels_last,
    )
    with torch.cuda.device_of(x):
        _warp[triton.cdiv(height * width, _PIXELS), count](
            x, *x.stride(), channels, source_height, source_width, grid,
            result, height * width, pixels=_PIXELS, block=triton.next_power_of_2(channels),
            **FUSED,
        )  # fmt: skip
    return result


@triton.jit
def _warp(
    x, image_step, channel_step, row_step, column_step, channels, source_height, source_width,
    grid, result, area, pixels: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    image = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * pixels + tl.arange(0, pixels)
    wanted = pixel < area
    at = grid + (image * area + pixel) * 2
    column = (tl.load(at, mask=wanted, other=0.0) + 1) * ((source_width - 1) * 0.5)
    row = (tl.load(at + 1, mask=wanted, other=0.0) + 1) * ((source_height - 1) * 0.5)
    left = tl.floor(column)
    top = tl.floor(row)
    right_share = column - left
    low_share = row - top
    channel = tl.arange(0, block)
    source = x + image * image_step + (channel * channel_step)[None, :]
    exists = wanted[:, None] & (channel < channels)[None, :]

    total = tl.zeros((pixels, block), tl.float32)
    for down in tl.static_range(2):
        for right in tl.static_range(2):
            u = left + right
            v = top + down
            share = (right_share if right else 1 - right_share) * (
                low_share if down else 1 - low_share
            )
            # Compared before they are whole numbers, which what lies far outside does not fit.
            inside = (u >= 0) & (u < source_width) & (v >= 0) & (v < source_height)
            place = tl.where(inside, v, 0.0).to(tl.int32) * row_step
            place += tl.where(inside, u, 0.0).to(tl.int32) * column_step
            values = tl.load(source + place[:, None], mask=exists & inside[:, None], other=0.0)
            total += values.to(tl.float32) * share[:, None]
    to = result + (image * area + pixel)[:, None] * channels + channel[None, :]
    tl.store(to, total.to(result.dtype.element_ty), mask=exists)
