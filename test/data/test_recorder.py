# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Messages written as they come: order, room, and a disk that gives up."""

from __future__ import annotations

import threading

import pytest

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.recorder import Recorder
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import BagWriter

TALK = Topic('/talk', 'std_msgs/msg/String', 0)
WORD = b'\0\1\0\0\2\0\0\0a\0'


class SlowWriter(BagWriter):
    """Writes nothing until it may, and then fails if it shall."""

    def __init__(self, path, error=None):
        super().__init__(path)
        self.may_write = threading.Event()
        self.error = error

    def write_raw(self, topic, raw, time_ns):
        self.may_write.wait(10)
        if self.error:
            raise self.error
        super().write_raw(topic, raw, time_ns)


def test_messages_are_written_in_their_order(tmp_path):
    recorder = Recorder(BagWriter(tmp_path / 'bag'), queue_bytes=1000)
    for number in range(5):
        recorder.put(TALK, WORD, number)
    recorder.finish()
    with open_bag(tmp_path / 'bag') as bag:
        found = [(item.time_ns, bytes(item.raw)) for item in bag.messages()]
    assert found == [(number, WORD) for number in range(5)]
    tally = recorder.tallies['/talk']
    assert (tally.came, tally.written, tally.overrun) == (5, 5, 0)


def test_what_finds_no_room_is_counted(tmp_path):
    writer = SlowWriter(tmp_path / 'bag')
    recorder = Recorder(writer, queue_bytes=3 * len(WORD))
    for number in range(9):
        recorder.put(TALK, WORD, number)
    writer.may_write.set()
    recorder.finish()
    tally = recorder.tallies['/talk']
    assert (tally.came, tally.written, tally.overrun) == (9, 3, 6)
    with open_bag(tmp_path / 'bag') as bag:
        assert bag.topics['/talk'].count == 3


def test_a_full_disk_is_told_and_all_else_counted_as_lost(tmp_path):
    writer = SlowWriter(tmp_path / 'bag', OutputError('No space left on device'))
    recorder = Recorder(writer, queue_bytes=1000)
    for number in range(4):
        recorder.put(TALK, WORD, number)
    writer.may_write.set()
    with pytest.raises(OutputError, match='No space left'):
        recorder.finish()
    assert recorder.problem is not None
    tally = recorder.tallies['/talk']
    assert (tally.came, tally.written, tally.overrun) == (4, 0, 4)
