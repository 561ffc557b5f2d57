# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""MCAP files whose index leaves something out or is wrong: everything is read all the same."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from mcap.opcode import Opcode
from mcap.writer import IndexType

from mfaranet_ros.data.bags.reader import open_bag

CASES = Path(__file__).resolve().parents[3] / 'shared' / 'cases'
RECORD = struct.Struct('<BQ')
MAGIC_BYTES = 8


def records_of(data):
    """Yield opcode, start and stop of the records of a file."""
    start = MAGIC_BYTES
    while start < len(data) - MAGIC_BYTES:
        opcode, length = RECORD.unpack_from(data, start)
        yield opcode, start, start + RECORD.size + length
        start += RECORD.size + length


def read(path):
    """Return topic, time and bytes of all messages, and what is missing."""
    with open_bag(path) as bag:
        found = [(item.topic.name, item.time_ns, bytes(item.raw)) for item in bag.messages()]
        assert sum(topic.count for topic in bag.topics.values()) == len(found)
        return found, bag.truncated


@pytest.fixture
def entries(recordings):
    return recordings.drive(5)


def expected(entries):
    return [(entry.topic, entry.time_ns, bytes(entry.raw)) for entry in entries]


OPTIONS = {
    'no message index': {'index_types': IndexType.CHUNK},
    'no chunk index': {'index_types': IndexType.MESSAGE},
    'no index': {'index_types': IndexType.NONE},
    'no channels': {'repeat_channels': False},
    'no schemas': {'repeat_schemas': False},
    'neither': {'repeat_channels': False, 'repeat_schemas': False},
    'no statistics': {'use_statistics': False},
    'no summary offsets': {'use_summary_offsets': False},
    'no chunks': {'use_chunking': False},
    'nothing': {
        'index_types': IndexType.NONE, 'repeat_channels': False, 'repeat_schemas': False,
        'use_statistics': False, 'use_summary_offsets': False,
    },
}  # fmt: skip


@pytest.mark.parametrize('options', OPTIONS.values(), ids=OPTIONS)
def test_what_a_writer_left_out_is_found(recordings, entries, tmp_path, options):
    path = recordings.write_mcap(tmp_path / 'x', entries, chunk_size=5000, **options)
    assert read(path) == (expected(entries), '')


DROPPED = {
    'one chunk index': (Opcode.CHUNK_INDEX, 1),
    'all chunk indexes but one': (Opcode.CHUNK_INDEX, -1),
    'one channel': (Opcode.CHANNEL, 1),
    'one schema': (Opcode.SCHEMA, 1),
    'statistics': (Opcode.STATISTICS, 1),
    'one message index': (Opcode.MESSAGE_INDEX, 1),
}


@pytest.mark.parametrize(('opcode', 'count'), DROPPED.values(), ids=DROPPED)
def test_a_record_that_is_missing_at_the_top_costs_nothing(
    recordings, entries, tmp_path, opcode, count
):
    path = recordings.write_mcap(tmp_path / 'x', entries, chunk_size=5000)
    data = path.read_bytes()
    spans = [(start, stop) for kind, start, stop in records_of(data) if kind == opcode]
    assert spans
    dropped = spans[:count] if count > 0 else spans[1:]
    for start, stop in reversed(dropped):
        data = data[:start] + data[stop:]
    path.write_bytes(data)
    assert read(path) == (expected(entries), '')


def edit(path, opcode, form, at, change):
    """Change a number in the first record of a kind; at: its place in the record."""
    data = bytearray(path.read_bytes())
    start = next(start for kind, start, _ in records_of(data) if kind == opcode) + RECORD.size + at
    struct.pack_into(form, data, start, change(*struct.unpack_from(form, data, start)))
    path.write_bytes(data)


@pytest.mark.parametrize(
    ('opcode', 'at', 'change'),
    [
        (Opcode.CHUNK_INDEX, 0, lambda time: time + 10**9),
        (Opcode.CHUNK_INDEX, 8, lambda time: 0),
        (Opcode.CHUNK_INDEX, 16, lambda offset: offset + 1),
        (Opcode.STATISTICS, 0, lambda count: count - 1),
    ],
    ids=['first time', 'last time', 'place', 'number of messages'],
)
def test_an_index_that_is_wrong_is_not_believed(recordings, entries, tmp_path, opcode, at, change):
    path = recordings.write_mcap(tmp_path / 'x', entries, chunk_size=5000)
    edit(path, opcode, '<Q', at, change)
    assert read(path) == (expected(entries), '')


def test_messages_that_were_promised_and_are_not_there_are_named(recordings, entries, tmp_path):
    path = recordings.write_mcap(tmp_path / 'x', entries)
    edit(path, Opcode.STATISTICS, '<Q', 0, lambda count: count + 4)
    found, missing = read(path)
    assert found == expected(entries)
    assert missing == 'x.mcap should hold 19 messages and holds 15: the others are lost'


def test_messages_of_no_channel_are_named(recordings, entries, tmp_path):
    path = recordings.write_mcap(
        tmp_path / 'x', entries, use_chunking=False, repeat_channels=False
    )
    edit(path, Opcode.CHANNEL, '<H', 0, lambda number: 77)
    with open_bag(path) as bag:
        assert len(list(bag.messages())) == 10
        assert 'of which topics 5 of its messages are' in bag.truncated


def test_a_message_outside_of_chunks_is_read_beside_those_in_chunks(recordings, entries, tmp_path):
    *inside, last = entries
    path = recordings.write_mcap(tmp_path / 'x', inside)
    data = path.read_bytes()
    end = next(start for kind, start, _ in records_of(data) if kind == Opcode.DATA_END)
    with open_bag(path) as bag:
        names = list(bag.topics)
    content = struct.pack('<HIQQ', 1 + names.index(last.topic), 0, last.time_ns, 0) + bytes(
        last.raw
    )
    record = RECORD.pack(Opcode.MESSAGE, len(content)) + content
    path.write_bytes(data[:end] + record + data[end:])
    found, _ = read(path)
    assert found == expected(entries)


@pytest.mark.parametrize(
    'name', ['chunk_index_only', 'no_repeated_channels', 'no_repeated_schemas']
)
def test_the_cases_that_were_reported_are_read(name):
    path = CASES / f'{name}.mcap'
    if not path.is_file():
        pytest.skip(f'{path} is not here')
    found, missing = read(path)
    assert sum('image' in topic for topic, _, _ in found) == 3
    assert not missing
