# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What can run the network: one file per backend, one row in the table below.

A backend takes a normalised tensor to coarse logits. What makes a network fast without changing
its answer belongs in here, never in the model's own file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from mfaranet_ros.backends.compiled import CompiledBackend
from mfaranet_ros.backends.cuda_graph import has_graphs
from mfaranet_ros.backends.device import cpu_flags, resolve_device, resolve_precision
from mfaranet_ros.backends.mock import MockBackend
from mfaranet_ros.backends.onnx_backend import OnnxBackend
from mfaranet_ros.backends.onnx_network import OnnxNetwork
from mfaranet_ros.backends.openvino_backend import OpenVinoBackend, why_no_openvino
from mfaranet_ros.backends.program import why_no_compiler
from mfaranet_ros.backends.protocol import Backend, BackendInfo
from mfaranet_ros.backends.torch_backend import TorchBackend
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, UnknownNameError

__all__ = [
    'Backend',
    'BackendInfo',
    'CompiledBackend',
    'MockBackend',
    'OnnxBackend',
    'OnnxNetwork',
    'OpenVinoBackend',
    'TorchBackend',
    'check_runtime',
    'create_backend',
    'list_backends',
    'resolve_device',
    'resolve_precision',
    'warm_up',
]

_log = logging.getLogger(__name__)


def create_backend(
    config: RuntimeConfig,
    model: nn.Module | None,
    *,
    classes: int,
    size: tuple[int, int] = (0, 0),
) -> Backend:
    """Build the configured backend around a model.

    model: as `create_model` returns it; None for the mock, which needs none.
    classes: how many logits a pixel has. size: (height, width) of the inputs, 0 where it is not
    known before there is a frame.
    Raises UnknownNameError (a ConfigError) for a backend, device or precision that does not
    exist, ConfigError for one that this machine does not have.
    """
    check_runtime(config)
    name = config.backend
    if isinstance(model, OnnxNetwork) and name not in ('auto', 'onnx', 'openvino'):
        raise ConfigError(
            f'{model.path} is an ONNX file, which the backend {name!r} does not run: set '
            'runtime.backend to onnx or auto, or give weights of another kind'
        )
    if name == 'auto':
        name, why = _choose(config, model, size)
        _log.info('runtime.backend auto: %s, %s', name, why)
    return _BACKENDS[name](_Order(config, model, classes, size))


def _choose(
    config: RuntimeConfig, model: nn.Module | None, size: tuple[int, int]
) -> tuple[str, str]:
    """Return the backend that auto stands for, and why.

    Compiled, a network is said to be twice as fast as eager on a CPU with AMX, and was measured
    to be 1.2 times as fast on one without, which is not worth a minute at the first start.
    """
    if isinstance(model, OnnxNetwork):
        return 'onnx', 'since the weights are an ONNX file'
    device = resolve_device(config.device)
    if device.type == 'cpu' and not why_no_openvino():
        return 'openvino', 'since it is the fastest on a CPU and needs no compiler'
    if device.type == 'cpu' and 'amx_bf16' not in cpu_flags():
        return 'torch', 'since compiling gains little on a CPU without AMX'
    if not all(size):
        return 'torch', 'since a compiled program needs input.height and input.width'
    missing = why_no_compiler(device)
    if missing and has_graphs(device):
        return 'compiled', f'since a CUDA graph is the best there is: {missing}'
    if missing:
        return 'torch', f'since {missing}'
    return 'compiled', 'since the size of the input is set and there is a compiler'


def check_runtime(config: RuntimeConfig) -> None:
    """Refuse what this machine cannot run, before anything slow is done for it.

    Raises UnknownNameError or ConfigError as `create_backend` does.
    """
    if config.backend not in ('auto', *_BACKENDS):
        raise UnknownNameError('backend', config.backend, ('auto', *_BACKENDS))
    if config.backend == 'openvino':
        return  # it has devices of its own
    resolve_precision(config.precision, resolve_device(config.device))


def list_backends() -> list[str]:
    """Return the names of all backends, sorted."""
    return sorted(_BACKENDS)


def warm_up(backend: Backend, height: int, width: int) -> float:
    """Run the backend once on an empty input of this size and return how many ms it took.

    The first run of a size is slow: memory is allocated and kernels are chosen.
    """
    tensor = torch.zeros((1, 3, height, width), device=backend.device, dtype=backend.dtype)
    start_ns = time.perf_counter_ns()
    backend(tensor.contiguous(memory_format=torch.channels_last))
    return (time.perf_counter_ns() - start_ns) / 1e6


@dataclass(frozen=True)
class _Order:
    """What a backend is made of, as `create_backend` is given it."""

    config: RuntimeConfig
    model: nn.Module | None
    classes: int
    size: tuple[int, int]

    def network(self) -> nn.Module:
        """Return the model; raises ConfigError where there is none."""
        if self.model is None:
            name = self.config.backend
            raise ConfigError(
                f"backend {name!r} needs a model: give one, or use the backend 'mock'"
            )
        return self.model


def _mock(order: _Order) -> Backend:
    device = resolve_device(order.config.device)
    dtype = resolve_precision(order.config.precision, device)
    return MockBackend(order.classes, device=device, dtype=dtype)


_BACKENDS: dict[str, Callable[[_Order], Backend]] = {
    'compiled': lambda order: CompiledBackend(order.config, order.network(), order.size),
    'onnx': lambda order: OnnxBackend(order.config, order.network()),
    'openvino': lambda order: OpenVinoBackend(order.config, order.network()),
    'torch': lambda order: TorchBackend(order.config, order.network()),
    'mock': _mock,
}
