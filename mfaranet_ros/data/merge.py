# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Puts messages of parts of a file into the order of time, with few parts in memory at once."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from mfaranet_ros.data.storage import Record


class Part(Protocol):
    """A part of a file, whose messages were logged from first_ns on."""

    @property
    def first_ns(self) -> int: ...


P = TypeVar('P', bound=Part)


def in_time_order(parts: Iterable[P], read: Callable[[P], list[Record]]) -> Iterator[Record]:
    """Yield the messages of all parts in the order of time; of one time, in that of the parts.

    read: returns the messages of a part in the order of time. A part is read when the first of
    its messages is due, so that only parts that overlap are in memory at once.
    """
    waiting: list[tuple[int, int, Record]] = []
    number = 0
    for part in sorted(parts, key=lambda part: part.first_ns):
        while waiting and waiting[0][0] < part.first_ns:
            yield heapq.heappop(waiting)[2]
        for record in read(part):
            heapq.heappush(waiting, (record.time_ns, number, record))
            number += 1
    while waiting:
        yield heapq.heappop(waiting)[2]
