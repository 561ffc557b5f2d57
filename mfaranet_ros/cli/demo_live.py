# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The line the demo shows while it runs."""

from __future__ import annotations

import sys
import time

from mfaranet_ros.cli.demo_results import Results

LINE_S = 0.5
PLAIN_LINE_S = 5.0


class LiveLine:
    """One line that is written over and over; a plain line now and then where nobody looks."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._next_s = 0.0
        self._began_s = time.monotonic()
        self._width = 0

    def show(self, results: Results) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + (LINE_S if self._is_terminal else PLAIN_LINE_S)
        text = f'{now_s - self._began_s:5.1f} s  {describe(results)}'
        if self._is_terminal:
            print(f'\r{text:<{self._width}}', end='', file=sys.stderr, flush=True)
            self._width = len(text)
        else:
            print(text, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line of its own."""
        self._clear()
        print(text, file=sys.stderr, flush=True)
        if self._is_terminal:
            self._next_s = 0.0

    def close(self, results: Results) -> None:
        """Show how it stands at the end and leave the line."""
        self._next_s = 0.0
        self.show(results)
        if self._is_terminal:
            print(file=sys.stderr)

    def _clear(self) -> None:
        if self._is_terminal:
            print(f'\r{"":<{self._width}}\r', end='', file=sys.stderr)


def describe(results: Results) -> str:
    """Return the live line: frames in and out, dropped, latency."""
    frames = results.frames
    if not frames.received:
        return 'starting'
    dropped = sum(frames.dropped.values()) + frames.lost
    spread = results.latency_ms().get('processing_time', {})
    times = '  '.join(f'{part} {spread[part]:.0f} ms' for part in ('p50', 'p95') if spread)
    return f'in {frames.sent}  out {frames.processed}  dropped {dropped}  latency {times or "n/a"}'
