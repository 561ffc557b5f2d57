# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An ONNX file in the place of a model, and a model as an ONNX file of the cache."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from torch import Tensor, nn

from mfaranet_ros.backends.cache import CACHE_ADVICE, cache_folder, model_key
from mfaranet_ros.backends.onnx_graph import INPUT, make_graph
from mfaranet_ros.backends.onnx_install import import_onnx
from mfaranet_ros.backends.onnx_session import open_session
from mfaranet_ros.backends.onnx_sidecar import Sidecar
from mfaranet_ros.core.files import write_files

_log = logging.getLogger(__name__)


class OnnxNetwork(nn.Module):
    """A file that was exported with its logits, which only the backend `onnx` runs.

    It has no parameters. Its own `coarse_logits` are what the self-test compares with: the same
    file on the CPU, where it was compared with the network before it was written.
    """

    def __init__(self, path: Path, sidecar: Sidecar) -> None:
        super().__init__()
        self.path = path
        self.sidecar = sidecar
        self.name = sidecar.model
        self.classes = sidecar.classes
        self.scales = sidecar.scales

    def coarse_logits(self, x: Tensor) -> Tensor:
        """Return float32 logits (1, C, ceil(H / 4), ceil(W / 4)) on the device of the input."""
        session = open_session(self.path, torch.device('cpu')).inference
        image = x.detach().cpu().to(getattr(torch, self.sidecar.precision)).contiguous()
        (logits,) = session.run(None, {INPUT: image.numpy()})
        return torch.from_numpy(logits).to(x.device, torch.float32)


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
        _log.warning('%s is damaged or incomplete and is made anew', path)
    data = make_graph(model, precision=precision, outputs='logits', size=None)
    write_files({path: data, seal: hashlib.sha256(data).hexdigest().encode()}, advice=CACHE_ADVICE)
    return path


def _sealed(path: Path, seal: Path) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest().encode() == seal.read_bytes()
    except OSError:
        return False
