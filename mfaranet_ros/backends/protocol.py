# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The interface between the pipeline and whatever runs the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


class Device(Protocol):
    """A device as torch names it: `torch.device`, or PlainDevice where torch is not needed."""

    @property
    def type(self) -> str:
        """The kind: cpu or cuda."""
        ...

    @property
    def index(self) -> int | None:
        """Which of several; None for the CPU."""
        ...


@dataclass(frozen=True)
class PlainDevice:
    """A device without torch."""

    type: str
    index: int | None = None

    def __str__(self) -> str:
        return self.type if self.index is None else f'{self.type}:{self.index}'


@dataclass(frozen=True)
class BackendInfo:
    """A description of what runs, for the diagnostics.

    name: the backend's name in the settings; device: with the make of the chip; precision: the
    name of the input's dtype; detail: all else that decides about speed or results.
    """

    name: str
    device: str
    precision: str
    detail: str


class Backend(Protocol):
    """Runs one network on one device."""

    @property
    def name(self) -> str:
        """Its name in `runtime.backend`."""
        ...

    @property
    def device(self) -> Device:
        """Where the input must be."""
        ...

    @property
    def dtype(self) -> Any:
        """The type the input must have, of torch, or of NumPy for a network file."""
        ...

    def __call__(self, tensor: Any) -> Any:
        """Return the coarse logits (N, C, ceil(h/4), ceil(w/4)) of an input (N, 3, h, w).

        Both are tensors; those of a network file are an array as its specification says and
        FileOutputs. The logits are finite, and complete when the call returns, so its time is the
        network's.
        The caller owns them: later calls leave them unchanged.
        Raises InferenceError if it fails on this input; the next may succeed.
        """
        ...

    def describe(self) -> BackendInfo:
        """Return what runs."""
        ...

    def close(self) -> None:
        """Free the device; a closed backend raises InferenceError. Closing twice is allowed."""
        ...
