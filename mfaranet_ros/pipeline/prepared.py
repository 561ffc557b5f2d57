# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What was prepared for a configuration, so that a stale cache is named before it is rebuilt.

The caches themselves notice when something changed, and build again without a word. Here each
preparation leaves a note of what it was made with, and whoever builds the same again compares.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mfaranet_ros.backends.cache import CACHE_ADVICE, cache_folder
from mfaranet_ros.backends.device import cpu_flags, cpu_name
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.files import write_file

logger = logging.getLogger(__name__)

_PACKAGES = ('openvino', 'onnxruntime', 'torch', 'mfaranet_ros')


def made_with(weights_sha256: str) -> dict[str, str]:
    """Return what decides whether the engines of a configuration still fit, by name."""
    flags = hashlib.sha256(' '.join(sorted(cpu_flags())).encode()).hexdigest()[:12]
    facts = {'weights': weights_sha256[:16], 'cpu': cpu_name(), 'cpu features': flags}
    for package in _PACKAGES:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = 'none'
    return facts


def note(config: PipelineConfig, weights_sha256: str) -> Path:
    """Write down that the engines of a configuration were built now; return the file.

    Raises OutputError where the cache cannot be written.
    """
    path = _note_path(config)
    write_file(path, json.dumps(made_with(weights_sha256), indent=2), advice=CACHE_ADVICE)
    return path


def warn_if_stale(config: PipelineConfig, weights_sha256: str) -> str:
    """Return, and log as a warning, what changed since a configuration was prepared; '' for none.

    A configuration that was never prepared is nothing to warn about.
    """
    path = _note_path(config)
    try:
        before = json.loads(path.read_bytes())
    except FileNotFoundError:
        return ''
    except (OSError, ValueError):
        before = None
    now = made_with(weights_sha256)
    if before == now:
        return ''
    if not isinstance(before, dict):
        changed = f'{path} cannot be read'
    else:
        changed = ', '.join(
            f'{name} was {before.get(name, "unknown")} and is {value}'
            for name, value in now.items()
            if before.get(name) != value
        )
    text = (
        f'the engines prepared for this configuration are stale and are built again: {changed}; '
        'run `mfaranet prepare` once more'
    )
    logger.warning('%s', text)
    return text


def _note_path(config: PipelineConfig) -> Path:
    """Return the file of the note of a configuration, by what decides what is built."""
    decisive = [dataclasses.asdict(part) for part in (config.model, config.runtime, config.input)]
    key = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:32]
    return cache_folder('prepared') / f'{key}.json'
