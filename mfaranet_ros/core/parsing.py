# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON from files of others: a value, or a ValueError of one line.

The libraries raise much else: YAML several kinds of errors for a date that does not exist or an
empty number, and both a RecursionError for brackets without an end. A few lines of YAML with
aliases of aliases may also stand for more values than fit into memory.
"""

from __future__ import annotations

import json
from typing import Any

import yaml

_DAMAGE = (
    yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError, OverflowError,
    RecursionError,
)  # fmt: skip

MAX_VALUES = 100_000
"""Most values that a YAML text may stand for, those behind an alias counted each time."""


def parse_yaml(text: str | bytes, loader: Any = yaml.SafeLoader) -> Any:
    """Return what a YAML text holds; bytes are UTF-8.

    loader: a SafeLoader or a class made of it. Raises ValueError, whose message is one line.
    """
    try:
        value = yaml.load(_decoded(text), loader)
        _check_size(value)
        return value
    except _DAMAGE as error:
        raise ValueError(_one_line(error)) from error


def parse_json(text: str | bytes) -> Any:
    """Return what a JSON text holds; bytes are UTF-8. Raises ValueError of one line."""
    try:
        return json.loads(_decoded(text))
    except (ValueError, RecursionError) as error:
        raise ValueError(_one_line(error)) from error


def parse_count(text: str, most: int) -> int | None:
    """Return the number that a text of digits stands for; None for any other, or above `most`."""
    digits = text.strip()
    # Python raises ValueError for more than 4300 digits.
    if not digits.isdecimal() or len(digits) > len(str(most)) or int(digits) > most:
        return None
    return int(digits)


def _check_size(value: Any) -> None:
    waiting, count = [value], 0
    while waiting:
        count += 1
        if count > MAX_VALUES:
            raise ValueError(f'it stands for more than {MAX_VALUES} values')
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list | tuple | set):
            waiting += value


def _decoded(text: str | bytes) -> str:
    return text.decode() if isinstance(text, bytes) else text


def _one_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return 'its brackets are nested too deeply'
    return ' '.join(str(error).split()) or type(error).__name__
