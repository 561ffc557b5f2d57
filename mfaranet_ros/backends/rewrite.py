# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rewrites a published network into one that gives the same logits faster.

What is specific to a family is in a file of that family; every network has its batch
normalisation folded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from mfaranet_ros.backends.fast_mfaranet import (
    CollapsedFlowNet,
    FastMFARANet,
    SumGated,
    Warp,
    sum_gated,
)
from mfaranet_ros.backends.fold import fold_batch_norm
from mfaranet_ros.backends.operators import (
    FlowNetOnGpu,
    sum_gated_on_gpu,
    warp_on_gpu,
    warp_rows,
)
from mfaranet_ros.models.mfaranet import MFARANet


def rewrite(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a network with the `coarse_logits` of a model; the model given stays as it is.

    It is in evaluation mode, on the CPU and in the model's precision; device is where it will run.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    make = _FAMILIES.get(type(model))
    if make is None:
        fold_batch_norm(model)
        return model
    if device.type == 'cpu':
        return make(model, warp_rows, sum_gated, CollapsedFlowNet)
    return make(model, warp_on_gpu, sum_gated_on_gpu, FlowNetOnGpu)


Make = Callable[[nn.Module, Warp, SumGated, type[CollapsedFlowNet]], nn.Module]

_FAMILIES: dict[type[nn.Module], Make] = {
    MFARANet: FastMFARANet,  # type: ignore[dict-item]
}
"""By the class of a model: what rewrites it."""
