# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads the messages of a bag in SQLite that was cut off, from the pages that are there.

The tree that leads to the messages lies all over the file; so the pages with messages are told by
what is in them, not found through the tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.sqlite_pages import Pages, Row, Value, value, values
from mfaranet_ros.data.bags.storage import ENCODINGS, Record, Topic, in_time_order

SCHEMA_ROOT = 1

NUMBERS = range(1, 10)
FIRST_BLOB = 12


class Stored(NamedTuple):
    """A message whose record is whole. place: where in the record its bytes are."""

    first_ns: int
    topic: str
    row: Row
    place: slice


class ScannedSqlite:
    """A database that is read page by page. Raises SourceError where not even its topics are."""

    def __init__(self, path: Path) -> None:
        try:
            self._pages = Pages(path)
        except ValueError as error:
            raise SourceError(f'{path} is no bag, or it ends too early: {error}') from error
        topics = self._topics()
        if not topics:
            self.close()
            raise SourceError(f'{path} has no topics: it is no bag, or it ends too early')
        self._messages = list(self._scan({key: topic.name for key, topic in topics.items()}))
        counts = Counter(stored.topic for stored in self._messages)
        self.topics = tuple(replace(topic, count=counts[topic.name]) for topic in topics.values())
        size = path.stat().st_size
        self.damage = (
            f'{path.name} ends early, after {size} bytes: what was written before is read'
        )

    def close(self) -> None:
        self._pages.close()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        times = [stored.first_ns for stored in self._messages]
        return (min(times), max(times)) if times else None

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        wanted = [
            stored
            for stored in self._messages
            if stored.topic in topics
            and (start_ns is None or stored.first_ns >= start_ns)
            and (stop_ns is None or stored.first_ns < stop_ns)
        ]
        return in_time_order(wanted, self._read)

    def _read(self, stored: Stored) -> list[Record]:
        record = self._pages.record(stored.row)
        if record is None:
            return []
        return [Record(stored.topic, stored.first_ns, memoryview(record)[stored.place])]

    def _topics(self) -> dict[int, Topic]:
        """Return the topics by their numbers; a bag has had the same first columns ever since."""
        definitions = {
            _text(row[1]): (ENCODINGS.get(_text(row[2]), ''), _text(row[3]))
            for _, row in self._table('message_definitions')
        }
        topics = {}
        for number, row in self._table('topics'):
            name, kind, serialization = (_text(item) for item in row[1:4])
            encoding, definition = definitions.get(kind, ('', ''))
            topics[number] = Topic(name, kind, 0, encoding, definition, serialization)
        return topics

    def _table(self, name: str) -> Iterator[tuple[int, list[Value]]]:
        """Yield number and columns of the rows of a table, as far as they are there."""
        for _, entry in self._rows(SCHEMA_ROOT):
            kind, entry_name, _, root = entry[:4]
            if (kind, entry_name) == (b'table', name.encode()) and isinstance(root, int):
                yield from self._rows(root)

    def _rows(self, root: int) -> Iterator[tuple[int, list[Value]]]:
        for row in self._pages.table_rows(root):
            record = self._pages.record(row)
            if record is not None:
                columns = zip(*values(record), strict=True)
                yield row.number, [value(kind, record[place]) for kind, place in columns]

    def _scan(self, topics: dict[int, str]) -> Iterator[Stored]:
        """Yield the messages that are whole."""
        for row in self._pages.leaf_rows():
            head = self._pages.head(row)
            stored = _message(row, head, topics)
            if stored is not None and self._pages.record(row) is not None:
                yield stored


def _message(row: Row, head: bytes, topics: dict[int, str]) -> Stored | None:
    """Return a row as a message if it has the columns of one: id, topic_id, timestamp, data."""
    try:
        kinds, places = values(head)
    except IndexError:
        return None
    if len(kinds) != 4 or kinds[1] not in NUMBERS or kinds[2] not in NUMBERS:
        return None
    if kinds[3] < FIRST_BLOB or kinds[3] % 2:
        return None
    topic, time_ns = (value(kinds[column], head[places[column]]) for column in (1, 2))
    if topic not in topics or not isinstance(time_ns, int):
        return None
    return Stored(time_ns, topics[topic], row, places[3])


def _text(item: Value) -> str:
    return item.decode(errors='replace') if isinstance(item, bytes) else ''
