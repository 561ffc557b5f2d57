# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation folded into the convolution before it, for a network that only runs."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


@torch.no_grad()
def fold_batch_norm(model: nn.Module) -> None:
    """Fold each normalisation of a network in evaluation mode that follows a convolution.

    What follows what is read from the order in which modules are registered, which is the order
    in which they run in all networks of the zoo; a test holds the answers equal. One that follows
    none stays as it is.
    """
    for convolution, normalisation in list(_pairs(model)):
        parent, name = convolution
        fused = fuse_conv_bn_eval(getattr(parent, name), getattr(*normalisation))
        setattr(parent, name, fused)
        setattr(*normalisation, nn.Identity())


def _pairs(model: nn.Module) -> Iterator[tuple[tuple[nn.Module, str], tuple[nn.Module, str]]]:
    """Yield the places, each a parent and a name, of a convolution and its normalisation."""
    before: tuple[nn.Module, str] | None = None
    for parent, name in _leaves(model):
        leaf = getattr(parent, name)
        if isinstance(leaf, nn.BatchNorm2d) and before is not None:
            convolution = getattr(*before)
            if isinstance(convolution, nn.Conv2d):
                assert convolution.out_channels == leaf.num_features
                yield before, (parent, name)
        before = parent, name


def _leaves(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    for name, child in module.named_children():
        if any(True for _ in child.children()):
            yield from _leaves(child)
        else:
            yield module, name
