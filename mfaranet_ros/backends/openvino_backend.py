# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The OpenVINO backend: fast on CPUs without a compiler, at any input size without a rebuild."""

from __future__ import annotations

import logging
from typing import Any

import torch
from torch import nn

from mfaranet_ros.backends.cache import cache_folder
from mfaranet_ros.backends.device import name_device
from mfaranet_ros.backends.onnx_file import cached_graph
from mfaranet_ros.backends.openvino_runtime import (
    PRECISION_HINTS,
    import_openvino,
    keep_positions,
    last_line_of,
    openvino_precision,
    openvino_target,
)
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError

_log = logging.getLogger(__name__)


class OpenVinoBackend:
    """Runs a model in OpenVINO; network files have file_backend.py.

    model: has `coarse_logits(x)`; it is exported to ONNX once and kept in the cache.

    Inputs and logits are float32 on the CPU; the precision is that of the arithmetic inside.
    Raises ConfigError where OpenVINO is missing or has no such device or precision.
    """

    name = 'openvino'
    device = torch.device('cpu')
    dtype = torch.float32

    def __init__(self, config: RuntimeConfig, model: nn.Module) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        target = openvino_target(core, config.device)
        self._precision = openvino_precision(config.precision, target)
        if hasattr(model, 'coarse_logits'):
            path, source = cached_graph(model, 'float32'), 'exported for any size'
        else:
            raise ConfigError(
                f'model {type(model).__name__} has no coarse_logits, which a backend runs: '
                'use a model of mfaranet_ros.models'
            )
        options: dict[str, Any] = {
            'CACHE_DIR': str(cache_folder('openvino')),
            'INFERENCE_PRECISION_HINT': PRECISION_HINTS[self._precision],
            'PERFORMANCE_HINT': 'LATENCY',
        }
        if target == 'CPU' and config.threads:
            options['INFERENCE_NUM_THREADS'] = config.threads
        try:
            compiled = core.compile_model(_takes_rows(openvino, core, path), target, options)
            self._request: Any = compiled.create_infer_request()
        except RuntimeError as error:
            raise ConfigError(
                f'OpenVINO cannot build {path} for {target}: {last_line_of(error)}; '
                'set runtime.backend to torch'
            ) from error
        chip = core.get_property(target, 'FULL_DEVICE_NAME')
        self._info = BackendInfo(
            self.name,
            name_device(self.device) if target == 'CPU' else f'{target.lower()} ({chip})',
            self._precision,
            f'openvino {openvino.__version__.partition("-")[0]}, {source}, '
            f'{config.threads or "default number of"} threads',
        )

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the coarse logits of an input, see Backend."""
        if self._request is None:
            raise InferenceError('the backend is closed: make a new one')
        logits = torch.cat([self._run(image[None]) for image in tensor])
        # A single NaN or infinity makes the sum one.
        if not torch.isfinite(logits.sum()).item():
            raise InferenceError(
                f'the network gave logits that are not finite in {self._precision}: '
                'set runtime.precision to float32 if this persists'
            )
        return logits

    def _run(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of the logits (1, C, h, w) of one input (1, 3, H, W)."""
        rows = tensor.permute(0, 2, 3, 1).contiguous().numpy()  # no copy of channels_last
        try:
            outputs = self._request.infer([rows], share_inputs=True, share_outputs=True)
        except RuntimeError as error:
            _log.debug('the network failed', exc_info=True)
            raise InferenceError(
                f'the network failed in OpenVINO: {last_line_of(error)}'
            ) from error
        return torch.from_numpy(outputs[0]).clone()

    def describe(self) -> BackendInfo:
        """Return what runs."""
        return self._info

    def close(self) -> None:
        """Free the device."""
        self._request = None


def _takes_rows(openvino: Any, core: Any, path: Any) -> Any:
    """Return the model of a file, taking (1, h, w, 3) as preprocessing lays it out in memory."""
    model = core.read_model(str(path))
    keep_positions(model)
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout('NHWC'))
    steps.input().model().set_layout(openvino.Layout('NCHW'))
    return steps.build()
