# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A compiled program of a network for inputs of one size, from the cache or made for it.

A separate process (compile_job.py) makes a package that holds the weights and the machine code.
That takes up to minutes, loading it milliseconds.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from mfaranet_ros.backends.cache import cache_folder, model_key
from mfaranet_ros.backends.device import cpu_flags, name_device
from mfaranet_ros.core.errors import ConfigError

TELL_S = 10.0
"""Interval between log lines while the compiler runs."""

Run = Callable[[Tensor], Tensor]

_log = logging.getLogger(__name__)


def why_no_compiler(device: torch.device) -> str:
    """Return what is missing to compile for a device, and how to get it; empty if nothing is."""
    compiler = os.environ.get('CXX', 'g++')
    if shutil.which(compiler) is None:
        return f'there is no C++ compiler ({compiler}): apt install g++'
    if device.type == 'cuda' and importlib.util.find_spec('triton') is None:
        return 'triton is not installed: pip install triton'
    return ''


def get_program(network: nn.Module, example: Tensor, threads: int) -> tuple[Run, str]:
    """Return what runs the `coarse_logits` of a network, and a description of where it came from.

    network: in evaluation mode, on its device and in its precision. example: an input (1, 3, h,
    w) like all that will come. threads: of the CPU, which the program is made for.

    Raises ConfigError if it cannot be compiled.
    """
    package = cache_folder('compiled') / f'{_key(network, example, threads)}.pt2'
    loaded = _load(package, example.device)
    if loaded is not None:
        return loaded, 'from the cache'
    start = time.monotonic()
    try:
        _compile(network, example, threads, package)
        loaded = _load(package, example.device)
    except (RuntimeError, OSError) as error:
        raise _failure(example, str(error)) from error
    if loaded is None:
        raise _failure(example, 'what was compiled cannot be loaded')
    return loaded, f'in {time.monotonic() - start:.0f} s'


def _key(network: nn.Module, example: Tensor, threads: int) -> str:
    facts = [str(tuple(example.shape)), str(example.dtype), name_device(example.device)]
    if example.device.type == 'cpu':
        facts += [str(threads), *sorted(cpu_flags())]
    return model_key(network, *facts)[:32]


def _load(package: Path, device: torch.device) -> Run | None:
    """Return the program of a package; None where there is none or a broken one, which goes."""
    if not package.exists():
        return None
    try:
        if device.type == 'cuda':
            # What keeps threads apart there asks for events, which no CUDA graph may record.
            loaded: Any = torch._inductor.aoti_load_package(
                str(package), run_single_threaded=True, device_index=device.index
            )
        else:
            loaded = torch._inductor.aoti_load_package(str(package))
    except (RuntimeError, OSError) as error:
        _log.warning('%s is compiled again: %s', package, _last_line(str(error)))
        package.unlink(missing_ok=True)
        return None
    run: Run = loaded
    return run


def _compile(network: nn.Module, example: Tensor, threads: int, package: Path) -> None:
    """Write a package; only a whole one is ever seen in its place."""
    with TemporaryDirectory(dir=package.parent, prefix='.making.') as folder:
        source, made = Path(folder, 'network.pt'), Path(folder, 'made.pt2')
        torch.save((network, example), source)
        command = [sys.executable, '-m', __name__.replace('program', 'compile_job')]
        environment = {**os.environ, 'OMP_NUM_THREADS': str(threads)}
        _wait_for(
            subprocess.Popen(
                [*command, str(source), str(made)], env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            ),
            example,
        )  # fmt: skip
        made.replace(package)


def _wait_for(job: subprocess.Popen[bytes], example: Tensor) -> None:
    """Wait for the compiler and say so again and again; raises RuntimeError if it fails."""
    start = time.monotonic()
    with job:
        while True:
            try:
                said = job.communicate(timeout=TELL_S)[1].decode(errors='replace')
                break
            except subprocess.TimeoutExpired:
                waited = time.monotonic() - start
                _log.warning('compiling the network for %s: %.0f s', _size(example), waited)
            except BaseException:
                job.kill()
                raise
    if job.returncode:
        raise RuntimeError(said or f'the compiler ended with {job.returncode}')


def _failure(example: Tensor, why: str) -> ConfigError:
    return ConfigError(
        f'the network cannot be compiled for {_size(example)}: {_last_line(why)}; set '
        "runtime.backend to 'torch'"
    )


def _size(example: Tensor) -> str:
    return f'{example.shape[3]}x{example.shape[2]} px'


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ['no reason was given'])[-1]
