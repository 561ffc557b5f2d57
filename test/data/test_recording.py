# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What of a bag is played, and the time of a recording."""

from __future__ import annotations

import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.playback import BagCursor, BagPlayback, header_stamp_ns, is_latched
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import LATCHED, BagWriter
from mfaranet_ros.data.playback_clock import BagTime

IMAGE, INFO = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CameraInfo'
STRING, TF = 'std_msgs/msg/String', 'tf2_msgs/msg/TFMessage'
S = 10**9
WORD = b'\0\1\0\0\2\0\0\0a\0'


@pytest.fixture
def bag(tmp_path):
    """Two seconds of a camera, a compressed one, transforms and talk; only the logs matter."""
    entries = [
        ('/tf_static', TF, 0), ('/map', STRING, 0), ('/cam/camera_info', INFO, 0),
        ('/cam/image', IMAGE, 0), ('/rear/image/compressed', 'sensor_msgs/msg/CompressedImage', 0),
        ('/tf', TF, 1), ('/clock', 'rosgraph_msgs/msg/Clock', 1), ('/cam/image', IMAGE, 1),
        ('/talk', STRING, 2), ('/cam/image', IMAGE, 2),
    ]  # fmt: skip
    with BagWriter(tmp_path / 'bag') as writer:
        for name, kind, second in entries:
            qos = (LATCHED,) if name == '/map' else ()
            writer.write_raw(Topic(name, kind, 0, qos=qos), WORD, second * S)
    with open_bag(tmp_path / 'bag') as bag:
        yield bag


def played(recording):
    return [(item.topic.name, item.time_ns // S) for item in recording]


def test_the_camera_and_the_transforms_are_played(bag):
    recording = BagPlayback(bag)
    assert played(recording) == [
        ('/tf_static', 0), ('/cam/camera_info', 0), ('/cam/image', 0), ('/tf', 1),
        ('/cam/image', 1), ('/cam/image', 2),
    ]  # fmt: skip


def test_everything_is_played_but_what_belongs_to_the_system(bag):
    names = {name for name, _ in played(BagPlayback(bag, everything=True))}
    assert names == set(bag.topics) - {'/clock'}


def test_a_camera_is_found_by_the_name_of_its_raw_topic(bag):
    assert (
        BagPlayback(bag, image_topic='/rear/image').camera.image.name == '/rear/image/compressed'
    )


def test_latched_messages_are_known_wherever_playing_begins(bag):
    recording = BagPlayback(bag, everything=True, start_s=1.5)
    assert played(recording) == [('/talk', 2), ('/cam/image', 2)]
    assert played(recording.latched()) == [('/tf_static', 0), ('/map', 0)]
    assert is_latched(bag.topics['/map'])
    assert not is_latched(bag.topics['/talk'])


def test_a_start_behind_the_end_is_refused(bag):
    with pytest.raises(SourceError, match=r'is 2\.0 s long: start_s = 3 is after its end'):
        BagPlayback(bag, start_s=3.0)


def test_a_tape_is_rewound_and_watches_the_stamps_of_its_first_pass(bag):
    tape = BagCursor(BagPlayback(bag))
    for expected in (1, 2):
        assert tape.passes == expected
        taken = [tape.take() for _ in range(7)]
        assert [message is None for message in taken] == 6 * [False] + [True]
        for stamp_ns in (5, 7, 7, 6):
            tape.watch_stamp(stamp_ns)
        tape.rewind()
    assert (tape.stamps.repeated.count, tape.stamps.backward.count) == (1, 1)
    assert 'stamps that go back in time' in tape.oddities


@pytest.mark.parametrize('order', ['little', 'big'])
def test_a_stamp_is_read_from_the_bytes(order):
    sec, nanosec = 1_700_000_000, 123_456_789
    raw = bytes([0, order == 'little', 0, 0])
    raw += sec.to_bytes(4, order) + nanosec.to_bytes(4, order) + b'rest'
    assert header_stamp_ns(raw) == header_stamp_ns(memoryview(raw)) == sec * S + nanosec


def test_the_time_of_a_recording_runs_at_its_rate():
    time = BagTime(4.0)
    time.set(100 * S, 7 * S)
    assert time.now_ns(7 * S) == 100 * S
    assert time.now_ns(8 * S) == 104 * S
    assert time.until_s(106 * S, 8 * S) == 0.5
    time.set(100 * S, 9 * S)
    assert time.now_ns(10 * S) == 104 * S
