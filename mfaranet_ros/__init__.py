# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Semantic segmentation for ROS 2 and for plain Python: camera images in, drivable area out.

>>> from mfaranet_ros import Segmenter
>>> with Segmenter('mfaranet_resnet18') as segmenter:
...     result = segmenter(image)  # uint8 (H, W, 3) RGB
>>> result.labels  # uint8 (H, W), class ids of segmenter.label_set

Everything in `__all__` is public and follows semantic versioning; what is not listed here may
change in any release. Importing this module is quick: a name is imported when it is first used,
and neither torch nor rclpy nor OpenCV before that.
"""

import os
from typing import TYPE_CHECKING

from mfaranet_ros.core.lazy import lazy_names

if TYPE_CHECKING:  # for type checkers and editors; at run time __getattr__ does the same
    from mfaranet_ros.core.config import PipelineConfig
    from mfaranet_ros.core.errors import (
        CalibrationError,
        ClosedError,
        ConfigError,
        DecodeError,
        InferenceError,
        MfaranetError,
        OutputError,
        ProcessError,
        SourceError,
        StaleFrame,
        TrainingError,
        UnknownNameError,
        WeightsError,
    )
    from mfaranet_ros.core.frame import (
        UNLABELED,
        Drivable,
        Frame,
        GroundGrid,
        Output,
        Points,
        Result,
        Timings,
    )
    from mfaranet_ros.core.labels import (
        LabelClass,
        LabelSet,
        Role,
        get_label_set,
        list_label_sets,
        register_label_set,
    )
    from mfaranet_ros.data.calibration_file import read_calibration
    from mfaranet_ros.data.recordings import RecordedFrame, Recording, open_recording
    from mfaranet_ros.evaluation.runs.run import EvaluationResult, evaluate
    from mfaranet_ros.geometry.camera import CameraModel
    from mfaranet_ros.geometry.mounting import MountingPose
    from mfaranet_ros.models import (
        SegmentationModel,
        StageOutputs,
        create_model,
        list_models,
        load_weights,
        register_model,
        save_weights,
    )
    from mfaranet_ros.pipeline.segmenter import Segmenter
    from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

__all__ = [
    'UNLABELED',
    'CalibrationError',
    'CameraModel',
    'ClosedError',
    'ConfigError',
    'DecodeError',
    'Drivable',
    'EvaluationResult',
    'Frame',
    'GroundGrid',
    'InferenceError',
    'LabelClass',
    'LabelSet',
    'MfaranetError',
    'MountingPose',
    'Output',
    'OutputError',
    'PipelineConfig',
    'Points',
    'ProcessError',
    'RecordedFrame',
    'Recording',
    'Result',
    'Role',
    'SegmentationModel',
    'Segmenter',
    'SourceError',
    'StageOutputs',
    'StaleFrame',
    'SyntheticScene',
    'Timings',
    'TrainingError',
    'UnknownNameError',
    'WeightsError',
    'create_model',
    'evaluate',
    'get_label_set',
    'list_label_sets',
    'list_models',
    'load_weights',
    'open_recording',
    'read_calibration',
    'register_label_set',
    'register_model',
    'save_weights',
]

__version__ = '0.2.0'

_MODULES = {
    'core.config': ('PipelineConfig',),
    'core.errors': (
        'CalibrationError', 'ClosedError', 'ConfigError', 'DecodeError', 'InferenceError',
        'MfaranetError', 'OutputError', 'ProcessError', 'SourceError', 'StaleFrame',
        'TrainingError', 'UnknownNameError', 'WeightsError',
    ),
    'core.frame': (
        'UNLABELED', 'Drivable', 'Frame', 'GroundGrid', 'Output', 'Points', 'Result',
        'Timings',
    ),
    'core.labels': (
        'LabelClass', 'LabelSet', 'Role', 'get_label_set', 'list_label_sets',
        'register_label_set',
    ),
    'data.calibration_file': ('read_calibration',),
    'data.recordings': ('RecordedFrame', 'Recording', 'open_recording'),
    'evaluation.runs.run': ('EvaluationResult', 'evaluate'),
    'geometry.camera': ('CameraModel',),
    'geometry.mounting': ('MountingPose',),
    'models': (
        'SegmentationModel', 'StageOutputs', 'create_model', 'list_models', 'load_weights',
        'register_model', 'save_weights',
    ),
    'pipeline.segmenter': ('Segmenter',),
    'scenes.synthetic_scene': ('SyntheticScene',),
}  # fmt: skip
"""Where each public name is defined."""

# Before torch is imported anywhere: its OpenMP threads otherwise spin while they wait, which on
# a CPU that other nodes share too makes a frame many times slower.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')


__getattr__, __dir__ = lazy_names(__name__, _MODULES)
