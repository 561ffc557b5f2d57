# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arguments that several verbs have in common, and how they are read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.settings import parse_settings

MODEL_ARGUMENTS = {
    'model': ('model.name', 'NAME', 'default: mfaranet_resnet18'),
    'weights': ('model.weights', 'FILE', 'default: those shipped for the model'),
    'scales': ('model.scales', 'LIST', 'kept scales, as 2 or 1,2,3,4 (the default)'),
    'device': ('runtime.device', 'NAME', 'cpu, cuda, cuda:N or auto (the default)'),
    'precision': (
        'runtime.precision', 'NAME', 'float32, float16, bfloat16, int8 or auto (the default)',
    ),
}  # fmt: skip
"""By the flag's name: the setting it stands for, what to write, and what it says."""


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


def add_model_arguments(
    parser: argparse.ArgumentParser, flags: Iterable[str] = MODEL_ARGUMENTS
) -> None:
    """Declare which network runs, on what, and `--set` for every other setting.

    flags: those of MODEL_ARGUMENTS that the tool has.
    """
    for flag in flags:
        setting, metavar, text = MODEL_ARGUMENTS[flag]
        parser.add_argument(f'--{flag}', dest=flag, metavar=metavar, help=f'{text} [{setting}]')
    add_set_argument(parser)


def model_config(args: argparse.Namespace) -> PipelineConfig:
    """Return the config these arguments ask for; raises ConfigError."""
    named = [
        f'{setting}={getattr(args, flag)}'
        for flag, (setting, _, _) in MODEL_ARGUMENTS.items()
        if getattr(args, flag, None) is not None
    ]
    return replace(PipelineConfig(), parse_settings([*named, *args.set], PipelineConfig))


def parse_size(text: str, flag: str) -> tuple[int, int]:
    """Return height and width, both 1 or more, of a text such as 1024x2048; raises ConfigError."""
    found = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text.strip().lower())
    if found is None:
        raise ConfigError(f'{flag} {text}: write HEIGHTxWIDTH in px, as in {flag} 1024x2048')
    return int(found[1]), int(found[2])


def parse_numbers(text: str, flag: str) -> tuple[float, ...]:
    """Return the numbers of a text such as 0.5,1,2; raises ConfigError."""
    try:
        return tuple(float(part) for part in text.split(','))
    except ValueError:
        raise ConfigError(f'{flag} {text}: write numbers as in {flag} 0.5,1,2') from None
