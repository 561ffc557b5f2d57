# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writes messages as they come, in a separate thread, and counts what was written and dropped."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import BagWriter


@dataclass
class Tally:
    """What became of the messages of a topic that came: written, or left out for want of room."""

    came: int = 0
    written: int = 0
    overrun: int = 0


class Recorder:
    """Takes messages without keeping their senders waiting.

    queue_bytes: so much may wait to be written; what comes beyond is left out and counted.
    problem: why nothing can be written any more, None while all is well.
    """

    def __init__(self, writer: BagWriter, *, queue_bytes: int) -> None:
        self._writer = writer
        self._room = queue_bytes
        self._queue: deque[tuple[Topic, bytes, int]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self.problem: OutputError | None = None
        self.tallies: dict[str, Tally] = {}
        self._thread = threading.Thread(target=self._work, name='bag writer', daemon=True)
        self._thread.start()

    def put(self, topic: Topic, raw: bytes, time_ns: int) -> None:
        """Hand over a message in CDR that came at time_ns."""
        with self._changed:
            tally = self.tallies.setdefault(topic.name, Tally())
            tally.came += 1
            if self._ended or self.problem or len(raw) > self._room:
                tally.overrun += 1
                return
            self._room -= len(raw)
            self._queue.append((topic, raw, time_ns))
            self._changed.notify()

    def _work(self) -> None:
        while (item := self._take()) is not None:
            topic, raw, time_ns = item
            try:
                self._writer.write_raw(topic, raw, time_ns)
            except OutputError as error:
                self.problem = error
            with self._changed:
                self._room += len(raw)
                tally = self.tallies[topic.name]
                tally.written += self.problem is None
                tally.overrun += self.problem is not None

    def _take(self) -> tuple[Topic, bytes, int] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._ended)
            return self._queue.popleft() if self._queue else None

    def finish(self) -> None:
        """Write what waits and close the file; raises OutputError where that is not possible."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._thread.join()
        try:
            self._writer.close()
        except OutputError as error:
            raise self.problem or error from error
        if self.problem is not None:
            raise self.problem


@dataclass(frozen=True)
class TopicStatus:
    """One topic of a recording: messages written, lost before they arrived, and lost here."""

    type: str
    written: int
    lost_on_the_way: int
    lost_by_overrun: int

    @property
    def lost(self) -> int:
        """How many messages are missing."""
        return self.lost_on_the_way + self.lost_by_overrun


@dataclass(frozen=True)
class RecordingStatus:
    """How a recording stands; the node `bag_recorder` prints it as a line of JSON.

    state: waiting, recording, written or empty. topics: by name. not_recorded: topics whose types
    are not installed, with those types.
    """

    state: str
    path: str
    topics: Mapping[str, TopicStatus]
    not_recorded: Mapping[str, str] = field(default_factory=dict)

    @property
    def written(self) -> int:
        """Messages in the file."""
        return sum(topic.written for topic in self.topics.values())

    @property
    def lost(self) -> int:
        """Messages that are missing in it."""
        return sum(topic.lost for topic in self.topics.values())

    def to_json(self) -> str:
        """Return it as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> RecordingStatus:
        """Return it from its line."""
        found = json.loads(line)
        topics = {name: TopicStatus(**topic) for name, topic in found['topics'].items()}
        return cls(found['state'], found['path'], topics, found['not_recorded'])
