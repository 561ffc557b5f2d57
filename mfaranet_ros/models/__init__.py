"""The zoo: networks as published, their registry and their weights (torch only)."""

from mfaranet_ros.models import mfaranet as mfaranet  # each family enters the registry here
from mfaranet_ros.models.base import ALL_SCALES, SegmentationModel, StageOutputs, check_scales
from mfaranet_ros.models.create import create_model
from mfaranet_ros.models.registry import ModelEntry, get_model_entry, list_models

__all__ = [
    'ALL_SCALES',
    'ModelEntry',
    'SegmentationModel',
    'StageOutputs',
    'check_scales',
    'create_model',
    'get_model_entry',
    'list_models',
]
