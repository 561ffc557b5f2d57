# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the pipeline, defined once.

A field made by `setting` is the ROS parameter, the flag of the tools, the line in
config/segmentation.yaml and the row in the README; tests hold them equal. Values are checked when
a config is made, so whoever holds a config holds a valid one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.core.settings import (
    Rule,
    Setting,
    Value,
    changes,
    replace,
    setting,
    settings_of,
    value_of,
    values_of,
)

__all__ = [
    'DiagnosticsConfig',
    'DrivableConfig',
    'FusionConfig',
    'GroundConfig',
    'InputConfig',
    'LatencyConfig',
    'ModelConfig',
    'OutputConfig',
    'PipelineConfig',
    'Rule',
    'RuntimeConfig',
    'Setting',
    'Value',
    'changes',
    'replace',
    'setting',
    'settings_of',
    'value_of',
    'values_of',
]


@dataclass(frozen=True)
class ModelConfig:
    """Which network runs."""

    name: str = setting(
        'mfaranet_resnet18', 'network, one of `mfaranet models`, or a network file'
    )
    weights: str = setting(
        '',
        'weights file (.safetensors, a published .pth) or network file (.onnx, OpenVINO .xml, or '
        'the .yaml that specifies it); empty: the one shipped for the model',
    )
    labels: str = setting(
        '', 'label set of a weights file that does not state its own (published .pth): cityscapes'
    )
    max_file_mb: int = setting(
        1000, 'largest network file that is opened, with its data', unit='MB', low=1, high=100_000
    )
    scales: tuple[int, ...] = setting(
        (1, 2, 3, 4),
        'kept scales, 1 (stride 4) to 4 (stride 32); fewer are faster, one is the pruned network',
        low=1,
        high=4,
        live=True,
    )


@dataclass(frozen=True)
class RuntimeConfig:
    """What runs the network."""

    backend: str = setting(
        'auto',
        'inference backend: auto, openvino, torch, compiled, onnx; mock returns a fixed pattern '
        'for tests',
    )
    device: str = setting(
        'auto',
        'auto (cuda where there is one, else cpu), cpu, cuda, cuda:N; openvino: intel_gpu, npu',
    )
    precision: str = setting(
        'auto',
        'auto: float16 on cuda; on a cpu bfloat16 where it has instructions for it, else float32, '
        'or int8 where a shipped INT8 file passes its test and gains 1.3 times',
        choices=('auto', 'float32', 'float16', 'bfloat16', 'int8'),
    )
    threads: int = setting(0, 'CPU threads of the network; 0: as torch chooses', low=0, high=256)


@dataclass(frozen=True)
class InputConfig:
    """What the network is given."""

    height: int = setting(
        0, 'network input height; 0: the camera height', unit='px', low=0, high=8192
    )
    width: int = setting(
        0, 'network input width; 0: the camera width', unit='px', low=0, high=8192
    )
    ego_mask: str = setting(
        '', 'image file in which the own vehicle (bonnet, mirrors) is not black: it is unlabeled '
        'in the masks and unseen in the grid',
    )  # fmt: skip
    ego_polygon: str = setting(
        '', 'the same as polygons: corners X,Y as shares of width and height, `;` between '
        'polygons, as `0,1 0.2,0.8 0.8,0.8 1,1`',
    )  # fmt: skip


@dataclass(frozen=True)
class OutputConfig:
    """What the masks look like."""

    resolution: str = setting(
        'camera',
        'size of the masks: camera, or network (its input)',
        choices=('camera', 'network'),
    )
    palette: str = setting(
        'classes',
        'colours of overlay and colour mask: of the classes, or of their roles on the road',
        choices=('classes', 'roles'),
        live=True,
    )
    overlay_alpha: float = setting(
        0.5, 'share of the colour in the overlay', low=0.0, high=1.0, live=True
    )
    class_remap: str = setting(
        '', 'other mask values for consumers that need them, as `Road=7, Car=26`; 255 is unlabeled'
    )


@dataclass(frozen=True)
class DrivableConfig:
    """How the drivable area is decided."""

    min_confidence: float = setting(
        0.5,
        'pixels below this confidence are uncertain: 127 in the drivable mask, never free in the '
        'grid',
        low=0.0,
        high=1.0,
        live=True,
    )
    boundary_bearings: int = setting(
        180, 'vertices of the boundary over the field of view', low=3, high=3600, live=True
    )


