# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads the settings of the pipeline from a parameter file of the node, without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.settings import settings_of

_FORM = 'write it as `/**: ros__parameters: ...`, as in config/segmentation.yaml'


def read_parameter_file(path: Path) -> PipelineConfig:
    """Return the settings in a parameter file; parameters of the node alone are left out.

    Of several nodes in the file the later ones win, as in ROS. Raises SourceError where the file
    cannot be read, ConfigError where it is no parameter file or a value is out of range.
    """
    path = path.expanduser()
    try:
        nodes = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else 'it is no text'
        raise SourceError(f'parameter file {path} cannot be read: {reason}') from error
    except yaml.YAMLError as error:
        raise ConfigError(f'{path} is no YAML: give a parameter file') from error
    groups = list(_parameters(nodes))
    if not groups:
        raise ConfigError(f'{path} is no parameter file: {_FORM}')
    known = {setting.name: setting for setting in settings_of(PipelineConfig)}
    values: dict[str, Any] = {}
    for group in groups:
        for name, value in _flat(group):
            if name in known:
                values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return replace(PipelineConfig(), values)
    except ConfigError as error:
        raise ConfigError(f'{path}: {error}') from error


def _parameters(nodes: Any) -> Iterator[Mapping[str, Any]]:
    """Yield what is under each `ros__parameters`, whatever namespaces are above it."""
    if not isinstance(nodes, Mapping):
        return
    for name, inside in nodes.items():
        if name == 'ros__parameters' and isinstance(inside, Mapping):
            yield inside
        else:
            yield from _parameters(inside)


def _flat(group: Mapping[str, Any], before: str = '') -> Iterator[tuple[str, Any]]:
    for name, value in group.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{before}{name}.')
        else:
            yield f'{before}{name}', value
