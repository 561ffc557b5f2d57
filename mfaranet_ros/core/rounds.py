# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A worker thread that serves several sources in rounds: the newest item of each one wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

SourceT = TypeVar('SourceT')
ItemT = TypeVar('ItemT')

logger = logging.getLogger(__name__)


class RoundWorker(Generic[SourceT, ItemT]):
    """Calls `handle` with the newest item of each source that has one, until it is stopped.

    Every source that has an item when a round begins is served in it, the one that has waited
    longest first. So a source that floods replaces only its own items, and no source waits for
    more than the rest of one round.

    handle(items): the items of a round by their source. failed(items, error): called with what
    it raises; the next round begins. item_name: what an item is, for the log.
    """

    def __init__(
        self,
        handle: Callable[[Mapping[SourceT, ItemT]], None],
        failed: Callable[[Mapping[SourceT, ItemT], Exception], None],
        item_name: str = 'frame',
    ) -> None:
        self._handle = handle
        self._failed = failed
        self._item_name = item_name
        self._waiting: dict[SourceT, ItemT] = {}
        self._in_hand: dict[SourceT, ItemT] = {}
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f'{item_name} worker', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, source: SourceT, item: ItemT) -> ItemT | None:
        """Hand over an item; return the one of this source it replaced, if that still waited."""
        with self._changed:
            replaced = self._waiting.get(source)
            self._waiting[source] = item
            self._changed.notify_all()
        return replaced

    def withdraw(self, source: SourceT, timeout_s: float) -> ItemT | None:
        """Finish the item of a source that is in hand; return the one that was still waiting."""
        with self._changed:
            waiting = self._waiting.pop(source, None)
            if not self._changed.wait_for(lambda: source not in self._in_hand, timeout_s):
                self._warn(timeout_s)
        return waiting

    def stop(self, timeout_s: float) -> None:
        """Finish the round in hand and begin no other."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            self._warn(timeout_s)
        else:
            # They are often methods of what holds this worker. Such a cycle is freed only when
            # Python looks for one, and a network may be in it.
            self._handle = self._failed = _nothing

    def _warn(self, timeout_s: float) -> None:
        logger.warning('the %s in hand did not end within %.1f s', self._item_name, timeout_s)

    def _work(self) -> None:
        while items := self._next_round():
            try:
                self._handle(items)
            except Exception as error:
                self._failed(items, error)

    def _next_round(self) -> dict[SourceT, ItemT]:
        """End the round in hand and wait for the next one; empty at the end."""
        with self._changed:
            self._in_hand = {}
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting or self._closed)
            if self._closed:
                return {}
            self._in_hand, self._waiting = self._waiting, {}
            return self._in_hand


def _nothing(*_: object) -> None:
    """Do nothing."""
