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
    metadata(compression_format='lz4'): "compressed by 'lz4': known is zstd",
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


def test_one_topic_of_two_types_is_refused(recordings, tmp_path):
    kit = recordings
    image = kit.Entry('/x', kit.IMAGE, 1, kit.image_message(kit.sample_image(1), 1))
    info = kit.Entry('/x', kit.CAMERA_INFO, 2, kit.camera_info(2))
    paths = [kit.write_mcap(tmp_path / f'{item.time_ns}', [item]) for item in (image, info)]
    with pytest.raises(SourceError, match='messages of two types'):
        open_bag(paths)


def test_a_broken_message_is_one_error_of_its_own(bag):
    item = bag.first('/cam/image_raw')
    short = dataclasses.replace(item, raw=item.raw[:60])
    with pytest.raises(DecodeError, match='a message of /cam/image_raw cannot be read'):
        _ = short.message
