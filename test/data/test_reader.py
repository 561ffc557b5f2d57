# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recordings of other tools are read whole, in order, without copies and in little memory."""

from __future__ import annotations

import array
import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore

from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.pipeline.decode import decode


def as_listed(entries):
    return [(entry.topic, entry.time_ns, bytes(entry.raw)) for entry in entries]


def as_read(bag, topics=None, **limits):
    messages = bag.messages(topics, **limits)
    return [(item.topic.name, item.time_ns, bytes(item.raw)) for item in messages]


def test_every_message_comes_in_order(recording):
    with open_bag(recording.path) as bag:
        assert as_read(bag) == as_listed(recording.entries)
        assert {topic.name: topic.count for topic in bag.topics.values()} == {
            '/cam/image_raw': 20, '/cam/camera_info': 20, '/truth/labels': 20,
        }  # fmt: skip
        assert bag.span_ns == (recording.entries[0].time_ns, recording.entries[-1].time_ns)
        assert not bag.truncated
        assert not bag.notes


def test_topics_and_times_are_chosen(recording):
    wanted = [entry for entry in recording.entries if entry.topic == '/cam/image_raw'][5:9]
    with open_bag(recording.path) as bag:
        limits = {'start_ns': wanted[0].time_ns, 'stop_ns': wanted[-1].time_ns + 1}
        assert as_read(bag, ['/cam/image_raw'], **limits) == as_listed(wanted)


def test_first_and_last_are_found(recording):
    stamps = [entry.time_ns for entry in recording.entries if entry.topic == '/truth/labels']
    with open_bag(recording.path) as bag:
        assert bag.stamp_range('/truth/labels') == (stamps[0], stamps[-1])


def like_rclpy(message):
    """The same message with what rclpy has in its place: an array.array and properties."""
    fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
    fields.pop('__msgtype__', None)
    return SimpleNamespace(**{**fields, 'data': array.array('B', message.data.tobytes())})


def test_pixels_are_those_of_the_message(recording):
    sent = [entry.message for entry in recording.entries if entry.topic == '/cam/image_raw']
    with open_bag(recording.path) as bag:
        read = [item.message for item in bag.messages(['/cam/image_raw'])]
    for message, original in zip(read, sent, strict=True):
        frame, expected = decode(message), decode(like_rclpy(original))
        assert (frame.encoding, frame.stamp_ns, frame.frame_id) == (
            expected.encoding, expected.stamp_ns, expected.frame_id,
        )  # fmt: skip
        np.testing.assert_array_equal(frame.pixels, expected.pixels)


@pytest.mark.parametrize('codec', ['png', 'jpg'])
def test_compressed_pixels_are_those_of_the_message(recordings, codec, tmp_path):
    kit = recordings
    message = kit.compressed(kit.sample_image(3), kit.stamp(0), codec)
    entry = kit.Entry('/cam/image_raw/compressed', kit.COMPRESSED, kit.stamp(0), message)
    with open_bag(kit.write_rosbags(tmp_path / 'bag', [entry])) as bag:
        (item,) = bag.messages()
    np.testing.assert_array_equal(decode(item.message).pixels, decode(like_rclpy(message)).pixels)


def test_pixels_are_not_copied(recording):
    with open_bag(recording.path) as bag:
        item = bag.first('/cam/image_raw')
        pixels = decode(item.message).pixels
        assert np.shares_memory(pixels, np.frombuffer(item.raw, np.uint8))


def test_memory_does_not_grow(recordings, tmp_path):
    kit, size = recordings, (240, 320)
    paths = [
        kit.write_rosbags(tmp_path / 'a', kit.drive(60, size=size), 'MCAP', 'STORAGE'),
        kit.write_rosbags(tmp_path / 'b', kit.drive(60, size=size), 'SQLITE3'),
    ]
    for path in paths:
        with open_bag(path) as bag:
            tracemalloc.start()
            total = sum(item.message.data.size for item in bag.messages(['/cam/image_raw']))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert total == 60 * 240 * 320 * 3
        assert peak < total / 2


# -- several files -------------------------------------------------------------------------------


