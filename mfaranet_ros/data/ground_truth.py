# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The ground truth of a recording while its images are read: of a topic, or files by stamp."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.data.bags.reader import IMAGE, Bag, BagMessage
from mfaranet_ros.data.labels import LabelReader
from mfaranet_ros.data.stamps import NOTHING, Named, StampWatch, parse_stamp, stamp_text
from mfaranet_ros.pipeline.decode import decode

LABEL_ENCODINGS = ('mono8', '8UC1')
"""The encodings of raw images whose values are class ids."""


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The ground truth of one image: a message, or a PNG file of class ids; the other is None."""

    stamp_ns: int
    name: str
    message: BagMessage | None = None
    path: Path | None = None
    logged_ns: int = 0

    @classmethod
    def of(cls, item: BagMessage, logged_ns: int) -> GroundTruth:
        """Return a message as ground truth.

        logged_ns: when it was logged, by the clock of the images.
        """
        return cls(item.stamp_ns, stamp_text(item.stamp_ns), message=item, logged_ns=logged_ns)

    @property
    def size_bytes(self) -> int:
        """Memory that it takes."""
        return 0 if self.message is None else len(self.message.raw)


def read_labels(
    ground_truth: GroundTruth, size: tuple[int, int], read: LabelReader
) -> NDArray[np.uint8]:
    """Return the class ids uint8 (H, W) of a label image; size: (height, width) of its image.

    Raises SourceError, which names it, where it cannot be read or is no image of class ids.
    """
    if ground_truth.path is not None:
        return read(ground_truth.path, size)
    assert ground_truth.message is not None
    topic = ground_truth.message.topic
    where = f'{topic.name} at {ground_truth.name} s'
    try:
        message = ground_truth.message.message
        if topic.type == IMAGE and message.encoding not in LABEL_ENCODINGS:
            raise SourceError(
                f'{where} has the encoding {message.encoding!r}: class ids are '
                f'{" or ".join(LABEL_ENCODINGS)}'
            )
        frame = decode(message)
    except DecodeError as error:
        raise SourceError(f'{where} cannot be read: {error}') from error
    if frame.encoding != 'mono8':
        raise SourceError(f'{where} is a {frame.encoding} image: class ids are mono8')
    return read.ids_of(where, frame.pixels[..., 0], size)


class PendingLabels:
    """Ground truth that no image has taken yet, by stamp; what has the same stamp queues."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._queues: dict[int, deque[GroundTruth]] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[GroundTruth]:
        return (
            ground_truth for stamp_ns in self._stamps for ground_truth in self._queues[stamp_ns]
        )

    def put(self, ground_truth: GroundTruth) -> None:
        """Add one, in the order of the log."""
        if ground_truth.stamp_ns not in self._queues:
            insort(self._stamps, ground_truth.stamp_ns)
            self._queues[ground_truth.stamp_ns] = deque()
        self._queues[ground_truth.stamp_ns].append(ground_truth)
        self._bytes += ground_truth.size_bytes

    def take(self, stamp_ns: int) -> GroundTruth | None:
        """Take the ground truth of exactly this stamp."""
        if stamp_ns not in self._queues:
            return None
        ground_truth = self._queues[stamp_ns][0]
        self._remove(ground_truth)
        return ground_truth

    def near(self, stamp_ns: int, tolerance_ns: int) -> list[int]:
        """Return the stamps within the tolerance, the nearest first, of two the earlier one."""
        first = bisect_left(self._stamps, stamp_ns - tolerance_ns)
        last = bisect_left(self._stamps, stamp_ns + tolerance_ns + 1)
        return sorted(self._stamps[first:last], key=lambda other: (abs(other - stamp_ns), other))

    def take_old(self, before_ns: int, most_bytes: int) -> list[GroundTruth]:
        """Take what was logged before a time, and the oldest of what exceeds a size in all."""
        old = []
        for ground_truth in sorted(self, key=lambda ground_truth: ground_truth.logged_ns):
            if ground_truth.logged_ns >= before_ns and self._bytes <= most_bytes:
                break
            old.append(ground_truth)
            self._remove(ground_truth)
        return old

    def _remove(self, ground_truth: GroundTruth) -> None:
        queue = self._queues[ground_truth.stamp_ns]
        queue.remove(ground_truth)
        self._bytes -= ground_truth.size_bytes
        if not queue:
            del self._queues[ground_truth.stamp_ns]
            del self._stamps[bisect_left(self._stamps, ground_truth.stamp_ns)]


