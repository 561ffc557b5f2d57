# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Each kernel once, on as little as it takes to see that it compiles and computes."""

from __future__ import annotations

import torch
from torch import Tensor

from mfaranet_ros.backends.kernels.gates import sum_gated
from mfaranet_ros.backends.kernels.grid import flow_grid
from mfaranet_ros.backends.kernels.image import normalise_image
from mfaranet_ros.backends.kernels.labels import label_pixels
from mfaranet_ros.backends.kernels.warp import warp
from mfaranet_ros.core.frame import Geometry


@torch.inference_mode()
def run_each(device: torch.device) -> None:
    """Run every kernel; raises RuntimeError for a wrong result, else what Triton raises."""
    ones = torch.ones((1, 128, 2, 2), dtype=torch.float16, device=device)
    _check('warp', warp(ones, torch.zeros((1, 1, 1, 2), device=device)), 1)
    _check('gates', sum_gated([ones] * 4, [0 * ones] * 4), 2)
    _check('grid', flow_grid(ones[:, :2, :1, :1], ones[:, :18]), 1)
    place = (
        torch.zeros(1, dtype=torch.int32, device=device),
        torch.zeros(1, device=device),
    )
    logits = torch.tensor([0.0, 99.0], dtype=torch.float16, device=device).view(2, 1, 1)
    found = label_pixels(logits, place, place, with_confidence=True)
    _check('labels', found[0], 1)
    _check('confidence', found[1], 255)
    pixels = torch.full((1, 1, 3), 255, dtype=torch.uint8, device=device)
    pixel = Geometry((1, 1), (1, 1), (1, 1))
    scale, zero = (1 / 255,) * 3, (0.0,) * 3
    _check('image', normalise_image(pixels, pixel, (2, 1, 0), scale, zero, ones.dtype), 1)


def _check(name: str, found: Tensor, wanted: float) -> None:
    if not torch.allclose(found.float(), torch.full_like(found, wanted).float(), atol=1e-3):
        raise RuntimeError(f'the kernel {name} computes something else than torch')
