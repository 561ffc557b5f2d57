"""The compiled backend: torch's own compiler makes one program of the network, for one size.

That is the size of the network's input as configured. An input of any other size, as the windows
and zooms of an evaluation have, runs as in the backend `torch`.
"""

from __future__ import annotations

import torch
from torch import nn

from mfaranet_ros.errors import ConfigError
from mfaranet_ros.pipeline.backends.program import Run, get_program, why_no_compiler
from mfaranet_ros.pipeline.backends.protocol import BackendInfo
from mfaranet_ros.pipeline.backends.torch_backend import Network, TorchBackend
from mfaranet_ros.pipeline.config import RuntimeConfig


class CompiledBackend(TorchBackend):
    """Runs a model compiled for inputs of one size (height, width), made when it is not cached.

    Raises ConfigError if the size is not given, if this machine has no compiler, or if it fails;
    else as TorchBackend does.
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
        if missing:
            raise ConfigError(f"runtime.backend = 'compiled', but {missing}; or choose 'torch'")
        example = torch.zeros((1, 3, *size), device=self.device, dtype=self.dtype)
        self._size = size
        self._program, self._origin = self._get_program(
            example.contiguous(memory_format=torch.channels_last)
        )

    def _get_program(self, example: torch.Tensor) -> tuple[Run, str]:
        network = self._network.__self__  # type: ignore[union-attr]
        return get_program(network, example, self._threads or torch.get_num_threads())

    def _run(self, network: Network, tensor: torch.Tensor) -> torch.Tensor:
        compiled = tuple(tensor.shape[2:]) == self._size
        return super()._run(self._program if compiled else network, tensor)

    def describe(self) -> BackendInfo:
        """Say what runs, and where the program came from."""
        info = super().describe()
        height, width = self._size
        detail = info.detail.replace('eager', f'compiled for {width}x{height} {self._origin}')
        return BackendInfo(self.name, info.device, info.precision, detail)
