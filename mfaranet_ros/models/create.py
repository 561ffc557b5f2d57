# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Creates networks by name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import MAX_CLASSES
from mfaranet_ros.models.base import SegmentationModel
from mfaranet_ros.models.registry import get_model_entry
from mfaranet_ros.models.scales import ALL_SCALES, check_scales
from mfaranet_ros.models.weights import load_weights


def create_model(
    name: str,
    *,
    classes: int,
    scales: Iterable[int] = ALL_SCALES,
    weights: str | Path | None = None,
    training_heads: bool = False,
) -> SegmentationModel:
    """Create a network by its registered name, in training mode as torch does.

    name: one of `list_models()`. classes: 1 to 255. scales: the scales to keep, in any order.
    weights: a file to load; None: random initialisation. training_heads: add the heads that only
    the loss uses.
    Raises UnknownNameError for the name, ConfigError for classes or scales, WeightsError for a
    file that does not fit.
    """
    entry = get_model_entry(name)
    kept = check_scales(scales)
    if type(classes) is not int or not 1 <= classes <= MAX_CLASSES:
        raise ConfigError(f'classes = {classes!r}: must be an integer from 1 to {MAX_CLASSES}')
    if not entry.has_scales and kept != ALL_SCALES:
        raise ConfigError(f'scales {list(kept)}: {name} always uses all of its scales, omit them')
    model = entry.build(classes, kept, training_heads)
    model.name = name
    if weights is not None:
        load_weights(model, weights)
    return model
