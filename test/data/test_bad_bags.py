# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is no bag of ROS 2, or does not hold what is asked for, is refused in one clear line."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing

import pytest
import yaml

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.data.bags.reader import CAMERA_INFO, IMAGES, open_bag


def nothing(kit, folder):
    return folder / 'nothing'


def no_paths(kit, folder):
    return []


def empty_folder(kit, folder):
    return folder


def text(kit, folder):
    (folder / 'notes.mcap').write_text('this is no bag')
    return folder / 'notes.mcap'


def empty_file(kit, folder):
    (folder / 'x.db3').touch()
    return folder / 'x.db3'


def ros1(kit, folder):
    (folder / 'old.bag').write_bytes(b'#ROSBAG V2.0\nE\x00\x00\x00')
    return folder / 'old.bag'


def folder_of_ros1(kit, folder):
    ros1(kit, folder)
    return folder


def ros1_in_mcap(kit, folder):
    library = pytest.importorskip('mcap.writer', reason='mcap is not installed')
    writer = library.Writer(str(folder / 'old.mcap'))
    writer.start(profile='ros1', library='test')
    writer.finish()
    return folder / 'old.mcap'


def other_database(kit, folder):
    with closing(sqlite3.connect(folder / 'x.db3')) as database:
        database.execute('CREATE TABLE things(id INTEGER)')
        database.commit()
    return folder / 'x.db3'


def metadata(**changes):
    """Make a folder whose metadata.yaml says something else."""

    def prepare(kit, folder):
        path = kit.write_rosbags(folder / 'bag', kit.drive(1))
        file = path / 'metadata.yaml'
        content = yaml.safe_load(file.read_text())
        content['rosbag2_bagfile_information'].update(changes)
        file.write_text(yaml.safe_dump(content))
        return path

    return prepare


def broken_metadata(kit, folder):
    path = metadata()(kit, folder)
    (path / 'metadata.yaml').write_text('rosbag2_bagfile_information: [')
    return path


NO_BAG = {
    nothing: 'No such file',
    no_paths: 'no bag is given',
    empty_folder: 'is not a bag, it has neither metadata.yaml nor',
    text: 'is not a bag, it begins with',
    empty_file: 'is an empty file',
    ros1: 'is a bag of ROS 1: convert it by `rosbags-convert',
    folder_of_ros1: 'holds bags of ROS 1: convert',
    ros1_in_mcap: "holds messages of 'ros1'",
    other_database: 'it is no bag',
    metadata(storage_identifier='rocksdb'): "by the plugin 'rocksdb': choose from mcap, sqlite3",
    metadata(compression_format='lz4'): "compressed by 'lz4': choose from zstd",
    metadata(relative_file_paths=['other.mcap']): 'lists other.mcap, which is not there',
    metadata(relative_file_paths=[]): 'lists no file',
    broken_metadata: 'metadata.yaml cannot be read .*reindex',
}


@pytest.mark.parametrize(('prepare', 'message'), NO_BAG.items())
def test_what_is_no_bag_is_refused(recordings, prepare, message, tmp_path):
    with pytest.raises(SourceError, match=message) as caught:
        open_bag(prepare(recordings, tmp_path))
    assert '\n' not in str(caught.value)


# -- what it does not hold -----------------------------------------------------------------------


@pytest.fixture
def bag(recordings, tmp_path):
    with open_bag(recordings.write_rosbags(tmp_path / 'bag', recordings.drive(2))) as opened:
        yield opened


def test_a_bag_without_the_topic_lists_those_it_has(bag):
    listed = (
        r"no topic '/left'; it has /cam/camera_info \(sensor_msgs/msg/CameraInfo, 2\), "
        r'/cam/image_raw \(sensor_msgs/msg/Image, 2\), /truth/labels'
    )
    with pytest.raises(SourceError, match=listed):
        bag.topic('/left')
    with pytest.raises(SourceError, match=listed):
        next(bag.messages(['/left']))


def test_a_topic_is_found_without_its_first_slash(bag):
    assert bag.topic('cam/image_raw', *IMAGES).name == '/cam/image_raw'


def test_a_topic_of_another_type_is_refused(bag):
    with pytest.raises(SourceError, match='is of type sensor_msgs/msg/Image, it must be of'):
        bag.topic('/cam/image_raw', CAMERA_INFO)


def test_an_empty_bag_is_refused(recordings, tmp_path):
    with open_bag(recordings.write_rosbags(tmp_path / 'bag', [])) as bag:
        with pytest.raises(SourceError, match='is empty: it holds no message'):
            _ = bag.span_ns
        with pytest.raises(SourceError, match='no topic at all'):
            bag.topic('/cam/image_raw')


