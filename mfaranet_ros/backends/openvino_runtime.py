# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What both backends of OpenVINO need of it: whether it is there, its devices and precisions."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from mfaranet_ros.backends.device import cpu_flags
from mfaranet_ros.core.errors import ConfigError, UnknownNameError

DEVICES = {'auto': 'CPU', 'cpu': 'CPU', 'intel_gpu': 'GPU', 'npu': 'NPU'}
"""`runtime.device` and the name of the device in OpenVINO."""

PRECISION_HINTS = {'float32': 'f32', 'bfloat16': 'bf16', 'float16': 'f16'}


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


def keep_positions(model: Any) -> None:
    """Make the sampling positions of an OpenVINO model outputs, behind those it has.

    OpenVINO computes what leads to an output in float32. In bfloat16, with its 8 bits, a position
    is off by pixels.
    """
    grids = {
        node.input_value(1).get_node().get_friendly_name(): node.input_value(1)
        for node in model.get_ordered_ops()
        if node.get_type_name() == 'GridSample'
    }
    model.add_outputs([*grids.values()])


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
