# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ONNX files of the cache: networks exported for the backends that run graphs."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

from torch import nn

from mfaranet_ros.backends.cache import CACHE_ADVICE, cache_folder, model_key
from mfaranet_ros.backends.onnx_graph import import_onnx, make_graph
from mfaranet_ros.core.files import write_files

_log = logging.getLogger(__name__)


def cached_graph(model: nn.Module, precision: str) -> Path:
    """Return an ONNX file of a model's logits for inputs of any size, made if there is none yet.

    Raises ConfigError where it cannot be made, OutputError where the cache cannot be written.
    """
    key = model_key(model, precision, import_onnx().__version__)
    path = cache_folder('onnx') / f'{key[:32]}.onnx'
    seal = path.with_suffix('.sha256')
    if path.exists():
        if _sealed(path, seal):
            return path
        _log.warning('%s is damaged or incomplete and is made again', path)
    data = make_graph(model, precision=precision, outputs='logits', size=None)
    write_files({path: data, seal: hashlib.sha256(data).hexdigest().encode()}, advice=CACHE_ADVICE)
    return path


def _sealed(path: Path, seal: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == seal.read_bytes()
    except OSError:
        return False
