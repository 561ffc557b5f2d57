# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages that were published but never came, by the middleware's sequence numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

UNSUPPORTED = 2**63
"""Sequence numbers from here on mean that the middleware has none."""


class Gaps:
    """Finds the gaps in the sequence numbers of one topic.

    is_single(): whether the topic has one publisher; the numbers of two cannot be told apart.
    supported: whether the messages had numbers so far.
    """

    def __init__(self, is_single: Callable[[], bool]) -> None:
        self._is_single = is_single
        self._last: int | None = None
        self.supported = True

    def missed(self, info: Mapping[str, int]) -> int:
        """Return how many messages are missing before this one; info: as rclpy hands it over."""
        sequence = info.get('publication_sequence_number', UNSUPPORTED)
        self.supported = sequence < UNSUPPORTED
        if not self.supported:
            return 0
        last, self._last = self._last, sequence
        if last is None or sequence <= last + 1 or not self._is_single():
            return 0
        return sequence - last - 1
