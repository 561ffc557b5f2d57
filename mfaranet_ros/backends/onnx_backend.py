# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The backend of ONNX Runtime: TensorRT or CUDA on an NVIDIA GPU, its own kernels on a CPU."""

from __future__ import annotations

import logging

import torch
from torch import nn

from mfaranet_ros.backends.cache import cache_folder
from mfaranet_ros.backends.device import name_device, resolve_device
from mfaranet_ros.backends.onnx_file import cached_graph
from mfaranet_ros.backends.onnx_graph import INPUT
from mfaranet_ros.backends.onnx_session import (
    TENSORRT,
    Session,
    available_providers,
    first_line,
    import_onnxruntime,
    open_session,
)
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError

_log = logging.getLogger(__name__)

Size = tuple[int, int]

_SIZES_KEPT = 2
"""Sizes whose engines stay loaded: that of the self-test and that of the camera."""


class OnnxBackend:
    """Runs a model in ONNX Runtime; network files have file_backend.py.

    model: has `coarse_logits(x)`; it is exported into the cache for inputs of any size. The model
    given stays as it is.
    Raises ConfigError for a precision that the device does not have here, and where ONNX Runtime
    is missing, too old, or has nothing that runs on the device.
    """

    name = 'onnx'

    def __init__(self, config: RuntimeConfig, model: nn.Module) -> None:
        self.device = resolve_device(config.device)
        available_providers(import_onnxruntime(), self.device)
        self._threads = config.threads
        if not hasattr(model, 'coarse_logits'):
            raise ConfigError(
                f'model {type(model).__name__} has no coarse_logits, which a backend runs: '
                f'use a model of mfaranet_ros.models'
            )
        self._precision = _precision(config, self.device)
        self._path = cached_graph(model, self._precision)
        self.dtype: torch.dtype = getattr(torch, self._precision)
        # TensorRT builds an engine for one size; all else runs any size.
        first = self._open(None)
        self._by_size = first.provider == TENSORRT
        self._sessions: dict[Size | None, Session] | None = {None: first}

    def _open(self, size: Size | None) -> Session:
        engines = None
        if self.device.type == 'cuda':
            engines = cache_folder('engines') / self._path.stem
        session = open_session(
            self._path, self.device, threads=self._threads, engines=engines, size=size
        )
        self._detail = f'{session.detail}, exported for any size'
        return session

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the coarse logits of an input, see Backend."""
        if self._sessions is None:
            raise InferenceError('the backend is closed: make a new one')
        size = tensor.shape[2], tensor.shape[3]
        try:
            session = self._session_for(self._sessions, size)
            run = self._run_bound if self.device.type == 'cuda' else self._run_on_cpu
            logits = torch.cat([run(session, image) for image in torch.split(tensor, 1)])
        except ConfigError as error:
            raise InferenceError(str(error)) from error
        except Exception as error:  # ONNX Runtime's errors have no common base
            _log.debug('the network failed', exc_info=True)
            raise self._explain(error) from error
        # One not-a-number or infinity makes the sum one.
        if not torch.isfinite(logits.sum(dtype=torch.float32)).item():
            raise InferenceError(
                f'the network gave logits that are not finite in {self._precision}: '
                f'set runtime.precision to float32 if this stays'
            )
        return logits

    def _session_for(self, sessions: dict[Size | None, Session], size: Size) -> Session:
        key = size if self._by_size else None
        if key not in sessions:
            _log.warning('TensorRT builds an engine for %dx%d px, which may take minutes', *size)
            sessions.pop(None, None)
            while len(sessions) >= _SIZES_KEPT:
                del sessions[next(iter(sessions))]
            sessions[key] = self._open(size)
        return sessions[key]

    def _run_on_cpu(self, session: Session, tensor: torch.Tensor) -> torch.Tensor:
        (logits,) = session.inference.run(None, {INPUT: tensor.contiguous().numpy()})
        return torch.from_numpy(logits)

    def _run_bound(self, session: Session, tensor: torch.Tensor) -> torch.Tensor:
        """Let ONNX Runtime read and write the memory of torch, so nothing is copied."""
        image = tensor.contiguous()
        (output,) = session.inference.get_outputs()
        height, width = (-(-size // 4) for size in tensor.shape[2:])
        shape = (1, output.shape[1], height, width)
        logits = torch.empty(shape, device=self.device, dtype=self.dtype)
        torch.cuda.current_stream(self.device).synchronize()  # ONNX Runtime uses another stream
        binding = session.inference.io_binding()
        for bind, name, held in (
            (binding.bind_input, INPUT, image),
            (binding.bind_output, output.name, logits),
        ):
            element = torch.empty(0, dtype=held.dtype).numpy().dtype.type
            where = self.device.type, self.device.index or 0
            bind(name, *where, element, tuple(held.shape), held.data_ptr())
        session.inference.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return logits

    def _explain(self, error: Exception) -> InferenceError:
        text = str(error).lower()
        if isinstance(error, MemoryError) or 'allocate' in text or 'out of memory' in text:
            advice = 'make input.height and input.width smaller or free memory'
            return InferenceError(f'out of memory on {self.device}: {advice}')
        return InferenceError(f'the network failed on {self.device}: {first_line(error)}')

    def describe(self) -> BackendInfo:
        """Return what runs."""
        threads = ''
        if self.device.type == 'cpu':
            threads = f', {self._threads or "its own choice of"} threads'
        return BackendInfo(
            self.name, name_device(self.device), self._precision, self._detail + threads
        )

    def close(self) -> None:
        """Free the device."""
        self._sessions = None


def _precision(config: RuntimeConfig, device: torch.device) -> str:
    """Return the precision of a model; auto is float16 on a GPU and float32 on a CPU."""
    allowed = ('float16', 'float32') if device.type == 'cuda' else ('float32',)
    if config.precision == 'auto':
        return allowed[0]
    if config.precision not in allowed:
        raise ConfigError(
            f"runtime.precision = {config.precision!r}, but the backend 'onnx' has "
            f'{" and ".join(allowed)} on {device}: set it to auto, or runtime.backend to torch'
        )
    return config.precision
