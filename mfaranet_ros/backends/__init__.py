# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What can run the network: one file per backend, one row in the table at the end.

A backend takes a normalised tensor to coarse logits. What makes a network fast without changing
its answer belongs in here, never in the model's own file.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from mfaranet_ros.backends.device import (
    cpu_flags,
    plain_device,
    resolve_device,
    resolve_precision,
)
from mfaranet_ros.backends.file_backend import OnnxFileBackend, OpenVinoFileBackend
from mfaranet_ros.backends.openvino_runtime import why_no_openvino
from mfaranet_ros.backends.protocol import Backend, BackendInfo
from mfaranet_ros.backends.registry import (
    BACKENDS,
    BackendEntry,
    BackendRequest,
    Choice,
    register_backend,
)
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.lazy import lazy_names
from mfaranet_ros.core.specification import NetworkFile

if TYPE_CHECKING:  # at run time they are imported when they are first used, and torch with them
    from torch import nn

    from mfaranet_ros.backends.compiled import CompiledBackend
    from mfaranet_ros.backends.mock import MockBackend
    from mfaranet_ros.backends.onnx_backend import OnnxBackend
    from mfaranet_ros.backends.openvino_backend import OpenVinoBackend
    from mfaranet_ros.backends.torch_backend import TorchBackend

__all__ = [
    'Backend',
    'BackendEntry',
    'BackendInfo',
    'BackendRequest',
    'Choice',
    'CompiledBackend',
    'MockBackend',
    'OnnxBackend',
    'OnnxFileBackend',
    'OpenVinoBackend',
    'OpenVinoFileBackend',
    'TorchBackend',
    'check_runtime',
    'create_backend',
    'list_backends',
    'register_backend',
    'resolve_device',
    'resolve_precision',
]

_log = logging.getLogger(__name__)

INT8_BACKENDS = ('auto', 'openvino', 'onnx')


def create_backend(
    config: RuntimeConfig,
    model: nn.Module | NetworkFile | None,
    *,
    classes: int,
    size: tuple[int, int] = (0, 0),
) -> Backend:
    """Build the configured backend around a model.

    model: as `create_model` returns it, or a network file; None for the mock, which needs none.
    classes: how many logits a pixel has. size: (height, width) of the inputs, 0 where it is not
    known before there is a frame.
    Raises UnknownNameError (a ConfigError) for a backend, device or precision that does not
    exist, ConfigError for one that this machine does not have.
    """
    check_runtime(config, is_file=isinstance(model, NetworkFile))
    request = BackendRequest(config, model, classes, size)
    entry = BACKENDS[config.backend] if config.backend != 'auto' else _choose(request)
    if not entry.can_run(model):
        what = (
            f'{model.path} is a network file, which'
            if isinstance(model, NetworkFile)
            else (f'{type(model).__name__} is a network that')
        )
        able = ', '.join(other.name for other in BACKENDS.values() if other.can_run(model))
        raise ConfigError(
            f'{what} the backend {entry.name!r} does not run: set runtime.backend to {able} or '
            'auto, or give weights of another kind'
        )
    try:
        return entry.build(request)
    except ImportError as error:
        raise ConfigError(
            f'the backend {entry.name!r} needs a package that is missing ({error}): '
            f'{entry.install or "install it"}'
        ) from error


def _choose(request: BackendRequest) -> BackendEntry:
    """Return the first backend that auto may take, and log why it is that one."""
    refused: list[str] = []
    for entry in BACKENDS.values():
        choice = entry.auto(request)
        if choice.takes and entry.can_run(request.model):
            why = choice.why + (f' ({"; ".join(refused)})' if refused else '')
            _log.info('runtime.backend auto: %s, since %s', entry.name, why)
            return entry
        if choice.why:
            refused.append(f'{entry.name}: {choice.why}')
    raise ConfigError(f'no backend runs this network: {"; ".join(refused)}')


def check_runtime(config: RuntimeConfig, *, is_file: bool = False) -> None:
    """Refuse what this machine cannot run, before anything slow is done for it.

    is_file: for a network file, which needs no torch. Raises UnknownNameError or ConfigError as
    `create_backend` does.
    """
    if config.backend not in ('auto', *BACKENDS):
        raise UnknownNameError('backend', config.backend, ('auto', *BACKENDS))
    if config.precision == 'int8' and config.backend not in INT8_BACKENDS:
        raise ConfigError(
            f"runtime.precision = 'int8', but the backend {config.backend!r} does not compute in "
            f'it: set runtime.backend to {" or ".join(INT8_BACKENDS)}'
        )
    if config.backend != 'auto' and BACKENDS[config.backend].own_devices:
        return
    if config.precision == 'int8' or is_file:
        plain_device(config.device)
        return
    resolve_precision(config.precision, resolve_device(config.device))


