# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Progress of long work: a bar on a terminal, a line a minute in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, TypeVar

from tqdm import tqdm

LINE_PERIOD_S = 60.0

Item = TypeVar('Item')


class Progress:
    """Shows how much of some work is done, on standard error.

    total: how much there is; 0 where that is not known, the text is shown alone. unit: of what,
    in the singular, or %.
    text: what is being done. done: what was done before. stream, clock: for tests.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        text: str = '',
        *,
        done: int = 0,
        stream: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._total, self._unit, self._text, self._done = total, unit, text, done
        self._began_s = self._told_s = clock()
        self._bar: Any = None
        if self._stream.isatty():
            self._bar = tqdm(
                total=total or None, unit=unit, desc=text, initial=done, leave=False,
                file=self._stream, bar_format=None if total else '{desc}',
            )  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def update(self, count: int = 1) -> None:
        """Count what was done."""
        self._done += count
        if self._bar is not None:
            self._bar.update(count)
        self._write_line()

    def describe(self, text: str) -> None:
        """Say what is being done now."""
        self._text = text
        if self._bar is not None:
            self._bar.set_description_str(text)
        self._write_line()

    def say(self, text: str, stream: IO[str] | None = None) -> None:
        """Print a line that stays, on standard error unless another stream is given."""
        stream = stream or self._stream
        tqdm.write(text, file=stream)
        stream.flush()

    def _write_line(self) -> None:
        now_s = self._clock()
        if self._bar is not None or now_s - self._told_s < LINE_PERIOD_S:
            return
        self._told_s = now_s
        print(self._line(now_s), file=self._stream, flush=True)

    def _line(self, now_s: float) -> str:
        parts = [self._text] if self._text else []
        if self._total:
            share = f'{self._done} of {self._total} {self._unit}s'
            parts.append(f'{self._done} %' if self._unit == '%' else share)
        return f'{": ".join(parts)}, {(now_s - self._began_s) / 60:.0f} min'


def track(items: Iterable[Item], total: int, unit: str, text: str = '') -> Iterator[Item]:
    """Yield the items while their progress is shown."""
    with Progress(total, unit, text) as progress:
        for item in items:
            yield item
            progress.update()
