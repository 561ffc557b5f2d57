# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The plain backend: the rewritten network, run by torch operator by operator."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import cast

import torch
from torch import nn

from mfaranet_ros.backends.device import (
    keep_freed_memory,
    name_device,
    name_precision,
    resolve_device,
    resolve_precision,
)
from mfaranet_ros.backends.kernels import name_kernels
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.backends.rewrite import rewrite
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError

_log = logging.getLogger(__name__)

Network = Callable[[torch.Tensor], torch.Tensor]


class TorchBackend:
    """Runs a copy of a model in eager torch; the model given stays as it is.

    model: has `coarse_logits(x)`, as the models of this package do.
    Raises ConfigError if the model has none or does not fit on the device.
    """

    name = 'torch'

    def __init__(self, config: RuntimeConfig, model: nn.Module) -> None:
        self.device = resolve_device(config.device)
        self.dtype = resolve_precision(config.precision, self.device)
        self._threads = config.threads
        if self.device.type == 'cpu':
            keep_freed_memory()
        self._network: Network | None = self._load(model)

    def _load(self, model: nn.Module) -> Network:
        if not hasattr(model, 'coarse_logits'):
            raise ConfigError(
                f'model {type(model).__name__} has no coarse_logits, which a backend runs: '
                f'use a model of mfaranet_ros.models'
            )
        try:
            model = rewrite(model, self.device).to(self.device, self.dtype)
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        except RuntimeError as error:
            raise ConfigError(
                f'the network cannot be moved to {self.device}: {_first_line(error)}; '
                f'free its memory or choose another runtime.device'
            ) from error
        return cast(Network, model.coarse_logits)

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the coarse logits of an input, see Backend."""
        if self._network is None:
            raise InferenceError('the backend is closed: make a new one')
        if self._threads and torch.get_num_threads() != self._threads:
            torch.set_num_threads(self._threads)  # each thread has its own setting
        try:
            return self._run(self._network, tensor)
        except (RuntimeError, MemoryError) as error:
            _log.debug('the network failed', exc_info=True)
            failure = self._explain(error)
        # Only here is the error, and with it the memory of the failed run, released.
        _empty_cache(self.device)
        raise failure

    @torch.inference_mode()
    def _run(self, network: Network, tensor: torch.Tensor) -> torch.Tensor:
        logits = network(tensor)
        # One not-a-number or infinity makes the sum one; reading it waits for the device.
        if not torch.isfinite(logits.sum(dtype=torch.float32)).item():
            raise InferenceError(
                f'the network gave logits that are not finite in {name_precision(self.dtype)}: '
                f'set runtime.precision to float32 if this stays'
            )
        return logits

    def _explain(self, error: RuntimeError | MemoryError) -> InferenceError:
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or 'allocate memory' in str(
            error
        ):
            advice = 'make input.height and input.width smaller or free memory'
            return InferenceError(f'out of memory on {self.device}: {advice}')
        return InferenceError(f'the network failed on {self.device}: {_first_line(error)}')

    def describe(self) -> BackendInfo:
        """Return what runs."""
        if self.device.type == 'cpu':
            with_what = f'{self._threads or torch.get_num_threads()} threads'
        else:
            with_what = name_kernels(self.device)
        return BackendInfo(
            self.name,
            name_device(self.device),
            name_precision(self.dtype),
            f'torch {torch.__version__}, eager, channels_last, {with_what}',
        )

    def close(self) -> None:
        """Free the device."""
        self._network = None
        _empty_cache(self.device)


def _empty_cache(device: torch.device) -> None:
    if device.type == 'cuda':
        with suppress(RuntimeError):  # a GPU that failed permanently repeats its error here
            torch.cuda.empty_cache()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
