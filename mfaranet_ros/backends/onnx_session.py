# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A file opened in ONNX Runtime, on the device that was asked for and on no other.

ONNX Runtime calls what computes a provider, and goes on to the next one, down to the CPU, when one
does not work. Here that is an error, but for one case: the GPU packages name TensorRT whether or
not its libraries are there, so that CUDA takes over without it, and that is said.
"""

from __future__ import annotations

import ctypes
import logging
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfaranet_ros.backends.cache import remove_engines, use_engines
from mfaranet_ros.backends.protocol import Device
from mfaranet_ros.core.errors import ConfigError, OutputError

_log = logging.getLogger(__name__)

TENSORRT = 'TensorrtExecutionProvider'
CUDA = 'CUDAExecutionProvider'
CPU = 'CPUExecutionProvider'

_ORDER = {'cuda': (TENSORRT, CUDA), 'cpu': (CPU,)}
"""The providers for a kind of device, the best first."""

_WORDS = {TENSORRT: 'TensorRT', CUDA: 'CUDA', CPU: 'CPU'}

_ERRORS_ONLY = 3


@dataclass(frozen=True)
class Session:
    """An open file. provider: what runs it; detail: a description of how."""

    inference: Any
    provider: str
    detail: str


def open_session(
    source: Path | bytes,
    device: Device,
    *,
    threads: int = 0,
    engines: Path | None = None,
    size: tuple[int, int] | None = None,
    advice: str = 'install what is missing, or set runtime.backend to torch',
) -> Session:
    """Open an ONNX file, or its bytes, with the best provider for a device.

    threads: of the CPU; 0: as ONNX Runtime chooses. engines: the folder for what TensorRT builds,
    which is left out where it is None. size: height and width to fix a file for any size to.
    Raises ConfigError with what to do where no provider for the device works.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = threads
    for name, value in zip(('height', 'width'), size or (), strict=False):
        options.add_free_dimension_override_by_name(name, value)
    providers = [
        name
        for name in available_providers(runtime, device)
        if name != TENSORRT or engines is not None
    ]
    failures = []
    for place, wanted in enumerate(providers):
        try:
            session, said = _open(runtime, source, options, providers[place:], device, engines)
            break
        except (ConfigError, OutputError) as error:
            failures.append(f'{_WORDS[wanted]}: {error}')
            _log.warning('ONNX Runtime cannot use %s', failures[-1])
    else:
        raise ConfigError(
            f'ONNX Runtime {runtime.__version__} cannot run the network on {device}: '
            f'{"; ".join(failures)}; {advice}'
        )
    words = [f'onnxruntime {runtime.__version__}', _WORDS[wanted], *filter(None, [said])]
    if failures:
        words.append(f'without {_WORDS[providers[0]]}, see the log')
    return Session(session, wanted, ', '.join(words))


def available_providers(runtime: Any, device: Device) -> list[str]:
    """Return the installed providers for a device, the best first; ConfigError for none."""
    installed = runtime.get_available_providers()
    found = [name for name in _ORDER[device.type] if name in installed]
    if not found:
        raise ConfigError(
            f'the device is {device}, but this onnxruntime has {", ".join(installed)} only: '
            'pip uninstall onnxruntime, then pip install onnxruntime-gpu; or set runtime.device '
            'to cpu'
        )
    return found


def _open(
    runtime: Any,
    source: Path | bytes,
    options: Any,
    providers: Sequence[str],
    device: Device,
    engines: Path | None,
) -> tuple[Any, str]:
    """Open a session that runs on the first provider; the others take what it cannot do.

    Raises ConfigError if it does not end on that one.
    """
    said = ''
    if providers[0] == TENSORRT and engines is not None:
        said = use_engines(engines, _built_with(runtime, device))
    given = [(name, _options_of(name, device, engines)) for name in providers]
    file = source if isinstance(source, bytes) else str(source)
    while True:
        try:
            session = runtime.InferenceSession(file, options, providers=given, enable_fallback=0)
            break
        except Exception as error:  # its errors have no common base
            suspect = engines if providers[0] == TENSORRT else None
            if suspect is None or not remove_engines(suspect):
                raise ConfigError(first_line(error)) from error
            _log.warning('engines in %s may be unreadable and are built again', suspect)
    running = session.get_providers()[0]
    if running != providers[0]:
        raise ConfigError(
            f'its libraries do not load, ONNX Runtime took {_WORDS.get(running, running)} instead'
        )
    return session, said


def _options_of(provider: str, device: Device, engines: Path | None) -> dict[str, str]:
    if provider == CPU:
        return {}
    options = {'device_id': str(device.index or 0)}
    if provider == TENSORRT:
        # Without any flag of precision TensorRT takes the types of the file as they are.
        options |= {
            'trt_engine_cache_enable': 'True',
            'trt_engine_cache_path': str(engines),
            'trt_timing_cache_enable': 'True',
            'trt_timing_cache_path': str(engines),
        }
    return options


def _built_with(runtime: Any, device: Device) -> Mapping[str, str]:
    return {
        'onnxruntime': runtime.__version__,
        'tensorrt': _tensorrt_version(),
        'gpu': _gpu_of(device.index or 0),
    }


def _gpu_of(index: int) -> str:
    """Return name and compute capability of a GPU, as nvidia-smi gives them."""
    fields = ('--query-gpu=name,compute_cap', '--format=csv,noheader')
    query = ['nvidia-smi', f'--id={index}', *fields]
    try:
        return subprocess.run(query, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return 'unknown'


def _tensorrt_version() -> str:
    for major in (11, 10, 8):
        try:
            return str(ctypes.CDLL(f'libnvinfer.so.{major}').getInferLibVersion())
        except (OSError, AttributeError):
            continue
    return 'unknown'


def first_line(error: BaseException) -> str:
    """Return what an error says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


OLDEST_RUNTIME = (1, 18)
"""From here on GridSample runs on a GPU in all the forms that opset 18 has."""


def import_onnxruntime() -> Any:
    """Return the package onnxruntime, which runs files.

    Its builds report their use to Microsoft unless that is switched off before they start; a
    vehicle should not do that unasked. Set ORT_DISABLE_TELEMETRY to 0 to allow it.
    Raises ConfigError with how to install it where it is missing or too old.
    """
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f'running an ONNX file needs ONNX Runtime ({error}): pip install onnxruntime, '
            'or onnxruntime-gpu for an NVIDIA GPU'
        ) from error
    if version_of(onnxruntime) < OLDEST_RUNTIME:
        raise ConfigError(
            f'onnxruntime {onnxruntime.__version__} is too old: install '
            f'{".".join(map(str, OLDEST_RUNTIME))} or newer with pip install -U onnxruntime, '
            'or onnxruntime-gpu for an NVIDIA GPU'
        )
    return onnxruntime


def version_of(package: Any) -> tuple[int, int]:
    """Return the first two numbers of a package's version."""
    first, second = re.findall(r'\d+', package.__version__)[:2]
    return int(first), int(second)
