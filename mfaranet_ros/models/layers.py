# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Layers shared by several families of networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Return a convolution that keeps the size, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Return (N, C, H, W) features at another (height, width), bilinear with aligned corners.

    Without antialiasing when downsampling.
    """
    return F.interpolate(x, size=(size[0], size[1]), mode='bilinear', align_corners=True)


class FlowNet(nn.Module):
    """Estimates where each pixel of a fine map lies in the next coarser map.

    The semantic flow of SFNet (arXiv 2002.10120) without any normalisation or activation, as
    MFARANet uses it.
    """

    def __init__(self, channels: int, reduced: int) -> None:
        super().__init__()
        self.channel_change1 = nn.Conv2d(channels, reduced, 1, bias=False)  # of the coarse map
        self.channel_change2 = nn.Conv2d(channels, reduced, 1, bias=False)  # of the fine map
        self.offset_map = nn.Conv2d(2 * reduced, 2, 3, padding=1, bias=False)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the sampling grid (N, h, w, 2) of fine (N, C, h, w) in coarse (N, C, h', w')."""
        up = resize(self.channel_change1(coarse), fine.shape[-2:])  # (N, reduced, h, w)
        flow = self.offset_map(torch.cat([self.channel_change2(fine), up], dim=1))  # (N, 2, h, w)
        return sampling_grid(flow)


def sampling_grid(flow: Tensor) -> Tensor:
    """Return the grid (N, h, w, 2) for `warp`, x first, that follows a flow (N, 2, h, w).

    The flow is divided by the full width and height, as in the authors' code: with corners at -1
    and 1, a flow of one moves about half a pixel. At least float32, because a float16
    grid has errors of up to an eighth of a pixel.
    """
    height, width = flow.shape[-2:]
    dtype, device = torch.promote_types(flow.dtype, torch.float32), flow.device
    dx, dy = flow.to(dtype).unbind(dim=1)  # (N, h, w) each, in half pixels
    x = torch.linspace(-1.0, 1.0, width, dtype=dtype, device=device) + dx / width
    y = torch.linspace(-1.0, 1.0, height, dtype=dtype, device=device)[:, None] + dy / height
    return torch.stack([x, y], dim=-1)


def warp(x: Tensor, grid: Tensor) -> Tensor:
    """Return x (N, C, h', w') sampled at a grid (N, h, w, 2): (N, C, h, w), zero outside."""
    sampled = F.grid_sample(
        x.to(grid.dtype), grid, mode='bilinear', padding_mode='zeros', align_corners=True
    )
    return sampled.to(x.dtype)
