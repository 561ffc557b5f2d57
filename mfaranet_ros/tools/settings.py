"""Settings (pipeline/config.py) as a tool's arguments: `--set NAME=VALUE`."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from mfaranet_ros.errors import ConfigError, UnknownNameError
from mfaranet_ros.pipeline.config import PipelineConfig, Setting, Value, settings_of

BOOLEANS = {'true': True, 'false': False}


def add_set_argument(parser: argparse.ArgumentParser) -> None:
    """Declare `--set NAME=VALUE`, which may be given several times."""
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        help='any parameter of the node, as in --set ground.z=1.4 (may be given several times)',
    )


def parse_settings(
    assignments: Iterable[str], config: type[Any] = PipelineConfig
) -> dict[str, Value]:
    """Return the settings of texts NAME=VALUE, each checked; raises ConfigError.

    config: the config class they are of.
    """
    known = {setting.name: setting for setting in settings_of(config)}
    values: dict[str, Value] = {}
    for assignment in assignments:
        name, sign, text = assignment.partition('=')
        if not sign:
            raise ConfigError(f'--set {assignment}: write NAME=VALUE')
        if name not in known:
            raise UnknownNameError('setting', name, known)
        values[name] = parse_value(known[name], text)
    return values


def parse_value(setting: Setting, text: str) -> Value:
    """Return the value a text stands for, checked; raises ConfigError.

    A list is written as 1,2,3 (with or without brackets), one of texts with blanks between them,
    a bool as true or false.
    """
    return setting.check(_convert(setting, text.strip()))


def parse_boolean(name: str, text: str) -> bool:
    """Return what true or false stands for, in any case; raises ConfigError."""
    if text.lower() not in BOOLEANS:
        raise ConfigError(f'{name} = {text!r}: must be true or false')
    return BOOLEANS[text.lower()]


def _convert(setting: Setting, text: str) -> Any:
    """Convert where it is possible; what remains a text is refused by the setting's check."""
    try:
        if setting.type_name == 'str[]':
            return tuple(part.strip("',") for part in text.strip('[]()').split())
        if isinstance(setting.default, tuple):
            return tuple(int(part) for part in text.strip('[]()').split(','))
        if isinstance(setting.default, bool):
            return BOOLEANS.get(text.lower(), text)
        if isinstance(setting.default, int | float):
            return type(setting.default)(text)
    except ValueError:
        return text
    return text
