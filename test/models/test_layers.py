# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Warping and resizing, held to what they mean in pixels."""

from __future__ import annotations

import pytest
import torch

from mfaranet_ros.models.layers import FlowNet, resize, sampling_grid, warp

HEIGHT, WIDTH = 5, 513
STRIPES = (torch.arange(WIDTH) % 2).float().expand(1, 1, HEIGHT, WIDTH)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_no_flow_changes_nothing_in_any_precision(dtype):
    grid = sampling_grid(torch.zeros(1, 2, HEIGHT, WIDTH, dtype=dtype))
    warped = warp(STRIPES.to(dtype), grid)
    assert warped.dtype == dtype
    assert (warped - STRIPES).abs().max() < 1e-3


def test_flow_is_in_half_pixels_and_zero_comes_in_from_outside():
    flow = torch.zeros(1, 2, HEIGHT, WIDTH)
    flow[:, 0] = 2 * 3 * WIDTH / (WIDTH - 1)  # three pixels from the right
    flow[:, 1] = -2 * 1 * HEIGHT / (HEIGHT - 1)  # one pixel from above
    x = torch.rand(1, 2, HEIGHT, WIDTH)
    warped = warp(x, sampling_grid(flow))
    torch.testing.assert_close(warped[..., 1:, :-3], x[..., :-1, 3:], rtol=0, atol=1e-3)
    assert not warped[..., 0, :].abs().max() > 1e-5
    assert not warped[..., -3:].abs().max() > 1e-3


def test_a_coarse_map_is_sampled_at_the_fine_size():
    flow_net = FlowNet(8, 4).eval()
    fine, coarse = torch.rand(2, 8, 25, 33), torch.rand(2, 8, 13, 17)
    grid = flow_net(fine, coarse)
    assert grid.shape == (2, 25, 33, 2)
    assert warp(coarse, grid).shape == fine.shape
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in flow_net.modules())
    twice = flow_net(2 * fine, 2 * coarse) - grid  # linear: nothing is normalised or cut off
    base = sampling_grid(torch.zeros(2, 2, 25, 33))
    torch.testing.assert_close(twice, grid - base, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('size', [(3, 7), (9, 13), (5, 5), (1, 1)])
def test_corners_keep_their_values(size):
    x = torch.rand(1, 1, 5, 5)
    resized = resize(x, size)
    assert resized.shape[-2:] == size
    assert resized[0, 0, 0, 0] == x[0, 0, 0, 0]
    if size != (1, 1):
        torch.testing.assert_close(resized[0, 0, -1, -1], x[0, 0, -1, -1])
