# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The names of the zoo: every network enters here once, and is found by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.models.base import SegmentationModel

IMAGENET_MEAN = (0.485, 0.456, 0.406)
"""Mean of R, G and B in 0..1, as customary for ImageNet backbones."""

IMAGENET_STD = (0.229, 0.224, 0.225)
"""Standard deviation of R, G and B in 0..1, as customary for ImageNet backbones."""

Build = Callable[[int, tuple[int, ...], bool], SegmentationModel]
"""Makes a network from the number of classes, the kept scales, and whether with training heads."""


@dataclass(frozen=True)
class ModelEntry:
    """What is known of a network without building it.

    mean, std: the normalisation its published weights expect, of R, G, B in 0..1.
    stride: of its coarsest features; inputs of any size work, multiples of it waste nothing.
    has_scales: whether it can be built with a part of its scales.
    """

    name: str
    paper: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stride: int
    has_scales: bool
    build: Build = field(repr=False)


_ENTRIES: dict[str, ModelEntry] = {}


def register_model(
    *,
    paper: str,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
    stride: int,
    has_scales: bool,
) -> Callable[[Build], Build]:
    """Return a decorator that enters a building function into the registry under its own name."""

    def register(build: Build) -> Build:
        name = build.__name__
        _ENTRIES[name] = ModelEntry(name, paper, mean, std, stride, has_scales, build)
        return build

    return register


def list_models() -> list[str]:
    """Return the names of all networks, sorted."""
    return sorted(_ENTRIES)


def get_model_entry(name: str) -> ModelEntry:
    """Return the registry entry of a network; raises UnknownNameError with the nearest names."""
    if name not in _ENTRIES:
        raise UnknownNameError('model', name, _ENTRIES)
    return _ENTRIES[name]
