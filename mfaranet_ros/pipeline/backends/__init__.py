"""What can run the network: one file per backend, one row in the table below.

A backend takes a normalised tensor to coarse logits. What makes a network fast without changing
its answer belongs in here, never in the model's own file.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import nn

from mfaranet_ros.errors import ConfigError, UnknownNameError
from mfaranet_ros.pipeline.backends.device import resolve_device, resolve_precision
from mfaranet_ros.pipeline.backends.mock import MockBackend
from mfaranet_ros.pipeline.backends.onnx_backend import OnnxBackend
from mfaranet_ros.pipeline.backends.onnx_network import OnnxNetwork
from mfaranet_ros.pipeline.backends.protocol import Backend, BackendInfo
from mfaranet_ros.pipeline.backends.torch_backend import TorchBackend
from mfaranet_ros.pipeline.config import RuntimeConfig

__all__ = [
    'Backend',
    'BackendInfo',
    'MockBackend',
    'OnnxBackend',
    'OnnxNetwork',
    'TorchBackend',
    'check_runtime',
    'create_backend',
    'list_backends',
    'resolve_device',
    'resolve_precision',
    'warm_up',
]


def create_backend(config: RuntimeConfig, model: nn.Module | None, *, classes: int) -> Backend:
    """Build the configured backend around a model.

    model: as `create_model` returns it; None for the mock, which needs none.
    classes: how many logits a pixel has.
    Raises UnknownNameError (a ConfigError) for a backend, device or precision that does not
    exist, ConfigError for one that this machine does not have.
    """
    check_runtime(config)
    name = 'torch' if config.backend == 'auto' else config.backend
    if isinstance(model, OnnxNetwork) and name != 'onnx':
        if config.backend != 'auto':
            raise ConfigError(
                f'{model.path} is an ONNX file, which the backend {config.backend!r} does not '
                'run: set runtime.backend to onnx or auto, or give weights of another kind'
            )
        name = 'onnx'
    return _BACKENDS[name](config, model, classes)


def check_runtime(config: RuntimeConfig) -> None:
    """Refuse what this machine cannot run, before anything slow is done for it.

    Raises UnknownNameError or ConfigError as `create_backend` does.
    """
    if config.backend not in ('auto', *_BACKENDS):
        raise UnknownNameError('backend', config.backend, ('auto', *_BACKENDS))
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


def _torch(config: RuntimeConfig, model: nn.Module | None, classes: int) -> Backend:
    if model is None:
        raise ConfigError("backend 'torch' needs a model: give one, or use the backend 'mock'")
    return TorchBackend(config, model)


def _onnx(config: RuntimeConfig, model: nn.Module | None, classes: int) -> Backend:
    if model is None:
        raise ConfigError("backend 'onnx' needs a model: give one, or use the backend 'mock'")
    return OnnxBackend(config, model)


def _mock(config: RuntimeConfig, model: nn.Module | None, classes: int) -> Backend:
    device = resolve_device(config.device)
    return MockBackend(classes, device=device, dtype=resolve_precision(config.precision, device))


_BACKENDS: dict[str, Callable[[RuntimeConfig, nn.Module | None, int], Backend]] = {
    'onnx': _onnx,
    'torch': _torch,
    'mock': _mock,
}
