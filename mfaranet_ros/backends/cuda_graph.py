# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network recorded as a CUDA graph: one launch for the hundreds of kernels of a frame.

A graph reads and writes at fixed places: an input is copied to where it reads, and what it wrote
is copied to a new tensor. So, as with every backend, the caller owns its result, which later calls
leave unchanged; both copies are short compared with the network.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Run = Callable[[Tensor], Tensor]

WARM_UP_RUNS = 3
"""Runs before the recording: memory is allocated, libraries are loaded, kernels are chosen."""

_log = logging.getLogger(__name__)


class GraphedRun:
    """Answers inputs of one shape by replaying what was recorded, in one thread at a time.

    run: what was recorded; it owns the weights that the recording goes on to read. source: where
    that reads its input; target: where it writes its output. replay: runs it on the current
    stream.
    """

    def __init__(
        self, run: Run, source: Tensor, target: Tensor, replay: Callable[[], None]
    ) -> None:
        self._run = run  # kept, for the recording has only the addresses
        self._source = source
        self._target = target
        self._replay = replay

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """Return a new tensor with the answer to an input like the one that was recorded."""
        self._source.copy_(x)
        self._replay()
        return self._target.clone()


def has_graphs(device: torch.device) -> bool:
    """Return whether networks are recorded on a device."""
    return device.type == 'cuda'


def graphed(run: Run, example: Tensor) -> tuple[Run, str]:
    """Return the fastest way to run inputs like the example, and a description of it.

    run: gives an output for an input, with the same work for each of this shape. Where it cannot
    be recorded it is returned as it is, with the reason.
    """
    try:
        return record(run, example), 'as a CUDA graph'
    except RuntimeError as error:
        _log.debug('the network cannot be recorded', exc_info=True)
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if example.is_cuda:
        torch.cuda.empty_cache()  # only here is the memory of the failed recording released
    return run, f'without a CUDA graph: {why}'


@torch.inference_mode()
def record(run: Run, example: Tensor) -> GraphedRun:
    """Record a run on a CUDA device; raises RuntimeError if that fails.

    Other threads may use the device meanwhile, as the network does that is to be replaced.
    """
    with torch.cuda.device(example.device):
        source = example.clone()  # keeps the layout
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), _trying_kernels():
            for _ in range(WARM_UP_RUNS):
                run(source)
            stream.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=stream, capture_error_mode='thread_local'):
                target = run(source)
        torch.cuda.current_stream().wait_stream(stream)
    return GraphedRun(run, source, target, graph.replay)


@contextmanager
def _trying_kernels() -> Iterator[None]:
    """Let cudnn time its kernels for each convolution and take the best."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
