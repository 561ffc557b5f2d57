# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Settings (pipeline/config.py) as a tool's arguments: `--set NAME=VALUE`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from mfaranet_ros.core.config import PipelineConfig, Value
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.settings import BOOLEANS, parse_value
from mfaranet_ros.core.settings import parse_settings as parse_settings_of

__all__ = ['add_set_argument', 'parse_boolean', 'parse_settings', 'parse_value']


def add_set_argument(
    parser: argparse.ArgumentParser,
    what: str = 'any parameter of the node, as in --set ground.z=1.4',
) -> None:
    """Declare `--set NAME=VALUE`, which may be given several times."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help=f'{what} (may be given several times)',
    )


def parse_settings(
    assignments: Iterable[str], config: type[Any] = PipelineConfig
) -> dict[str, Value]:
    """Return the settings of texts NAME=VALUE, each checked; raises ConfigError.

    config: the config class they are of.
    """
    return parse_settings_of(assignments, config)


def parse_boolean(name: str, text: str) -> bool:
    """Return what true or false stands for, in any case; raises ConfigError."""
    if text.lower() not in BOOLEANS:
        raise ConfigError(f'{name} = {text!r}: must be true or false')
    return BOOLEANS[text.lower()]
