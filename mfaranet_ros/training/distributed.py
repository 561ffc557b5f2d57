# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The processes that train one network together, as `torchrun` starts them.

Every process holds the whole network and a part of the batch. What they exchange: the sums that
normalise the loss, the statistics of batch normalisation, and the gradients. The gradients of a
network of ours are one message of 50 MB, so they are averaged after the backward pass and not
while it runs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from mfaranet_ros.core.errors import ConfigError


@dataclass(frozen=True)
class DistributedContext:
    """One process among `size` processes that train together; alone, nothing is exchanged."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of all processes' tensors, without a gradient."""
        tensor = tensor.detach()
        if self.size > 1:
            tensor = tensor.clone()
            dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """Return all processes' tensors, of one size, behind one another, without a gradient."""
        tensor = tensor.detach()
        if self.size == 1:
            return tensor
        parts = [torch.empty_like(tensor) for _ in range(self.size)]
        dist.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over all processes, in one message."""
        if self.size == 1:
            return
        tensors = list(tensors)
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, part in zip(tensors, parts, strict=True):
            tensor.copy_(part.view_as(tensor))

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the leading process."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def told(self, values: list[float], device: torch.device) -> list[float]:
        """Return what the leading process says: as many numbers, whatever the others would say."""
        if self.size == 1:
            return values
        tensor = torch.tensor(values, dtype=torch.float64, device=device)
        dist.broadcast(tensor, 0)
        return [float(value) for value in tensor]

    def collect(self, value: Any) -> list[Any]:
        """Return every process's value, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values


ALONE = DistributedContext()


@contextmanager
def join_world(device: torch.device) -> Iterator[DistributedContext]:
    """Join the processes that `torchrun` started, by its environment; alone without one."""
    size = int(os.environ.get('WORLD_SIZE', '1'))
    if size == 1:
        yield ALONE
        return
    if device.type == 'cuda':
        torch.cuda.set_device(device)
    try:
        dist.init_process_group('nccl' if device.type == 'cuda' else 'gloo')
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f'WORLD_SIZE = {size}, but the processes cannot be joined ({error}): start them with '
            'torchrun'
        ) from error
    try:
        yield DistributedContext(dist.get_rank(), size)
    finally:
        dist.destroy_process_group()


def local_device(device: torch.device) -> torch.device:
    """Return the GPU of this process's place on its machine, where it runs on GPUs."""
    if device.type == 'cuda' and 'LOCAL_RANK' in os.environ:
        return torch.device('cuda', int(os.environ['LOCAL_RANK']))
    return device


def synchronise_normalisation(
    model: nn.Module, device: torch.device, world: DistributedContext
) -> None:
    """Let a network's batch normalisation work over the batches of all processes.

    torch has it for GPUs alone, so on a CPU it is ours; the parameters keep their names.
    """
    if world.size == 1:
        return
    if device.type == 'cuda':
        nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        return
    for name, child in model.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(model, name, _SharedBatchNorm(child, world))
        else:
            synchronise_normalisation(child, device, world)


class _SharedBatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose statistics are those of all processes' batches, of equal size."""

    def __init__(self, original: nn.BatchNorm2d, world: DistributedContext) -> None:
        super().__init__(original.num_features, original.eps, original.momentum)
        self.load_state_dict(original.state_dict())
        self.world = world

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        values = x.float()  # (N, C, h, w)
        mean = self._mean(values)
        centred = values - mean
        variance = self._mean(centred.square())
        self._remember(mean.flatten(), variance.flatten(), values.numel() // self.num_features)
        scale = self.weight.view(1, -1, 1, 1) * torch.rsqrt(variance + self.eps)
        return (centred * scale + self.bias.view(1, -1, 1, 1)).to(x.dtype)

    def _mean(self, values: Tensor) -> Tensor:
        own = values.mean((0, 2, 3), keepdim=True)  # (1, C, 1, 1)
        return _MeanOfAll.apply(own, self.world.size)  # type: ignore[no-any-return, no-untyped-call]

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, pixels: int) -> None:
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return
        count = pixels * self.world.size
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked += 1


class _MeanOfAll(torch.autograd.Function):
    """The mean of all processes' tensors, through which gradients flow back to each of them.

    The gradients of the processes' losses are averaged later on. Each process's loss depends on
    every process's tensor, so the gradient of a tensor is the mean of what all have found.
    """

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, size: int) -> Tensor:
        ctx.size = size
        total = tensor.clone()
        dist.all_reduce(total)
        return total / size

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total / ctx.size, None
