# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which device and which precision a setting means on this machine."""

from __future__ import annotations

import ctypes
import platform
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mfaranet_ros.backends.protocol import Device, PlainDevice
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.lazy import NO_TORCH

if TYPE_CHECKING:
    import torch

_PRECISIONS = ('float32', 'float16', 'bfloat16')
_DEVICE = re.compile(r'auto|cpu|cuda(:\d+)?')


def plain_device(name: str) -> PlainDevice:
    """Return the device of a `runtime.device` setting without importing torch.

    auto is cuda where the driver finds a GPU, else cpu. Raises as `resolve_device` does.
    """
    _check_device(name)
    count = 0 if name == 'cpu' else _count_gpus()
    if name == 'cpu' or (name == 'auto' and not count):
        return PlainDevice('cpu')
    if not count:
        raise ConfigError(
            f'runtime.device = {name!r}, but the driver finds no NVIDIA GPU: check it with '
            'nvidia-smi, or set it to cpu'
        )
    index = int(name.partition(':')[2] or 0)
    _check_index(name, index, count)
    return PlainDevice('cuda', index)


def _count_gpus() -> int:
    """Return how many GPUs the driver of NVIDIA finds."""
    try:
        driver = ctypes.CDLL('libcuda.so.1')
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def _check_device(name: str) -> None:
    if not _DEVICE.fullmatch(name):
        raise UnknownNameError('device', name, ('auto', 'cpu', 'cuda', 'cuda:0'))


def _check_index(name: str, index: int, count: int) -> None:
    if index >= count:
        raise ConfigError(
            f'runtime.device = {name!r}, but this machine has cuda:0 to cuda:{count - 1}: '
            f'choose one of them'
        )


def resolve_device(name: str) -> torch.device:
    """Return the device of a `runtime.device` setting; auto is cuda where there is one, else cpu.

    Raises UnknownNameError for another name and ConfigError for a GPU that is not there: nothing
    falls back to the CPU unasked.
    """
    _check_device(name)
    try:
        import torch
    except ModuleNotFoundError as error:
        raise ConfigError(NO_TORCH) from error
    if name == 'auto':
        name = 'cuda' if torch.cuda.is_available() else 'cpu'
    if name == 'cpu':
        return torch.device('cpu')
    if not torch.cuda.is_available():
        raise ConfigError(f'runtime.device = {name!r}, but {_why_no_cuda()}, or set it to cpu')
    index = int(name.partition(':')[2] or torch.cuda.current_device())
    _check_index(name, index, torch.cuda.device_count())
    return torch.device('cuda', index)


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the dtype of a `runtime.precision` setting on a device.

    auto is float16 on cuda; on a CPU bfloat16 where it multiplies in it, else float32. Raises
    UnknownNameError for another name and ConfigError for float16 on a CPU that has to emulate it.
    """
    import torch

    if name not in ('auto', *_PRECISIONS):
        raise UnknownNameError('precision', name, ('auto', *_PRECISIONS))
    if device.type == 'cuda':
        return torch.float16 if name == 'auto' else getattr(torch, name)
    flags = cpu_flags()
    if name == 'float16' and not flags & {'avx512_fp16', 'amx_fp16'}:
        raise ConfigError(
            "runtime.precision = 'float16', but this CPU has no float16 arithmetic and would be "
            'slower than in float32: set it to auto, bfloat16 or float32'
        )
    if name == 'auto':
        return torch.bfloat16 if flags & {'avx512_bf16', 'amx_bf16'} else torch.float32
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def name_device(device: Device) -> str:
    """Return a device with the make of its chip, such as `cuda:0 (NVIDIA H200)`."""
    if isinstance(device, PlainDevice) and device.type == 'cuda':
        return str(device)
    if device.type == 'cuda':
        import torch

        return f'{device} ({torch.cuda.get_device_name(str(device))})'
    return f'{device} ({cpu_name()})'


def name_precision(dtype: torch.dtype) -> str:
    """Return a dtype as the settings write it, such as `float16`."""
    return str(dtype).removeprefix('torch.')


def cpu_name() -> str:
    """Return the make of the CPU, or its architecture where Linux does not say."""
    return _cpu_info().get('model name', platform.machine())


def cpu_flags() -> frozenset[str]:
    """Return the instruction sets Linux reports of the CPU; none where it does not say."""
    return frozenset(_cpu_info().get('flags', '').split())


_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
"""Of glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Let this process keep the memory that it frees, where its C library is glibc.

    A network on a CPU frees each layer's output and asks for as much again. glibc gives blocks of
    more than 32 MB back to the system and gets them again page by page, each filled with zeros:
    a fifth of the time of a training step. Frames of 480x360 are too small to gain anything.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)  # never
        mallopt(_M_TOP_PAD, 64 * 2**20)


@lru_cache(maxsize=1)
def _cpu_info() -> dict[str, str]:
    try:
        text = Path('/proc/cpuinfo').read_text(encoding='utf-8', errors='replace')
    except OSError:
        return {}
    pairs = (line.partition(':') for line in text.partition('\n\n')[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _why_no_cuda() -> str:
    import torch

    if torch.version.cuda is None:
        return f'torch {torch.__version__} is built without CUDA: install a CUDA build of torch'
    return 'torch finds no usable NVIDIA GPU: check the driver with nvidia-smi'
