# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The registry of networks: each is registered once and created by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mfaranet_ros.core.registry import Registry
from mfaranet_ros.models.base import SegmentationModel

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of R, G and B in 0..1, the convention for ImageNet backbones."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of R, G and B in 0..1, the convention for ImageNet backbones."""

Build = Callable[[int, tuple[int, ...], bool], SegmentationModel]
"""Builds a network from the number of classes, the kept scales, and whether to add training heads.
"""


@dataclass(frozen=True)
class ModelEntry:
    """What is known about a network before it is built.

    name: as `create_model` takes it. paper: its source, such as `arXiv 2402.02286`.
    mean, std: normalisation of R, G, B in 0..1 that its published weights expect.
    stride: of its coarsest features; any input size works, multiples of it need no padding.
    has_scales: whether it can be built with only some of its scales.
    build: makes it; called by `create_model`.
    """

    name: str
    paper: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int
    has_scales: bool
    build: Build = field(repr=False)


MODELS: Registry[ModelEntry] = Registry('model')
"""Every network by its name."""


def register_model(
    *,
    stride: int,
    paper: str = '',
    mean: tuple[float, float, float] = IMAGENET_MEAN,
    std: tuple[float, float, float] = IMAGENET_STD,
    has_scales: bool = False,
) -> Callable[[Build], Build]:
    """Return a decorator that registers a building function under the function's own name.

    The function takes the number of classes, the kept scales and whether to add training heads,
    and returns the network. The arguments here are fields of ModelEntry. A name that
    is taken raises ConfigError.
    """

    def register(build: Build) -> Build:
        name = build.__name__
        MODELS[name] = ModelEntry(name, paper, mean, std, stride, has_scales, build)
        return build

    return register


def list_models() -> list[str]:
    """Return the names of all networks, sorted."""
    return sorted(MODELS)


def get_model_entry(name: str) -> ModelEntry:
    """Return the registry entry of a network; raises UnknownNameError with the nearest names."""
    return MODELS[name]