@dataclass(frozen=True)
class GroundConfig:
    """Where the camera is mounted, and which ground the grid covers (base frame, REP-103)."""

    base_frame: str = setting('base_link', 'frame of the metric outputs, on the ground')
    extrinsics: str = setting(
        'auto',
        'mounting pose from tf or from the parameters below; auto: tf where tf2_ros is installed',
        choices=('auto', 'tf', 'parameters'),
    )
    x: float = setting(
        0.0, 'camera ahead of the base frame', unit='m', low=-100.0, high=100.0, live=True
    )
    y: float = setting(
        0.0, 'camera left of the base frame', unit='m', low=-100.0, high=100.0, live=True
    )
    z: float = setting(1.5, 'camera above the ground', unit='m', low=-100.0, high=100.0, live=True)
    roll: float = setting(
        0.0, 'camera body rolled about x, to the right', unit='rad', low=-6.3, high=6.3, live=True
    )
    pitch: float = setting(
        0.0, 'camera body pitched about y, positive is down', unit='rad', low=-6.3, high=6.3,
        live=True,
    )  # fmt: skip
    yaw: float = setting(
        0.0, 'camera body turned about z, positive is left', unit='rad', low=-6.3, high=6.3,
        live=True,
    )  # fmt: skip
    attitude: str = setting(
        'none',
        'tilt of the vehicle from `imu`, `odom` and the edges of the road: none, warn (estimate '
        'and report), correct (also move the ground, and cut it where it is uncertain)',
        choices=('none', 'warn', 'correct'),
    )
    max_error: float = setting(
        1.0, 'largest 95th percentile of the range error; beyond, cells are unseen with '
        'ground.attitude = correct', unit='m', low=0.01, high=100.0, live=True,
    )  # fmt: skip
    pitch_std_deg: float = setting(
        1.0, 'standard deviation of the pitch of the body while nothing observes it', unit='deg',
        low=0.01, high=20.0,
    )  # fmt: skip
    roll_std_deg: float = setting(
        0.3, 'standard deviation of the roll of the body while nothing observes it', unit='deg',
        low=0.01, high=20.0,
    )  # fmt: skip
    imu_roll: float = setting(
        0.0, 'IMU rolled about x of the base frame', unit='rad', low=-6.3, high=6.3
    )
    imu_pitch: float = setting(
        0.0, 'IMU pitched about y, positive is down', unit='rad', low=-6.3, high=6.3
    )
    imu_yaw: float = setting(
        0.0, 'IMU turned about z, positive is left', unit='rad', low=-6.3, high=6.3
    )
    x_min: float = setting(0.0, 'rear edge of the grid', unit='m', low=-1000.0, high=1000.0)
    x_max: float = setting(40.0, 'front edge of the grid', unit='m', low=-1000.0, high=1000.0)
    y_min: float = setting(-10.0, 'right edge of the grid', unit='m', low=-1000.0, high=1000.0)
    y_max: float = setting(10.0, 'left edge of the grid', unit='m', low=-1000.0, high=1000.0)
    resolution: float = setting(0.1, 'edge of a grid cell', unit='m', low=0.01, high=10.0)


@dataclass(frozen=True)
class FusionConfig:
    """How the cameras of a rig are fused into one grid, and what of it is remembered."""

    tilt_std_deg: float = setting(
        0.2,
        'standard deviation of roll and pitch against the ground; the larger, the less far cells '
        'count',
        unit='deg', low=0.01, high=10.0,
    )  # fmt: skip
    memory: str = setting(
        'odometry',
        'ego motion that carries the grid along: odometry (nav_msgs/Odometry on `odom`), tf '
        '(odom_frame to ground.base_frame), or none: each grid is that of the newest frames',
        choices=('odometry', 'tf', 'none'),
    )
    odom_frame: str = setting('odom', 'frame of the ego motion with memory = tf')
    fade_s: float = setting(
        1.5, 'time in which remembered log-odds fall to a third', unit='s', low=0.1, high=600.0
    )
    keep_s: float = setting(
        3.0, 'time after which a cell that was not seen again is unknown', unit='s', low=0.1,
        high=600.0,
    )  # fmt: skip


