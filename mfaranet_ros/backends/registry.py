# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is known of a backend without building it; `runtime.backend` chooses one by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mfaranet_ros.backends.protocol import Backend
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.registry import Registry
from mfaranet_ros.core.specification import NetworkFile

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class BackendRequest:
    """What a backend is built from.

    model: the network, None where none is loaded (mock). classes: logits of a pixel.
    size: (height, width) of the inputs, 0 where it is not known before there is a frame.
    """

    config: RuntimeConfig
    model: nn.Module | NetworkFile | None
    classes: int
    size: tuple[int, int]

    def network(self) -> nn.Module:
        """Return the model; raises ConfigError where there is none."""
        if self.model is None:
            name = self.config.backend
            raise ConfigError(
                f"backend {name!r} needs a model: give one, or use the backend 'mock'"
            )
        if isinstance(self.model, NetworkFile):
            raise ConfigError(f'{self.model.path} is a network file, which has no torch network')
        return self.model


@dataclass(frozen=True)
class Choice:
    """Whether `runtime.backend: auto` takes a backend, and why or why not."""

    takes: bool
    why: str = ''


def _never(_request: BackendRequest) -> Choice:
    return Choice(False)


@dataclass(frozen=True)
class BackendEntry:
    """One backend.

    name: in the settings. summary: a noun phrase for the documents. build: makes the backend.
    files: the suffixes of network files that it also runs, such as .onnx. auto: whether auto takes
    it; the first that does wins. own_devices: it checks `runtime.device` and `precision` itself.
    install: the command that installs what it needs.
    """

    name: str
    summary: str
    build: Callable[[BackendRequest], Backend]
    files: tuple[str, ...] = ()
    auto: Callable[[BackendRequest], Choice] = _never
    own_devices: bool = False
    install: str = ''

    def can_run(self, model: nn.Module | NetworkFile | None) -> bool:
        """Whether it runs this kind of network."""
        return not isinstance(model, NetworkFile) or model.path.suffix in self.files


BACKENDS: Registry[BackendEntry] = Registry('backend')
"""Every backend by its name, in the order in which auto tries them."""


def register_backend(entry: BackendEntry) -> None:
    """Add a backend; raises ConfigError for a name that is taken."""
    if entry.name == 'auto':
        raise ConfigError("backend 'auto' is the choice among the others: choose another name")
    BACKENDS[entry.name] = entry
