# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads ahead in a thread, so that unpacking goes on while the network works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import TypeVar

T = TypeVar('T')

ITEMS = 2
"""The items that are read ahead."""


class _Ahead:
    """The thread; what it puts are lists of one item, an error, or None for the end."""

    def __init__(self, items: Iterable[object]) -> None:
        self._items = items
        self._left = threading.Event()
        self._ready: queue.Queue[object] = queue.Queue(ITEMS)
        self._thread = threading.Thread(target=self._read, name='bag reader', daemon=True)
        self._thread.start()

    def _read(self) -> None:
        end: BaseException | None = None
        try:
            for item in self._items:
                if not self._put([item]):
                    return
        except Exception as error:  # it is raised where the items are wanted
            end = error
        self._put(end)

    def _put(self, item: object) -> bool:
        """Hand over one item; False when nobody wants it any longer."""
        while not self._left.is_set():
            try:
                self._ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def get(self) -> object:
        return self._ready.get()

    def leave(self) -> None:
        self._left.set()
        self._thread.join()


def read_ahead(items: Iterable[T]) -> Generator[T, None, None]:
    """Yield the items of an iterable that a thread goes through, a few ahead.

    An error of the iterable is raised in its place. The iterable is used by the thread alone until
    the last item was taken or the generator is closed.
    """
    ahead = _Ahead(items)
    try:
        while isinstance(item := ahead.get(), list):
            yield item[0]
        if isinstance(item, BaseException):
            raise item
    finally:
        ahead.leave()
