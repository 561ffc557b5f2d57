# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings as ROS parameters: one definition (pipeline/config.py), declared and watched here."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, TypeVar

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from mfaranet_ros.core.config import (
    PipelineConfig,
    Setting,
    replace,
    setting,
    settings_of,
    value_of,
)
from mfaranet_ros.core.errors import ConfigError, UnknownNameError

ConfigT = TypeVar('ConfigT')

OF_RCLPY = ('use_sim_time', 'qos_overrides.', 'start_type_description_service')
"""Parameters that rclpy itself declares, some of them later than ours."""


@dataclass(frozen=True)
class InputTopics:
    """How images reach the node."""

    transport: str = setting(
        'raw',
        'raw: sensor_msgs/Image on `image`; compressed: CompressedImage on `image/compressed`; '
        'video: h264, h265 or av1 there; ffmpeg, foxglove: FFMPEGPacket on `image/ffmpeg`, '
        'CompressedVideo on `image/foxglove`',
        choices=('raw', 'compressed', 'video', 'ffmpeg', 'foxglove'),
    )
    video_device: str = setting(
        'cpu', 'what decodes video; cuda: the decoder of an NVIDIA GPU', choices=('cpu', 'cuda')
    )


@dataclass(frozen=True)
class OutputTopics:
    """How results leave it."""

    grid_durability: str = setting(
        'transient_local',
        'durability of ~/drivable/grid: transient_local also reaches late subscribers',
        choices=('transient_local', 'volatile'),
    )
    debug_stamped: bool = setting(
        False,
        'debug topics as autoware_internal_debug_msgs/Float64Stamped instead of std_msgs/Float64',
    )


@dataclass(frozen=True)
class NodeConfig:
    """The settings of the node itself; those of the pipeline are in PipelineConfig."""

    autostart: bool = setting(
        True, 'configure and activate by itself; false: a lifecycle manager does it'
    )
    input: InputTopics = field(default_factory=InputTopics)
    output: OutputTopics = field(default_factory=OutputTopics)


class Parameters(Generic[ConfigT]):
    """A config whose settings are parameters of a node.

    `config` is always the valid config in force. Raises ConfigError when a value given at the
    start is not allowed; a later change that is not allowed is refused with the reason.

    config: its values are the defaults. on_change(config): called after a change.
    check(old, new): raises ConfigError for values that do not go together.
    names: the settings that are declared; by default all. prefix: precedes their names.
    """

    def __init__(
        self,
        node: Node,
        config: ConfigT,
        on_change: Callable[[ConfigT], None] | None = None,
        check: Callable[[ConfigT, ConfigT], None] | None = None,
        *,
        names: Sequence[str] = (),
        prefix: str = '',
    ) -> None:
        self._prefix = prefix
        self._settings = {
            prefix + setting.name: dataclasses.replace(
                setting, name=prefix + setting.name, default=value_of(config, setting.name)
            )
            for setting in settings_of(config)
            if not names or setting.name in names
        }
        self._on_change = on_change or (lambda config: None)
        self._check = check or (lambda old, new: None)
        declared = {name: _declare(node, setting) for name, setting in self._settings.items()}
        self.config = self._with(config, declared)
        self._check(self.config, self.config)
        node.add_on_set_parameters_callback(self._set)

    def _set(self, parameters: list[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in parameters if p.name in self._settings}
        try:
            config = self._with(self.config, ours)
            self._check(self.config, config)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        if ours:
            self.config = config
            self._on_change(config)
        return SetParametersResult(successful=True)

    def _with(self, config: ConfigT, values: dict[str, Any]) -> ConfigT:
        """Return the config with values given by their full names, each checked under it."""
        checked = {name: self._settings[name].check(value) for name, value in values.items()}
        return replace(
            config, {name.removeprefix(self._prefix): value for name, value in checked.items()}
        )


OWN_GROUP_CUTOFF, CUTOFF = 0.6, 0.85
"""From which similarity on (0 to 1) a name is a misspelling, in our own groups and elsewhere."""


def refuse_misspelled(node: Node) -> None:
    """Raise UnknownNameError for a parameter given at the start that resembles one of ours.

    Others are ignored, with one line in the log: a file for all nodes (`/**`) and Autoware's
    loaders give every node parameters that belong to others.
    """
    known = [name for name in node.get_parameters_by_prefix('') if not name.startswith(OF_RCLPY)]
    groups = {name.partition('.')[0] for name in known if '.' in name}
    ignored = []
    for name in node._parameter_overrides:
        if node.has_parameter(name) or name.startswith(OF_RCLPY):
            continue
        is_own = '.' in name and name.partition('.')[0] in groups
        if get_close_matches(name, known, cutoff=OWN_GROUP_CUTOFF if is_own else CUTOFF):
            raise UnknownNameError('parameter', name, known)
        ignored.append(name)
    if ignored:
        node.get_logger().info(
            f'parameters that this node does not have are ignored: {", ".join(sorted(ignored))}'
        )


def _declare(node: Node, setting: Setting) -> Any:
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    try:
        value = node.declare_parameter(setting.name, default, descriptor(setting)).value
    except InvalidParameterValueException as error:
        setting.check(node._parameter_overrides[setting.name].value)
        raise ConfigError(str(error)) from error
    return [] if value is None and isinstance(default, list) else value


def descriptor(setting: Setting) -> ParameterDescriptor:
    """Return what `ros2 param describe` shows of a setting.

    Typing is dynamic so that a whole number is taken where a float is meant; the setting's own
    check refuses every other type.
    """
    rule = setting.rule
    unit = f' [{rule.unit}]' if rule.unit else ''
    result = ParameterDescriptor(
        name=setting.name,
        description=rule.description + unit,
        additional_constraints=f'{setting.type_name}, {setting.allowed}',
        read_only=not rule.live,
        dynamic_typing=True,
    )
    if rule.low is not None and rule.high is not None:
        if setting.type_name == 'float':
            result.floating_point_range = [FloatingPointRange(
                from_value=float(rule.low), to_value=float(rule.high)
            )]  # fmt: skip
        else:
            result.integer_range = [IntegerRange(
                from_value=int(rule.low), to_value=int(rule.high), step=1
            )]  # fmt: skip
    return result


def all_settings() -> tuple[Setting, ...]:
    """Return every setting of the segmentation node, in the order of the documents."""
    return settings_of(NodeConfig) + settings_of(PipelineConfig)
