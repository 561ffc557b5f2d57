# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recording that ends early, or is damaged, is read as far as it goes, and says so."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import zstandard

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.bags.reader import open_bag

TOPIC = '/cam/image_raw'
SIZE = (96, 128)

SHARES = (0.25, 0.6, 0.95)

PACKED = {'rosbags-mcap-chunks-zstd', 'mcap-zstd', 'mcap-lz4'}
"""Where only whole blocks of up to 128 kB can be unpacked."""


@pytest.fixture(scope='module')
def entries(recordings):
    return recordings.drive(40, ground_truth=False, size=SIZE)


def storage_file(path):
    if path.is_file():
        return path
    (file,) = (file for file in path.iterdir() if file.name != 'metadata.yaml')
    return file


def cut(source, share, folder):
    data = source.read_bytes()
    target = folder / f'cut_{share}{"".join(source.suffixes)}'
    target.write_bytes(data[: int(share * len(data))])
    return target


def images(bag):
    return [bytes(item.raw) for item in bag.messages([TOPIC])]


@pytest.fixture(
    scope='module',
    params=[
        'rosbags-mcap',
        'rosbags-mcap-chunks-zstd',
        'rosbags-mcap-file-zstd',
        'rosbags-sqlite3',
        'rosbags-sqlite3-messages-zstd',
        'rosbags-sqlite3-file-zstd',
        'mcap-zstd',
        'mcap-lz4',
        'mcap-small-chunks',
        'mcap-without-chunks',
    ],
)
def whole(request, recordings, entries, tmp_path_factory):
    """A recording as one writer after the other writes it, and what it is called."""
    folder = tmp_path_factory.mktemp('whole')
    return request.param, storage_file(recordings.WRITERS[request.param](folder / 'x', entries))


@pytest.mark.parametrize('share', SHARES)
def test_all_frames_up_to_the_cut_are_read(whole, entries, share, tmp_path):
    name, file = whole
    sent = [bytes(entry.raw) for entry in entries if entry.topic == TOPIC]
    with open_bag(cut(file, share, tmp_path)) as bag:
        got = images(bag)
        assert got == sent[: len(got)]
        assert bag.topics[TOPIC].count == len(got)
        assert 'ends early' in bag.truncated
    blocks = 131072 / (SIZE[0] * SIZE[1] * 3) if name in PACKED or 'file' in name else 0
    assert len(got) >= int(share * len(sent)) - 2 - blocks
    assert len(got) <= share * len(sent) + 2


def test_a_message_is_read_if_all_of_it_is_there(recordings, entries, tmp_path):
    file = recordings.write_mcap(tmp_path / 'x', entries, use_chunking=False)
    data, raw = file.read_bytes(), bytes(entries[20].raw)
    end = data.index(raw) + len(raw)
    for size, count in ((end - 1, 10), (end, 11)):
        file.write_bytes(data[:size])
        with open_bag(file) as bag:
            assert len(images(bag)) == count


def test_a_file_without_its_index_is_whole(recordings, entries, tmp_path):
    file = recordings.write_mcap(tmp_path / 'x', entries)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) - 100])
    with open_bag(file) as bag:
        assert len(images(bag)) == 40
        assert not bag.truncated


def test_zeros_at_the_end_are_a_cut(recordings, entries, tmp_path):
    file = recordings.write_mcap(tmp_path / 'x', entries, use_chunking=False)
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2] + bytes(5000))
    with open_bag(file) as bag:
        assert 15 <= len(images(bag)) <= 20
        assert bag.truncated


def test_a_cut_bag_of_a_killed_recording_is_read(recordings, entries, tmp_path):
    folder = recordings.write_rosbags(tmp_path / 'x', entries)
    (folder / 'metadata.yaml').unlink()
    file = storage_file(folder)
    file.write_bytes(file.read_bytes()[:700_000])
    with open_bag(folder) as bag:
        assert len(images(bag)) >= 18
        assert bag.truncated
        assert bag.notes


@pytest.mark.parametrize('name', ['rosbags-mcap-chunks-zstd', 'rosbags-sqlite3'])
def test_damage_in_the_middle_is_said(recordings, name, tmp_path):
    """What was read before is kept, whatever the decoder says to the rest."""
    file = storage_file(recordings.WRITERS[name](tmp_path / 'x', recordings.drive(80, size=SIZE)))
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 40_000] = b'\xff' * 40_000
    file.write_bytes(data)
    with open_bag(file) as bag:
        got = images(bag)
        assert 20 <= len(got) < 80
        assert bag.truncated


@pytest.mark.parametrize('name', ['rosbags-mcap', 'rosbags-sqlite3', 'mcap-zstd'])
def test_a_file_with_nothing_left_is_refused(recordings, entries, name, tmp_path):
    file = storage_file(recordings.WRITERS[name](tmp_path / 'x', entries))
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(SourceError, match=r'ends before its first topic|ends too early'):
        open_bag(file)


def test_what_was_unpacked_goes_away(recordings, entries, tmp_path, monkeypatch):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'scratch'))
    Path(tmp_path / 'scratch').mkdir()
    path = recordings.write_rosbags(tmp_path / 'x', entries, 'SQLITE3', 'FILE')
    with open_bag(path) as bag:
        assert list((tmp_path / 'scratch').rglob('*.db3'))
        assert len(images(bag)) == 40
    assert not list((tmp_path / 'scratch').iterdir())


def test_a_file_of_several_streams_is_whole(recordings, entries, tmp_path):
    """As parallel compressors write it."""
    path = recordings.write_mcap(tmp_path / 'x', entries)
    data, pack = path.read_bytes(), zstandard.ZstdCompressor().compress
    half = len(data) // 2
    packed = tmp_path / 'x.mcap.zstd'
    packed.write_bytes(pack(data[:half]) + pack(data[half:]))
    with open_bag(packed) as bag:
        assert len(images(bag)) == 40
        assert not bag.truncated


def test_messages_that_are_only_in_the_journal_are_missed(recordings, entries, tmp_path):
    """As after a recording with the profile resilient was killed."""
    path = recordings.write_rosbags(tmp_path / 'x', entries, 'SQLITE3')
    (path / 'x.db3-wal').write_bytes(bytes(100))
    with open_bag(path) as bag:
        assert len(images(bag)) == 40
        assert 'x.db3-wal is not read' in bag.truncated


def test_what_was_written_but_not_committed_is_read(recordings, entries, tmp_path):
    """A copy of a database that is being written is what a killed recording leaves."""
    kit = recordings
    sent = [bytes(entry.raw) for entry in entries if entry.topic == TOPIC]
    with kit.Writer(tmp_path / 'x', version=9, storage_plugin=kit.StoragePlugin.SQLITE3) as writer:
        connection = writer.add_connection(TOPIC, kit.IMAGE, typestore=kit.STORE)
        writer.storage.conn.commit()
        for raw in [*sent, *sent]:
            writer.write(connection, 0, raw)
        shutil.copy(tmp_path / 'x' / 'x.db3', tmp_path / 'copy.db3')
    with open_bag(tmp_path / 'copy.db3') as bag:
        got = images(bag)
        assert got[: len(sent)] == sent[: len(got)]
        assert len(got) >= 20
        assert bag.truncated
