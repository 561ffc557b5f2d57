# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Who looks on while a network is trained."""

from __future__ import annotations

from typing import Protocol

from mfaranet_ros.training.history import Row


class Watcher(Protocol):
    """Who wants to know how a run goes, and may end it."""

    def on_step(self, progress: float, loss: float, step: int) -> None:
        """Called now and then; progress is 0 to 1, the loss a mean over the epoch so far."""

    def on_epoch(self, row: Row) -> None:
        """Called after each epoch."""

    def stopping(self) -> bool:
        """Return whether the run is to write a checkpoint and end."""


class Nobody:
    """A watcher that does nothing."""

    def on_step(self, progress: float, loss: float, step: int) -> None:
        """Look away."""

    def on_epoch(self, row: Row) -> None:
        """Look away."""

    def stopping(self) -> bool:
        """Let it go on."""
        return False
