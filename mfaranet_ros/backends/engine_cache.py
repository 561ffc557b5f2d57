# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The engines TensorRT builds, which takes minutes, kept until what they were built with changes.

TensorRT names its files by the graph and the chip. It does not always notice that one was built by
another version; loading it then fails, or worse. So each model has a folder of its own, which also
says what its engines were built with, and where that differs they are removed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from mfaranet_ros.backends.cache import CACHE_ADVICE
from mfaranet_ros.core.files import make_folder, unwritable, write_file

_log = logging.getLogger(__name__)

_BUILT_WITH = 'built_with.json'
_PATTERNS = ('*.engine', '*.profile', '*.timing', '*.cache')


def use_engines(folder: Path, built_with: Mapping[str, str]) -> str:
    """Make a folder ready for engines built with these versions; return what to say of it.

    Engines built with anything else, and those of which nobody knows, are removed and a warning
    is logged: they are built anew at the first frame of each size.
    """
    make_folder(folder, advice=CACHE_ADVICE)
    engines = _engines(folder)
    before = _read(folder / _BUILT_WITH)
    now = dict(built_with)
    if engines and before == now:
        return f'engines from {folder}'
    if engines:
        differing = _difference(before, now)
        _log.warning('engines in %s are built anew: %s', folder, differing)
        remove_engines(folder)
    write_file(folder / _BUILT_WITH, json.dumps(now, indent=2), advice=CACHE_ADVICE)
    return f'engines built into {folder}'


def remove_engines(folder: Path) -> bool:
    """Remove the engines of a folder and return whether there were any."""
    engines = _engines(folder)
    try:
        for path in engines:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error, CACHE_ADVICE) from error
    return bool(engines)


def _engines(folder: Path) -> list[Path]:
    return [path for pattern in _PATTERNS for path in folder.glob(pattern)]


def _read(path: Path) -> dict[str, str] | None:
    try:
        values = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _difference(before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    if before is None:
        return 'nothing says what they were built with'
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ', '.join(
        f'{name} was {before.get(name, "unknown")} and is {now.get(name, "unknown")}'
        for name in changed
    )