def read_folder(folder: Path, watch: StampWatch) -> tuple[list[GroundTruth], Named]:
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
            found.append(GroundTruth(stamp_ns, path.name, path=path))
    if not found:
        what = f'its png files are named otherwise: {others}' if others.count else 'it has none'
        raise SourceError(
            f'{folder} holds no png file named by stamp, {what}; name them by nanoseconds, as '
            '1700000000123456789.png, or by seconds, as 1700000000.123456789.png'
        )
    found.sort(key=lambda ground_truth: ground_truth.stamp_ns)
    for ground_truth in found:
        watch.add(ground_truth.stamp_ns)
    return found, others


@dataclass(frozen=True)
class SourceReport:
    """The result for one source of ground truth.

    worst_ns: the largest difference of stamps of a pair.
    """

    source: str
    ground_truths: int
    paired: int
    exact: int
    worst_ns: int
    images_without: Named
    ground_truths_without: Named
    repeated: Named
    unreadable: Named


@dataclass(frozen=True)
class PairingReport:
    """What was paired so far; `notes` are lines for the user."""

    images: int
    unreadable: Named
    repeated: Named
    backward: Named
    sources: tuple[SourceReport, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know, one sentence each."""
        found = [
            (self.unreadable, 'images cannot be read and are left out: {}'),
            (self.repeated, 'images repeat an earlier stamp: {}'),
            (self.backward, 'images with a stamp before that of the previous image: {}'),
        ]
        for source in self.sources:
            found += [
                (
                    source.images_without,
                    f'images have no ground truth in {source.source}: {{}}',
                ),
                (
                    source.ground_truths_without,
                    f'label images of {source.source} have no image: {{}}',
                ),
                (
                    source.repeated,
                    f'label images of {source.source} repeat an earlier stamp: {{}}',
                ),
                (source.unreadable, f'label images of {source.source} cannot be read: {{}}'),
            ]
        return tuple(text.format(named) for named, text in found if named.count)


@dataclass(eq=False)
class GroundTruthSource:
    """One source of ground truth while it is read.

    topic: its topic, empty for a folder. expected: the number of its label images.
    """

    name: str
    topic: str = ''
    expected: int = 0
    watch: StampWatch = field(default_factory=StampWatch)
    pending: PendingLabels = field(default_factory=PendingLabels)
    ground_truths: int = 0
    exact: int = 0
    paired: int = 0
    worst_ns: int = 0
    images_without: Named = NOTHING
    ground_truths_without: Named = NOTHING
    unreadable: Named = NOTHING

    @classmethod
    def open(cls, bag: Bag, source: str | Path) -> GroundTruthSource:
        """Open a topic by its name, or a folder; all of a folder is pending at once."""
        if isinstance(source, str):
            topic = bag.topic(source)
            return cls(topic.name, topic.name, topic.count)
        opened = cls(str(source))
        files, opened.unreadable = read_folder(source, opened.watch)
        opened.ground_truths = opened.expected = len(files)
        for file in files:
            opened.pending.put(file)
        return opened

    def may_bring(self, stamp_ns: int, tolerance_ns: int) -> bool:
        """Whether ground truth may still come for an image, or may turn out to be the nearest."""
        return self.ground_truths < self.expected or bool(
            self.pending.near(stamp_ns, tolerance_ns)
        )

    def clear(self, before_ns: int, most_bytes: int) -> None:
        """Give up on ground truth that waits too long."""
        if self.topic:
            for ground_truth in self.pending.take_old(before_ns, most_bytes):
                self.ground_truths_without = self.ground_truths_without.plus(ground_truth.name)

    def report(self) -> SourceReport:
        """What has been paired so far."""
        return SourceReport(
            self.name,
            self.ground_truths,
            self.paired,
            self.exact,
            self.worst_ns,
            self.images_without,
            self.ground_truths_without,
            self.watch.repeated,
            self.unreadable,
        )

    def pair(self, stamp_ns: int, ground_truth: GroundTruth) -> None:
        """Count a pair."""
        difference = abs(ground_truth.stamp_ns - stamp_ns)
        self.paired += 1
        self.exact += difference == 0
        self.worst_ns = max(self.worst_ns, difference)
