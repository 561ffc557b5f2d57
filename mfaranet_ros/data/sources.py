# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One source of ground truth while it is read, and what is to be said of it in the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mfaranet_ros.data.ground_truth import GroundTruth, PendingLabels, read_folder
from mfaranet_ros.data.reader import Bag
from mfaranet_ros.data.stamps import NOTHING, Named, StampWatch


@dataclass(frozen=True)
class SourceReport:
    """What became of one source of ground truth. worst_ns: the largest difference of stamps of a
    pair."""

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
    """What was found on the way so far; each line of `notes` is worth telling."""

    images: int
    unreadable: Named
    repeated: Named
    backward: Named
    sources: tuple[SourceReport, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        told = [
            (self.unreadable, 'images cannot be read and are left out: {}'),
            (self.repeated, 'images have a stamp that was there before: {}'),
            (self.backward, 'images have a stamp before that of an earlier one: {}'),
        ]
        for source in self.sources:
            told += [
                (
                    source.images_without,
                    f'images are without ground truth of {source.source}: {{}}',
                ),
                (
                    source.ground_truths_without,
                    f'ground truth of {source.source} have no image: {{}}',
                ),
                (
                    source.repeated,
                    f'ground truth of {source.source} have the stamp of another: {{}}',
                ),
                (source.unreadable, f'ground truth of {source.source} cannot be read: {{}}'),
            ]
        return tuple(text.format(named) for named, text in told if named.count)


@dataclass(eq=False)
class Source:
    """One source of ground truth while it is read.

    topic: its topic, empty for a folder. expected: how many ground truth it has in all.
    """

    name: str
    topic: str = ''
    expected: int = 0
    watch: StampWatch = field(default_factory=StampWatch)
    shelf: PendingLabels = field(default_factory=PendingLabels)
    ground_truths: int = 0
    exact: int = 0
    paired: int = 0
    worst_ns: int = 0
    images_without: Named = NOTHING
    ground_truths_without: Named = NOTHING
    unreadable: Named = NOTHING

    @classmethod
    def open(cls, bag: Bag, source: str | Path) -> Source:
        """Open a topic by its name, or a folder; all of a folder is on the shelf at once."""
        if isinstance(source, str):
            topic = bag.topic(source)
            return cls(topic.name, topic.name, topic.count)
        opened = cls(str(source))
        files, opened.unreadable = read_folder(source, opened.watch)
        opened.ground_truths = opened.expected = len(files)
        for file in files:
            opened.shelf.put(file)
        return opened

    def may_bring(self, stamp_ns: int, tolerance_ns: int) -> bool:
        """Whether ground truth may still come for an image, or may turn out to be the nearest."""
        return self.ground_truths < self.expected or bool(self.shelf.near(stamp_ns, tolerance_ns))

    def clear(self, before_ns: int, most_bytes: int) -> None:
        """Give up on ground truth that waits too long."""
        if self.topic:
            for ground_truth in self.shelf.take_old(before_ns, most_bytes):
                self.ground_truths_without = self.ground_truths_without.plus(ground_truth.name)

    def report(self) -> SourceReport:
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
