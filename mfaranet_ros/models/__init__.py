# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The networks as published, their registry and their weights."""

from mfaranet_ros.models import early_fusion as early_fusion  # each family registers itself
from mfaranet_ros.models import eseg as eseg
from mfaranet_ros.models import mfaranet as mfaranet
from mfaranet_ros.models import mmbconv_unet as mmbconv_unet
from mfaranet_ros.models.backbone_weights import load_backbone
from mfaranet_ros.models.base import ALL_SCALES, SegmentationModel, StageOutputs, check_scales
from mfaranet_ros.models.create import create_model
from mfaranet_ros.models.registry import ModelEntry, get_model_entry, list_models, register_model
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
