# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The networks as published, their registry and their weights."""

from typing import TYPE_CHECKING, Any

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.lazy import NO_TORCH, lazy_names

# At run time each name is imported when it is first asked for, and torch with it.
if TYPE_CHECKING:
    from mfaranet_ros.models.backbone_weights import load_backbone
    from mfaranet_ros.models.base import SegmentationModel, StageOutputs
    from mfaranet_ros.models.create import create_model
    from mfaranet_ros.models.registry import (
        ModelEntry,
        get_model_entry,
        list_models,
        register_model,
    )
    from mfaranet_ros.models.scales import ALL_SCALES, check_scales
    from mfaranet_ros.models.weights import find_weights, load_weights, save_weights
    from mfaranet_ros.models.weights_file import Weights, read_weights

__all__ = [
    'ALL_SCALES',
    'ModelEntry',
    'SegmentationModel',
    'StageOutputs',
    'Weights',
    'check_scales',
    'create_model',
    'find_weights',
    'get_model_entry',
    'list_models',
    'load_backbone',
    'load_weights',
    'read_weights',
    'register_model',
    'save_weights',
]

_FAMILIES = ('early_fusion', 'eseg', 'mfaranet', 'mmbconv_unet')
"""The modules of networks, each of which registers its own."""

_MODULES = {
    'backbone_weights': ('load_backbone',),
    'base': ('SegmentationModel', 'StageOutputs'),
    'create': ('create_model',),
    'registry': ('ModelEntry', 'get_model_entry', 'list_models', 'register_model'),
    'scales': ('ALL_SCALES', 'check_scales'),
    'weights': ('find_weights', 'load_weights', 'save_weights'),
    'weights_file': ('Weights', 'read_weights'),
}  # fmt: skip

_get, __dir__ = lazy_names(__name__, _MODULES, _FAMILIES)


def __getattr__(name: str) -> Any:
    try:
        return _get(name)
    except ModuleNotFoundError as error:
        if error.name != 'torch':
            raise
        raise ConfigError(NO_TORCH) from error
