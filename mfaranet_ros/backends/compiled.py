# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled backend: torch's own compiler makes one program of the network, for one size.

That is the size of the network's input as configured. An input of any other size, as the windows
and test-time scales of an evaluation have, runs as in the backend `torch`. On a GPU the program is
recorded as a CUDA graph; without a compiler it is the eager network that is recorded there.
"""

from __future__ import annotations

import torch
from torch import nn

from mfaranet_ros.backends.cuda_graph import graphed, has_graphs
from mfaranet_ros.backends.program import Run, get_program, why_no_compiler
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.backends.torch_backend import Network, TorchBackend
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError


class CompiledBackend(TorchBackend):
    """Runs a model compiled for inputs of one size (height, width), made when it is not cached.

    Raises ConfigError if the size is not given, if there is no compiler and no GPU either, or if
    it fails; else as TorchBackend does.
    """

    name = 'compiled'

    def __init__(self, config: RuntimeConfig, model: nn.Module, size: tuple[int, int]) -> None:
        if not all(size):
            raise ConfigError(
                "runtime.backend = 'compiled', but a program is for one size: set input.height "
                "and input.width to the camera's, or choose 'torch'"
            )
        super().__init__(config, model)
        missing = why_no_compiler(self.device)
        if missing and not has_graphs(self.device):
            raise ConfigError(f"runtime.backend = 'compiled', but {missing}; or choose 'torch'")
        example = torch.zeros((1, 3, *size), device=self.device, dtype=self.dtype)
        example = example.contiguous(memory_format=torch.channels_last)
        self._size = size
        self._program: Run | None
        if missing:
            assert self._network is not None
            self._program, self._origin = self._network, f'eager for {_name(size)} ({missing})'
        else:
            self._program, origin = self._get_program(example)
            self._origin = f'compiled for {_name(size)} {origin}'
        if has_graphs(self.device):
            self._program, how = graphed(self._program, example)
            self._origin += f', {how}'

    def _get_program(self, example: torch.Tensor) -> tuple[Run, str]:
        network = self._network.__self__  # type: ignore[union-attr]
        return get_program(network, example, self._threads or torch.get_num_threads())

    def _run(self, network: Network, tensor: torch.Tensor) -> torch.Tensor:
        program = self._program if tensor.shape == (1, 3, *self._size) else None
        return super()._run(program or network, tensor)

    def describe(self) -> BackendInfo:
        """Return what runs, and where the program came from."""
        info = super().describe()
        detail = info.detail.replace('eager', self._origin)
        return BackendInfo(self.name, info.device, info.precision, detail)

    def close(self) -> None:
        """Free the device."""
        self._program = None
        super().close()


def _name(size: tuple[int, int]) -> str:
    return f'{size[1]}x{size[0]}'
