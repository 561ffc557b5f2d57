# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The OpenVINO backend: fast on CPUs without a compiler, at any input size without a rebuild."""

from __future__ import annotations

import logging
import re
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from mfaranet_ros.backends.cache import cache_folder
from mfaranet_ros.backends.device import cpu_flags, name_device
from mfaranet_ros.backends.onnx_file import cached_graph
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError, UnknownNameError

_log = logging.getLogger(__name__)

DEVICES = {'auto': 'CPU', 'cpu': 'CPU', 'intel_gpu': 'GPU', 'npu': 'NPU'}
"""`runtime.device` and the name of the device in OpenVINO."""

PRECISION_HINTS = {'float32': 'f32', 'bfloat16': 'bf16', 'float16': 'f16'}


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


def why_no_openvino() -> str:
    """Return why the backend cannot run here, '' if it can; nothing is imported for that."""
    missing = [name for name in ('openvino', 'onnx') if find_spec(name) is None]
    return f'{" and ".join(missing)} not installed: pip install openvino onnx' if missing else ''


def import_openvino() -> Any:
    """Return the package openvino; raises ConfigError with the install line without it."""
    missing = why_no_openvino()
    if missing:
        raise ConfigError(
            f"runtime.backend = 'openvino', but {missing}, or set runtime.backend to torch"
        )
    import openvino

    return openvino


def _takes_rows(openvino: Any, core: Any, path: Any) -> Any:
    """Return the model of a file, taking (1, h, w, 3) as preprocessing lays it out in memory.

    Sampling positions become outputs besides the logits: OpenVINO computes what leads to an output
    in float32, and in bfloat16, with its 8 bits, a position is off by pixels.
    """
    model = core.read_model(str(path))
    grids = {
        node.input_value(1).get_node().get_friendly_name(): node.input_value(1)
        for node in model.get_ordered_ops()
        if node.get_type_name() == 'GridSample'
    }
    model.add_outputs([*grids.values()])
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout('NHWC'))
    steps.input().model().set_layout(openvino.Layout('NCHW'))
    return steps.build()


def openvino_target(core: Any, name: str) -> str:
    """Return OpenVINO's name of a `runtime.device`; raises ConfigError for one not there."""
    if name not in DEVICES:
        raise UnknownNameError('device of the backend openvino', name, DEVICES)
    target = DEVICES[name]
    available = [device.partition('.')[0] for device in core.available_devices]
    if target not in available:
        raise ConfigError(
            f'runtime.device = {name!r}, but OpenVINO finds {", ".join(sorted(set(available)))} '
            'only: install the driver of that device, or set it to cpu'
        )
    return target


def openvino_precision(name: str, target: str) -> str:
    """Return the precision of the arithmetic; auto is bfloat16 on a CPU that multiplies in it."""
    has_bfloat16 = bool(cpu_flags() & {'avx512_bf16', 'amx_bf16'})
    half = 'float16' if target != 'CPU' else 'bfloat16' if has_bfloat16 else ''
    allowed = [precision for precision in (half, 'float32') if precision]
    if name == 'auto':
        return allowed[0]
    if name not in allowed:
        raise ConfigError(
            f"runtime.precision = {name!r}, but the backend 'openvino' computes in "
            f'{" or ".join(allowed)} on this {target}: set it to auto'
        )
    return name


def last_line_of(error: BaseException) -> str:
    """Return the line of an OpenVINO error that says what happened; the first ones say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return re.sub(r'\s+', ' ', lines[-1]) if lines else type(error).__name__
