# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker thread with a mailbox that holds one item: the newest frame wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

ItemT = TypeVar('ItemT')

logger = logging.getLogger(__name__)


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


def _nothing(_: object) -> None:
    """Do nothing."""


class Worker(Generic[ItemT]):
    """Calls `handle` with the newest item, one at a time, until it is stopped.

    A handler that raises loses its item only: `failed(error)` is called, the next one is taken.
    item_name: what an item is, for the log.
    """

    def __init__(
        self,
        handle: Callable[[ItemT], None],
        failed: Callable[[Exception], None],
        item_name: str = 'frame',
    ) -> None:
        self._handle = handle
        self._failed = failed
        self._item_name = item_name
        self._mailbox: Mailbox[ItemT] = Mailbox()
        self._thread = threading.Thread(target=self._work, name=f'{item_name} worker', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, item: ItemT) -> ItemT | None:
        """Hand over an item; return the one it replaced, if that was still waiting."""
        return self._mailbox.put(item)

    def stop(self, timeout_s: float) -> ItemT | None:
        """Finish the item in hand, take no more, and return the one that was still waiting."""
        waiting = self._mailbox.close()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            name = self._item_name
            logger.warning('the %s in hand did not end within %.1f s', name, timeout_s)
        else:
            # They are often methods of what holds this worker. Such a circle is freed only when
            # Python looks for one, and a network may be in it.
            self._handle = self._failed = _nothing
        return waiting

    def _work(self) -> None:
        while (item := self._mailbox.take()) is not None:
            try:
                self._handle(item)
            except Exception as error:
                self._failed(error)