def split(kit, folder):
    """A recording of two files, the second of which overlaps the first in time."""
    entries = kit.drive(6)
    kit.write_mcap(folder / 'part_0', entries[0:12])
    kit.write_mcap(folder / 'part_1', entries[12:])
    info = {
        'version': 9,
        'storage_identifier': 'mcap',
        'relative_file_paths': ['part_0.mcap', 'part_1.mcap'],
    }
    metadata = {'rosbag2_bagfile_information': info}
    (folder / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    return entries


def test_a_split_bag_is_one(recordings, tmp_path):
    entries = split(recordings, tmp_path)
    for given in (tmp_path, [tmp_path / 'part_1.mcap', tmp_path / 'part_0.mcap']):
        with open_bag(given) as bag:
            assert as_read(bag) == as_listed(entries)
            assert bag.topics['/cam/image_raw'].count == 6


def test_files_that_overlap_are_merged_by_time(recordings, tmp_path):
    kit, entries = recordings, recordings.drive(6)
    one = kit.write_rosbags(tmp_path / 'one', entries[0::3], 'SQLITE3')
    two = kit.write_mcap(tmp_path / 'two', entries[1::3] + entries[2::3])
    with open_bag([one, two]) as bag:
        assert sorted(as_read(bag)) == sorted(as_listed(entries))
        times = [item.time_ns for item in bag.messages()]
        assert times == sorted(times)


def test_what_was_written_out_of_order_is_ordered(recordings, tmp_path):
    entries = recordings.drive(6, ground_truth=False)
    shuffled = entries[6:] + entries[:6]
    path = recordings.write_mcap(tmp_path / 'bag', shuffled, use_chunking=False)
    with open_bag(path) as bag:
        assert as_read(bag) == as_listed(entries)


def test_a_folder_without_metadata_is_read(recordings, tmp_path):
    entries = recordings.drive(3)
    path = recordings.write_rosbags(tmp_path / 'bag', entries, 'SQLITE3')
    (path / 'metadata.yaml').unlink()
    with open_bag(path) as bag:
        assert as_read(bag) == as_listed(entries)
        assert 'metadata.yaml' in bag.notes[0]


# -- types ---------------------------------------------------------------------------------------

OWN = '/'.join(('my_msgs', 'msg', 'Reading'))
MSG = 'float64 value\nuint8[] data\n'
IDL = """module my_msgs { module msg { struct Reading {
  double value;
  sequence<uint8> data;
}; }; };
"""
FLOAT64 = 'std_msgs/msg/Float64'


def write_typed(path, name, encoding, text, *values):
    """Write one message on `/own` with its definition, by the library mcap."""
    library = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    parse = {'ros2msg': lambda: get_types_from_msg(text, name), 'ros2idl': lambda: IDL_TYPES}
    store = get_typestore(Stores.EMPTY)
    store.register(parse[encoding]())
    raw = bytes(store.serialize_cdr(store.types[name](*values), name))
    writer = library.Writer(str(path))
    writer.start(profile='ros2', library='test')
    schema = writer.register_schema(name, encoding, text.encode())
    writer.add_message(writer.register_channel('/own', 'cdr', schema), 5, raw, 5)
    writer.finish()
    return path


IDL_TYPES = get_types_from_idl(IDL)


@pytest.mark.parametrize(('encoding', 'text'), [('ros2msg', MSG), ('ros2idl', IDL)])
def test_types_are_read_by_the_definitions_in_the_bag(encoding, text, tmp_path):
    data = np.arange(5, dtype=np.uint8)
    with open_bag(write_typed(tmp_path / 'own.mcap', OWN, encoding, text, 0.5, data)) as bag:
        message = bag.first('/own').message
    assert message.value == 0.5
    np.testing.assert_array_equal(message.data, data)


def test_a_definition_that_has_changed_since_is_that_of_the_bag(tmp_path):
    text = 'float64 data\nfloat64 more\n'
    path = write_typed(tmp_path / 'own.mcap', FLOAT64, 'ros2msg', text, 1.0, 2.0)
    with open_bag(path) as bag:
        assert bag.first('/own').message.more == 2.0
