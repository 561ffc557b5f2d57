# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads bags in SQLite: whole ones by SQLite, those that were cut off from the pages there are.

The tree that leads to the messages lies all over the file; so the pages with messages of a file
that was cut off are told by what is in them, not found through the tree.
"""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.sqlite_pages import Pages, Row, Value, value, values
from mfaranet_ros.data.bags.storage import ENCODINGS, Record, Topic, in_time_order, parse_qos

SCHEMA_ROOT = 1

NUMBERS = range(1, 10)
FIRST_BLOB = 12


class SqliteFile:
    """A file that SQLite can read. Raises sqlite3.Error or ValueError for any other."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        # Quoted, since a path may hold what means something in a URI, and bytes that are no text.
        address = f'file:{quote(os.fsencode(path.absolute()))}?immutable=1'
        self._database = sqlite3.connect(address, uri=True, check_same_thread=False)
        self._database.text_factory = lambda data: data.decode(errors='replace')
        self.damage = ''
        try:
            rows = list(self._topic_rows())
            self.span_ns = self._span_ns()
        except BaseException:
            self.close()
            raise
        self._names = {number: topic.name for number, topic in rows}
        self.topics = tuple(topic for _, topic in rows)

    def close(self) -> None:
        """Free what it holds."""
        self._database.close()

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._database.execute(f'PRAGMA table_info({table})')}

    def _topic_rows(self) -> Iterator[tuple[int, Topic]]:
        """Yield the topics by their numbers; newer ROS versions have more columns and tables."""
        if not self._columns('topics') or not self._columns('messages'):
            raise ValueError('it lacks the tables of a bag')
        qos = 'offered_qos_profiles' if 'offered_qos_profiles' in self._columns('topics') else "''"
        definitions = {}
        if self._columns('message_definitions'):
            definitions = {
                kind: (ENCODINGS.get(encoding, ''), text)
                for kind, encoding, text in self._database.execute(
                    'SELECT topic_type, encoding, encoded_message_definition '
                    'FROM message_definitions ORDER BY id DESC'
                )
            }
        for number, name, kind, serialization, profiles, count in self._database.execute(
            f'SELECT topics.id, name, type, serialization_format, {qos}, count(messages.id) '
            'FROM topics LEFT JOIN messages ON topics.id == messages.topic_id '
            'GROUP BY topics.id ORDER BY topics.id'
        ):
            encoding, definition = definitions.get(kind, ('', ''))
            if not encoding:
                definition = ''
            profile = parse_qos(profiles)
            yield number, Topic(name, kind, count, encoding, definition, serialization, profile)

    def _span_ns(self) -> tuple[int, int] | None:
        query = 'SELECT min(timestamp), max(timestamp) FROM messages'
        first_ns, last_ns = self._database.execute(query).fetchone()
        return None if first_ns is None else (first_ns, last_ns)

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages as they are stored, in the order of their log time."""
        numbers = [number for number, name in self._names.items() if name in topics]
        query = (
            'SELECT topic_id, timestamp, data FROM messages '
            f'WHERE topic_id IN ({",".join("?" * len(numbers))}) '
            'AND timestamp >= ? AND timestamp < ? ORDER BY timestamp'
        )
        first = -(2**63) if start_ns is None else start_ns
        end = 2**63 - 1 if stop_ns is None else min(stop_ns, 2**63 - 1)
        try:
            for number, time_ns, data in self._database.execute(query, (*numbers, first, end)):
                yield Record(self._names[number], time_ns, data)
        except sqlite3.Error as error:
            self.damage = f'{self._name} is damaged, the rest of it is not read: {error}'


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
        """Free what it holds."""
        self._pages.close()

    @property
    def span_ns(self) -> tuple[int, int] | None:
        """First and last log time in nanoseconds, or None without messages."""
        times = [stored.first_ns for stored in self._messages]
        return (min(times), max(times)) if times else None

    def records(
        self, topics: frozenset[str], start_ns: int | None, stop_ns: int | None
    ) -> Iterator[Record]:
        """Yield the messages as they are stored, in the order of their log time."""
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