def list_backends() -> list[str]:
    """Return the names of all backends, sorted."""
    return sorted(BACKENDS)


def _mock(request: BackendRequest) -> Backend:
    from mfaranet_ros.backends.mock import MockBackend

    device = resolve_device(request.config.device)
    dtype = resolve_precision(request.config.precision, device)
    return MockBackend(request.classes, device=device, dtype=dtype)


def _auto_onnx(request: BackendRequest) -> Choice:
    takes = isinstance(request.model, NetworkFile)
    return Choice(takes, 'the weights are an ONNX file' if takes else '')


def _onnx(request: BackendRequest) -> Backend:
    if isinstance(request.model, NetworkFile):
        return OnnxFileBackend(request.config, request.model)
    from mfaranet_ros.backends.onnx_backend import OnnxBackend

    return OnnxBackend(request.config, request.network())


def _openvino(request: BackendRequest) -> Backend:
    if isinstance(request.model, NetworkFile):
        return OpenVinoFileBackend(request.config, request.model)
    from mfaranet_ros.backends.openvino_backend import OpenVinoBackend

    return OpenVinoBackend(request.config, request.network())


def _auto_openvino(request: BackendRequest) -> Choice:
    is_file = isinstance(request.model, NetworkFile)
    resolve = plain_device if is_file else resolve_device
    if resolve(request.config.device).type != 'cpu':
        return Choice(False, 'is for CPUs')
    missing = why_no_openvino()
    return Choice(not missing, missing or 'it is the fastest on a CPU and needs no compiler')


def _auto_compiled(request: BackendRequest) -> Choice:
    """Take it where it pays.

    It was measured to be 1.2 times as fast as eager on a CPU without AMX, which is not worth a
    minute at the first start.
    """
    from mfaranet_ros.backends.cuda_graph import has_graphs
    from mfaranet_ros.backends.program import why_no_compiler

    device = resolve_device(request.config.device)
    if device.type == 'cpu' and 'amx_bf16' not in cpu_flags():
        return Choice(False, 'gains little on a CPU without AMX')
    if not all(request.size):
        return Choice(False, 'needs input.height and input.width')
    missing = why_no_compiler(device)
    if missing and has_graphs(device):
        return Choice(True, f'a CUDA graph is the best there is: {missing}')
    return Choice(not missing, missing or 'the size of the input is set and there is a compiler')


def _compiled(request: BackendRequest) -> Backend:
    from mfaranet_ros.backends.compiled import CompiledBackend

    return CompiledBackend(request.config, request.network(), request.size)


def _torch(request: BackendRequest) -> Backend:
    from mfaranet_ros.backends.torch_backend import TorchBackend

    return TorchBackend(request.config, request.network())


for _entry in (
    BackendEntry(
        'onnx', 'ONNX Runtime', _onnx,
        files=('.onnx',), auto=_auto_onnx, install='pip install onnx onnxruntime',
    ),
    BackendEntry(
        'openvino', 'OpenVINO, for CPUs and GPUs of Intel',
        _openvino, files=('.onnx', '.xml'), auto=_auto_openvino, own_devices=True,
        install='pip install openvino onnx',
    ),
    BackendEntry(
        'compiled', 'torch.compile, or a CUDA graph where there is no compiler',
        _compiled, auto=_auto_compiled,
    ),
    BackendEntry(
        'torch', 'PyTorch as it is', _torch,
        auto=lambda r: Choice(True, 'it runs everywhere'),
    ),
    BackendEntry('mock', 'draws bands, for tests; no network runs', _mock),
):  # fmt: skip
    register_backend(_entry)

_MODULES = {
    'compiled': ('CompiledBackend',),
    'mock': ('MockBackend',),
    'onnx_backend': ('OnnxBackend',),
    'openvino_backend': ('OpenVinoBackend',),
    'torch_backend': ('TorchBackend',),
}

__getattr__, __dir__ = lazy_names(__name__, _MODULES)
