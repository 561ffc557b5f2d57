# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The transforms of /tf around the stamps of frames, without the cost of all others.

A busy /tf (200 Hz, 20 links) costs a fifth of a core where each message wakes the executor and
becomes Python objects. Here the messages wait in the middleware, as bytes, until a frame asks;
only those on both sides of its stamp are deserialized.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from rclpy.callback_groups import CallbackGroup
from rclpy.node import Node

DEPTH = 500
"""Messages that the middleware keeps between two frames; 200 Hz for 2.5 s."""


class _NeverExecuted(CallbackGroup):
    """A group whose subscriptions the executor neither waits for nor calls."""

    def can_execute(self, entity: Any) -> bool:
        return False

    def beginning_execution(self, entity: Any) -> bool:
        return False

    def ending_execution(self, entity: Any) -> None:
        return


@dataclass(frozen=True)
class _Waiting:
    """A message as it came; stream: what tells the messages of publishers apart."""

    stamp_ns: int
    stream: tuple[int, bytes, bytes]
    raw: bytes


class MovingTransforms:
    """Subscribes to /tf and gives the messages that matter for a moment.

    message_type: tf2_msgs' TFMessage. deserialize(raw): makes one of bytes.
    """

    def __init__(self, node: Node, message_type: Any, deserialize: Callable[[bytes], Any]) -> None:
        self._node = node
        self._type = message_type
        self._deserialize = deserialize
        self._waiting: list[_Waiting] = []
        self._subscription = node.create_subscription(
            message_type, '/tf', _ignore, DEPTH, callback_group=_NeverExecuted(), raw=True
        )

    def around(self, stamp_ns: int) -> Iterator[Any]:
        """Yield the messages of each publisher just before and just after a stamp, each once."""
        self._waiting += self._take()
        streams: dict[tuple[int, bytes, bytes], list[_Waiting]] = {}
        for each in self._waiting:
            streams.setdefault(each.stream, []).append(each)
        self._waiting = []
        for entries in streams.values():
            before = [each for each in entries if each.stamp_ns <= stamp_ns]
            after = sorted((e for e in entries if e.stamp_ns > stamp_ns), key=_stamp)
            self._waiting += after[1:][-DEPTH:]
            for each in (*sorted(before, key=_stamp)[-1:], *after[:1]):
                yield self._deserialize(each.raw)

    def clear(self) -> None:
        """Forget what waits."""
        for _ in self._take():
            pass
        self._waiting = []

    def close(self) -> None:
        """Destroy the subscription."""
        self._node.destroy_subscription(self._subscription)

    def _take(self) -> Iterator[_Waiting]:
        handle = self._subscription.handle
        with handle:
            while (taken := handle.take_message(self._type, True)) is not None:
                if (waiting := _read_head(taken[0])) is not None:
                    yield waiting


def _stamp(waiting: _Waiting) -> int:
    return waiting.stamp_ns


def _ignore(message: Any) -> None:
    """Stand in for a callback; the executor never calls it."""


def _read_head(raw: bytes) -> _Waiting | None:
    """Return the stamp of the first transform of a serialized TFMessage; None without any."""
    order = '<' if raw[1:2] == b'\x01' else '>'
    try:
        count, sec, nanosec, length = struct.unpack_from(f'{order}IiII', raw, 4)
        parent = raw[20 : 20 + length]
        start = 20 + length + -length % 4
        (length,) = struct.unpack_from(f'{order}I', raw, start)
    except struct.error:
        return None
    child = raw[start + 4 : start + 4 + length]
    return _Waiting(sec * 10**9 + nanosec, (count, parent, child), raw) if count else None
