"""From a network as published to one that gives the same logits sooner.

What is known of one family only is in a file of that family; every network has its batch
normalisation folded.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from mfaranet_ros.models.layers import warp
from mfaranet_ros.models.mfaranet import MFARANet
from mfaranet_ros.pipeline.backends.fast_mfaranet import FastMFARANet, Warp
from mfaranet_ros.pipeline.backends.fold import fold_batch_norm
from mfaranet_ros.pipeline.backends.warp import warp_rows


def rewrite(model: nn.Module, device: torch.device) -> nn.Module:
    """Return a network with the `coarse_logits` of a model; the model given stays as it is.

    It is in evaluation mode, on the CPU and in the model's precision; device is where it will run.
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    make = _FAMILIES.get(type(model))
    if make is not None:
        return make(model, warp_rows if device.type == 'cpu' else warp)
    fold_batch_norm(model)
    return model


_FAMILIES: dict[type[nn.Module], Callable[[nn.Module, Warp], nn.Module]] = {
    MFARANet: FastMFARANet,  # type: ignore[dict-item]
}
"""By the class of a model: what rewrites it."""
