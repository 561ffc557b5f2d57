# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The one slot between the camera's callback and the worker: the newest frame wins."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')


class Mailbox(Generic[ItemT]):
    """Holds at most one item; putting another replaces it."""

    def __init__(self) -> None:
        self._item: ItemT | None = None
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: ItemT) -> ItemT | None:
        """Leave an item and return the one it replaced, if that was still waiting."""
        with self._changed:
            replaced, self._item = self._item, item
            self._changed.notify()
        return replaced

    def take(self) -> ItemT | None:
        """Wait for an item and take it; None once the mailbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._item is not None or self._closed)
            item, self._item = self._item, None
            return None if self._closed else item

    def close(self) -> ItemT | None:
        """Let every `take` return None from now on; return what was still waiting."""
        with self._changed:
            self._closed = True
            item, self._item = self._item, None
            self._changed.notify_all()
            return item
