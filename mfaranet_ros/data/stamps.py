# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Time stamps as text, and checks of a sequence of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SECOND_NS = 1_000_000_000

SHOWN = 5
"""The names of a list that one message shows."""

_STEM = re.compile(r'(\d+)(?:\.(\d{1,9})|_(\d{9}))?')


def stamp_text(stamp_ns: int) -> str:
    """Return a time as seconds with nine decimals."""
    seconds, rest = divmod(stamp_ns, SECOND_NS)
    return f'{seconds}.{rest:09d}'


def parse_stamp(text: str) -> int | None:
    """Return the nanoseconds that a file's name without suffix stands for, or None.

    Digits alone are nanoseconds; with a point they are seconds with up to nine decimals, and with
    an underscore seconds and nine digits of nanoseconds.
    """
    match = _STEM.fullmatch(text)
    if match is None:
        return None
    whole, decimals, nanoseconds = match.groups()
    fraction = nanoseconds or (decimals or '').ljust(9, '0')
    return int(whole) * SECOND_NS + int(fraction) if decimals or nanoseconds else int(whole)


@dataclass(frozen=True)
class Named:
    """How many there are of something, and the names of the first few."""

    count: int = 0
    names: tuple[str, ...] = ()

    def plus(self, name: str) -> Named:
        """Return the list with one more name."""
        return Named(self.count + 1, self.names if self.count >= SHOWN else (*self.names, name))

    def __str__(self) -> str:
        more = ', ...' if self.count > len(self.names) else ''
        return f'{self.count} ({", ".join(self.names)}{more})' if self.count else '0'


NOTHING = Named()


@dataclass
class StampWatch:
    """Watches the stamps of one topic as they come.

    repeated: stamps that were there before; backward: stamps before the latest one.
    range_ns: the earliest and the latest.
    """

    repeated: Named = NOTHING
    backward: Named = NOTHING
    range_ns: tuple[int, int] | None = None
    _seen: set[int] = field(default_factory=set, repr=False)

    def add(self, stamp_ns: int) -> None:
        """Count one stamp, in the order of the images."""
        earliest, latest = self.range_ns or (stamp_ns, stamp_ns)
        if stamp_ns in self._seen:
            self.repeated = self.repeated.plus(stamp_text(stamp_ns))
        elif stamp_ns < latest:
            self.backward = self.backward.plus(stamp_text(stamp_ns))
        self._seen.add(stamp_ns)
        self.range_ns = min(earliest, stamp_ns), max(latest, stamp_ns)


def range_text(range_ns: tuple[int, int] | None) -> str:
    """Return a range of times in seconds."""
    return 'no time' if range_ns is None else ' to '.join(map(stamp_text, range_ns)) + ' s'