@dataclass(frozen=True)
class LatencyConfig:
    """When a frame is too slow or too old, and what is done to be faster."""

    budget_ms: float = setting(
        100.0, 'processing time a frame may take before diagnostics warns',
        unit='ms', low=0.1, high=1e6, live=True,
    )  # fmt: skip
    adapt: bool = setting(
        False, 'meet the budget by switching between latency.operating_points; false: keep '
        'model.scales and input.*',
        live=True,
    )  # fmt: skip
    operating_points: tuple[str, ...] = setting(
        ('1,2,3,4', '2'),
        'operating points from the most costly to the cheapest, each '
        '[MODEL[=FILE]:]SCALES[@HEIGHTxWIDTH]',
        items=str,
        live=True,
    )
    adapt_period_s: float = setting(
        1.0, 'shortest time between two changes of the operating point', unit='s', low=0.1,
        high=3600.0, live=True,
    )  # fmt: skip
    max_consecutive_delay_ms: float = setting(
        1000.0, 'how long frames may stay over the budget before diagnostics reports an error',
        unit='ms', low=0.0, high=1e6, live=True,
    )  # fmt: skip
    max_age_ms: float = setting(
        1000.0, 'a frame older than this is dropped and counted; 0: never',
        unit='ms', low=0.0, high=1e9, live=True,
    )  # fmt: skip


@dataclass(frozen=True)
class DiagnosticsConfig:
    """What the camera is expected to do."""

    window: int = setting(200, 'frames over which the percentiles are taken', low=2, high=100_000)
    expected_rate_hz: float = setting(
        10.0, 'frames per second the camera delivers', unit='Hz', low=0.01, high=1000.0, live=True
    )
    rate_tolerance: float = setting(
        0.3,
        'tolerated relative deviation from the expected rate',
        low=0.0,
        high=1.0,
        live=True,
    )
    input_timeout_ms: float = setting(
        1000.0,
        'time without an image after which the input is an error, or without a grid after which '
        'it is cleared',
        unit='ms', low=10.0, high=1e6, live=True,
    )  # fmt: skip
    frozen_frames: int = setting(
        5, 'identical frames in a row that are reported as a frozen camera',
        low=2, high=10_000, live=True,
    )  # fmt: skip
    dark_level: float = setting(
        4.0, 'a frame whose mean brightness is below it is reported as black',
        low=0.0, high=255.0, live=True,
    )  # fmt: skip
    saturated_share: float = setting(
        0.8, 'a frame with more than this share of its pixels at 250 or more is reported as '
        'saturated', low=0.0, high=1.0, live=True,
    )  # fmt: skip


@dataclass(frozen=True)
class PipelineConfig:
    """All settings of one pipeline, in their groups."""

    model: ModelConfig = field(default_factory=ModelConfig)
    runtime: RuntimeConfig = field(default_factory=RuntimeConfig)
    input: InputConfig = field(default_factory=InputConfig)
    output: OutputConfig = field(default_factory=OutputConfig)
    drivable: DrivableConfig = field(default_factory=DrivableConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    latency: LatencyConfig = field(default_factory=LatencyConfig)
    diagnostics: DiagnosticsConfig = field(default_factory=DiagnosticsConfig)


_ARGUMENTS = ('model.name', 'model.weights')
"""The settings that `make_config` takes as arguments of their own."""


def make_config(
    model: str, weights: str | Path | None, keywords: Mapping[str, Any]
) -> PipelineConfig:
    """Return the config of a model, its weights and settings given as keywords.

    weights: a file; None: the one shipped for the model. keywords: names of settings with the dot
    written as an underscore, such as `runtime_device`, and their values.
    Raises UnknownNameError with the nearest names, or ConfigError for a value out of range.
    """
    known = {
        setting.name.replace('.', '_'): setting.name
        for setting in settings_of(PipelineConfig)
        if setting.name not in _ARGUMENTS
    }
    values: dict[str, Any] = {'model.name': model, 'model.weights': str(weights or '')}
    for name, value in keywords.items():
        if name not in known:
            raise UnknownNameError('setting', name, known)
        values[known[name]] = value
    return replace(PipelineConfig(), values)