def test_an_unknown_type_without_definition_is_named(recordings, tmp_path):
    """As in a bag of SQLite of before Iron."""
    path = recordings.write_rosbags(tmp_path / 'bag', recordings.drive(1), 'SQLITE3')
    with closing(sqlite3.connect(path / 'bag.db3')) as database:
        database.execute("UPDATE topics SET type = 'my_msgs/msg/Image'")
        database.commit()
    with open_bag(path / 'bag.db3') as bag:
        with pytest.raises(SourceError, match='of type my_msgs/msg/Image, which is unknown'):
            bag.topic('/cam/image_raw')
        assert len(list(bag.messages())) == 3


@pytest.mark.parametrize('files', [1, 2])
def test_a_topic_of_two_types_is_refused_only_where_it_is_asked_for(recordings, tmp_path, files):
    kit = recordings
    image = kit.Entry('/diag', kit.IMAGE, 1, kit.image_message(kit.sample_image(1), 1))
    info = kit.Entry('/diag', kit.CAMERA_INFO, 2, kit.camera_info(2))
    entries = [*kit.drive(2), image, info]
    if files == 1:
        paths = [two_types_in_one_file(kit, tmp_path / 'both', entries)]
    else:
        paths = [
            kit.write_mcap(tmp_path / 'a', entries[:-1]),
            kit.write_mcap(tmp_path / 'b', [info]),
        ]
    with open_bag(paths) as bag:
        assert [item.topic.name for item in bag.messages()].count('/cam/image_raw') == 2
        assert '/diag' not in bag.topics
        assert bag.notes == (
            f'/diag has messages of two types, {kit.IMAGE} and {kit.CAMERA_INFO}: not read',
        )
        assert not bag.truncated
        with pytest.raises(SourceError, match='/diag has messages of two types'):
            bag.topic('diag')


def two_types_in_one_file(kit, path, entries):
    """Write one file by the library mcap, whose channels are by topic and type."""
    from mcap.writer import Writer

    path = path.with_suffix('.mcap')
    with path.open('wb') as file:
        writer = Writer(file)
        writer.start(profile='ros2', library='test')
        for entry in entries:
            text, _ = kit.STORE.generate_msgdef(entry.type, ros_version=2)
            schema = writer.register_schema(entry.type, 'ros2msg', text.encode())
            channel = writer.register_channel(entry.topic, 'cdr', schema)
            writer.add_message(channel, entry.time_ns, bytes(entry.raw), entry.time_ns)
        writer.finish()
    return path


# -- parts of which nothing can be read ----------------------------------------------------------


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        (b'', 'is an empty file'),
        (None, 'No such file'),
        (b'\x89MCAP0\r\n' + bytes(20), 'ends before its first topic'),
        (b'nonsense', 'is not a bag'),
        ('folder', 'Is a directory'),
    ],
    ids=['empty', 'gone', 'cut', 'nonsense', 'folder'],
)
@pytest.mark.parametrize('dead', [0, 1, 2])
def test_a_dead_part_is_named_and_the_others_are_read(recordings, tmp_path, content, said, dead):
    paths = [
        recordings.write_mcap(
            tmp_path / f'x_{number}', recordings.drive(6)[6 * number : 6 * number + 6]
        )
        for number in range(3)
    ]
    (tmp_path / 'metadata.yaml').write_text(metadata_of([path.name for path in paths]))
    paths[dead].unlink()
    if content == 'folder':
        paths[dead].mkdir()
    elif content is not None:
        paths[dead].write_bytes(content)
    with open_bag(tmp_path) as bag:
        assert len(list(bag.messages(['/cam/image_raw']))) == 4
        assert said in bag.truncated
        assert f'x_{dead}.mcap' in bag.truncated


def test_of_dead_parts_alone_each_is_named(tmp_path):
    for name in ('a.mcap', 'b.db3'):
        (tmp_path / name).write_bytes(b'')
    with pytest.raises(SourceError, match=r'a\.mcap is an empty file.*b\.db3 is an empty file'):
        open_bag(tmp_path)


def metadata_of(names, storage='mcap'):
    return yaml.safe_dump({
        'rosbag2_bagfile_information': {
            'version': 5, 'storage_identifier': storage, 'relative_file_paths': names,
            'compression_format': '', 'compression_mode': '',
        }
    })  # fmt: skip


def test_an_empty_storage_identifier_is_no_reason_to_refuse(recordings, tmp_path):
    path = recordings.write_mcap(tmp_path / 'x_0', recordings.drive(2))
    (tmp_path / 'metadata.yaml').write_text(metadata_of([path.name], ''))
    with open_bag(tmp_path) as bag:
        assert len(list(bag.messages(['/cam/image_raw']))) == 2


def test_a_broken_message_is_one_error_of_its_own(bag):
    item = bag.first('/cam/image_raw')
    short = dataclasses.replace(item, raw=item.raw[:60])
    with pytest.raises(DecodeError, match='a message of /cam/image_raw cannot be read'):
        _ = short.message
