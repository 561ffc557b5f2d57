# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is written is read by others, byte for byte; nothing is lost by a name or a full disk."""

from __future__ import annotations

import resource
from contextlib import contextmanager

import pytest
import yaml
from rosbags.highlevel import AnyReader

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.storage import Topic
from mfaranet_ros.data.bags.writer import BagWriter
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import build

UNKNOWN = '/'.join(('my_msgs', 'msg', 'Reading'))


def copy(source, target, **options):
    with open_bag(source) as bag, BagWriter(target, **options) as writer:
        for item in bag.messages():
            writer.copy(item)
    return target


def test_originals_are_copied_byte_for_byte(recording, tmp_path):
    expected = [(entry.topic, entry.time_ns, bytes(entry.raw)) for entry in recording.entries]
    with AnyReader([copy(recording.path, tmp_path / 'out')]) as reader:
        found = [(item.topic, time_ns, raw) for item, time_ns, raw in reader.messages()]
        types = {item.topic: item.msgtype for item in reader.connections}
    assert found == expected
    assert types == {entry.topic: entry.type for entry in recording.entries}


def test_the_library_mcap_reads_it(recording, tmp_path):
    library = pytest.importorskip('mcap.reader', reason='mcap is not installed')
    folder = copy(recording.path, tmp_path / 'out')
    with (folder / 'out.mcap').open('rb') as file:
        reader = library.make_reader(file, validate_crcs=True)
        found = [
            (channel.topic, message.log_time, bytes(message.data))
            for _, channel, message in reader.iter_messages()
        ]
        schemas = {schema.name for schema in reader.get_summary().schemas.values()}
    assert sorted(found) == sorted(
        (entry.topic, entry.time_ns, bytes(entry.raw)) for entry in recording.entries
    )
    assert schemas == {entry.type for entry in recording.entries}


def test_values_are_written_as_the_node_publishes_them(tmp_path):
    value = encode.header(1_500_000_000, 'camera')
    with BagWriter(tmp_path / 'out') as writer:
        writer.write('/header', build(value, writer.make), 7)
        assert writer.counts == {'/header': 1}
    with open_bag(tmp_path / 'out') as bag:
        item = bag.first('/header')
        assert (item.time_ns, item.message.frame_id, item.message.stamp.sec) == (7, 'camera', 1)


def qos_of(folder, topic):
    info = yaml.safe_load((folder / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    topics = (item['topic_metadata'] for item in info['topics_with_message_count'])
    (text,) = (item['offered_qos_profiles'] for item in topics if item['name'] == topic)
    return yaml.safe_load(text)


def test_what_is_latched_stays_latched(tmp_path):
    """rosbag2 plays it so that late subscribers get it: 1 is transient local."""
    with BagWriter(tmp_path / 'one') as writer:
        header = build(encode.header(0, ''), writer.make)
        writer.write('/plain', header, 0)
        writer.write('/latched', header, 0, latched=True)
        writer.write('/tf_static', writer.make('tf2_msgs/msg/TFMessage', {'transforms': []}), 0)
    for folder in (tmp_path / 'one', copy(tmp_path / 'one', tmp_path / 'two')):
        assert not qos_of(folder, '/plain')
        for topic in ('/latched', '/tf_static'):
            assert qos_of(folder, topic)[0]['durability'] == 1


# -- what is refused -----------------------------------------------------------------------------


def test_what_exists_is_not_replaced_unasked(recordings, tmp_path):
    source = recordings.write_rosbags(tmp_path / 'bag', recordings.drive(1))
    with pytest.raises(OutputError, match='exists: give another name, or --overwrite'):
        copy(source, source)
    copy(source, tmp_path / 'out')
    copy(source, tmp_path / 'out', overwrite=True)
    with open_bag(tmp_path / 'out') as bag:
        assert len(list(bag.messages())) == 3


def test_only_a_bag_is_replaced(recordings, tmp_path):
    folder = tmp_path / 'thesis'
    folder.mkdir()
    (folder / 'chapter.txt').write_text('two years of work')
    with pytest.raises(OutputError, match=r"holds 'chapter\.txt'"):
        BagWriter(folder, overwrite=True)
    with pytest.raises(OutputError, match='is not a folder'):
        BagWriter(folder / 'chapter.txt', overwrite=True)
    assert (folder / 'chapter.txt').read_text()


def test_a_file_name_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r'written as a folder.*give .*/out$'):
        BagWriter(tmp_path / 'out.mcap')


def test_a_place_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='cannot be written: Not a directory'):
        BagWriter(tmp_path / 'file' / 'out')


def test_a_type_without_definition_is_kept_and_named(tmp_path):
    raw = b'\x00\x01\x00\x00\x07\x00\x00\x00'
    with BagWriter(tmp_path / 'one') as writer:
        writer.write_raw(Topic('/x', UNKNOWN, 0), raw, 5)
        writer.write_raw(Topic('/y', UNKNOWN, 0, serialization='json'), b'{}', 6)
        assert writer.undefined == ('/x', '/y')
    with open_bag(copy(tmp_path / 'one', tmp_path / 'two')) as bag:
        assert [(item.topic.name, item.raw) for item in bag.messages()] == [
            ('/x', raw), ('/y', b'{}'),
        ]  # fmt: skip
        with pytest.raises(SourceError, match='my_msgs/msg/Reading, which is unknown'):
            bag.topic('/x')
        with pytest.raises(SourceError, match="'json': only cdr is read"):
            bag.topic('/y')


def test_a_topic_keeps_its_type(tmp_path):
    with BagWriter(tmp_path / 'out') as writer:
        writer.write('/x', build(encode.header(0, ''), writer.make), 0)
        with pytest.raises(OutputError, match='/x is written as std_msgs/msg/Header, so not as'):
            writer.write('/x', build(encode.debug_value(1.0), writer.make), 0)


@contextmanager
def files_of_at_most(size_bytes):
    """Let the system refuse to write larger files, as it would on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize('room', [3_000_000, 1_000_000])
def test_what_was_written_before_the_disk_was_full_is_readable(recordings, room, tmp_path):
    kit = recordings
    image = kit.image_message(kit.sample_image(1, size=(480, 640))[::-1], kit.stamp(0))
    topic = Topic('/cam/image_raw', kit.IMAGE, 0)
    raw = kit.STORE.serialize_cdr(image, kit.IMAGE)

    def fill():
        with BagWriter(tmp_path / 'out') as writer:
            for number in range(20):
                writer.write_raw(topic, raw, number)

    with files_of_at_most(room), pytest.raises(OutputError, match=r'any further: .*\d+ messages'):
        fill()
    with open_bag(tmp_path / 'out') as bag:
        found = [bytes(item.raw) for item in bag.messages()]
        assert found == [bytes(raw)] * len(found)
        assert len(found) >= room // len(raw) - 2
        assert bag.truncated
