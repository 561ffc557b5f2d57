# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The warp by rows is the warp of the models, but for rounding."""

import pytest
import torch

from mfaranet_ros.backends.operators import use_row_warp, warp_rows
from mfaranet_ros.models import create_model
from mfaranet_ros.models.layers import sampling_grid, warp

SIZES = [((5, 7), (9, 13)), ((12, 15), (12, 15)), ((1, 1), (4, 3)), ((8, 1), (16, 2))]


def some(source, target, dtype, flow=6.0):
    """Return features of size `source` and a grid of size `target`, partly outside of them."""
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, 16, *source, generator=random).to(dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    return x, sampling_grid(flow * torch.randn(2, 2, *target, generator=random))


@pytest.mark.parametrize(('source', 'target'), SIZES)
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16])
def test_rows_give_what_the_warp_gives(source, target, dtype):
    x, grid = some(source, target, dtype)
    ours, theirs = warp_rows(x, grid), warp(x, grid)
    assert ours.dtype == dtype
    assert ours.is_contiguous(memory_format=torch.channels_last)
    assert theirs.abs().max() > 0.1
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-5
    torch.testing.assert_close(ours, theirs, rtol=tolerance, atol=1e-5)


@pytest.mark.parametrize(('source', 'target'), SIZES)
def test_gradients_of_features_and_grid_are_the_same(source, target):
    found = []
    for warped_by in (warp_rows, warp):
        x, grid = (
            tensor.clone().requires_grad_() for tensor in some(source, target, torch.float32)
        )
        (warped_by(x, grid) ** 2).sum().backward()
        found.append((x.grad, grid.grad))
    for ours, theirs in zip(*found, strict=True):
        assert theirs.abs().max() > 0 or source == (1, 1)
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_points_far_outside_are_zero():
    x, _ = some((5, 7), (5, 7), torch.float32)
    grid = torch.full((2, 5, 7, 2), 1e9)
    assert not warp_rows(x, grid).any()


def test_a_network_that_uses_it_gives_the_same_logits():
    model = create_model('mfaranet_resnet18', classes=3).eval()
    with torch.inference_mode():
        x = torch.randn(1, 3, 65, 97)
        before = model.coarse_logits(x)
        use_row_warp(model)
        assert model.warp is warp_rows
        torch.testing.assert_close(model.coarse_logits(x), before, rtol=1e-4, atol=1e-5)
