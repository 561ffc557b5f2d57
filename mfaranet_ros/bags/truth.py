"""The truth that waits for its image: messages of a topic, or files named by stamp."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mfaranet_ros.bags.reader import BagMessage
from mfaranet_ros.bags.stamps import NOTHING, Named, StampWatch, parse_stamp, stamp_text
from mfaranet_ros.errors import SourceError


@dataclass(frozen=True, eq=False)
class Truth:
    """What is true of one image: a message, or a png file of class ids; the other is None."""

    stamp_ns: int
    name: str
    message: BagMessage | None = None
    path: Path | None = None
    logged_ns: int = 0

    @classmethod
    def of(cls, item: BagMessage, logged_ns: int) -> Truth:
        """Return a message as truth; logged_ns: when it was logged, by the clock of the images."""
        return cls(item.stamp_ns, stamp_text(item.stamp_ns), message=item, logged_ns=logged_ns)

    @property
    def size_bytes(self) -> int:
        return 0 if self.message is None else len(self.message.raw)


class Shelf:
    """Truth that no image has taken yet, found by its stamp; what has the same stamp queues."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._queues: dict[int, deque[Truth]] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[Truth]:
        return (truth for stamp_ns in self._stamps for truth in self._queues[stamp_ns])

    def put(self, truth: Truth) -> None:
        if truth.stamp_ns not in self._queues:
            insort(self._stamps, truth.stamp_ns)
            self._queues[truth.stamp_ns] = deque()
        self._queues[truth.stamp_ns].append(truth)
        self._bytes += truth.size_bytes

    def take(self, stamp_ns: int) -> Truth | None:
        """Take the truth of exactly this stamp."""
        if stamp_ns not in self._queues:
            return None
        truth = self._queues[stamp_ns][0]
        self._remove(truth)
        return truth

    def near(self, stamp_ns: int, tolerance_ns: int) -> list[int]:
        """Return the stamps within the tolerance, the nearest first, of two the earlier one."""
        first = bisect_left(self._stamps, stamp_ns - tolerance_ns)
        last = bisect_left(self._stamps, stamp_ns + tolerance_ns + 1)
        return sorted(self._stamps[first:last], key=lambda other: (abs(other - stamp_ns), other))

    def take_old(self, before_ns: int, most_bytes: int) -> list[Truth]:
        """Take what was logged before a time, and the oldest of what exceeds a size in all."""
        old = []
        for truth in sorted(self, key=lambda truth: truth.logged_ns):
            if truth.logged_ns >= before_ns and self._bytes <= most_bytes:
                break
            old.append(truth)
            self._remove(truth)
        return old

    def _remove(self, truth: Truth) -> None:
        queue = self._queues[truth.stamp_ns]
        queue.remove(truth)
        self._bytes -= truth.size_bytes
        if not queue:
            del self._queues[truth.stamp_ns]
            del self._stamps[bisect_left(self._stamps, truth.stamp_ns)]


def read_folder(folder: Path, watch: StampWatch) -> tuple[list[Truth], Named]:
    """Return the png files of a folder that are named by a stamp, and the names that are none.

    Raises SourceError where there is none.
    """
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() == '.png')
    except OSError as error:
        raise SourceError(
            f'{folder}: {error.strerror or error}; give a folder of png files named by stamp'
        ) from error
    found, others = [], NOTHING
    for path in files:
        stamp_ns = parse_stamp(path.stem)
        if stamp_ns is None:
            others = others.plus(path.name)
        else:
            found.append(Truth(stamp_ns, path.name, path=path))
    if not found:
        what = f'its png files are named otherwise: {others}' if others.count else 'it has none'
        raise SourceError(
            f'{folder} holds no png file named by stamp, {what}; name them by nanoseconds, as '
            '1700000000123456789.png, or by seconds, as 1700000000.123456789.png'
        )
    found.sort(key=lambda truth: truth.stamp_ns)
    for truth in found:
        watch.add(truth.stamp_ns)
    return found, others
