# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The one thread that owns the device and takes frames from the mailbox."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from mfaranet_ros.core.mailbox import Mailbox

ItemT = TypeVar('ItemT')

logger = logging.getLogger(__name__)


class Worker(Generic[ItemT]):
    """Calls `handle` with the newest item, one at a time, until it is stopped.

    A handler that raises loses its item only: `failed(error)` is told, and the next one is taken.
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
        return waiting

    def _work(self) -> None:
        while (item := self._mailbox.take()) is not None:
            try:
                self._handle(item)
            except Exception as error:
                self._failed(error)
