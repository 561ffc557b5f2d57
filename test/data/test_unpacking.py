# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Bombs: a few bytes that claim to be gigabytes are refused before the memory is taken."""

from __future__ import annotations

import io
import struct
from collections import namedtuple

import lz4.frame
import pytest
import zstandard

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.data.bags import mcap, unpacking
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.bags.unpacking import unpack_file, unpack_lz4, unpack_zstd

ZEROS = bytes(3_000_000)
PACKED = {
    'zstd': (unpack_zstd, zstandard.ZstdCompressor().compress(ZEROS)),
    'lz4': (unpack_lz4, lz4.frame.compress(ZEROS)),
}


@pytest.mark.parametrize('kind', PACKED)
def test_up_to_the_limit_all_is_unpacked(kind):
    unpack, packed = PACKED[kind]
    assert unpack(packed, len(ZEROS)) == ZEROS
    assert unpack(memoryview(packed)) == ZEROS


@pytest.mark.parametrize('kind', PACKED)
def test_beyond_the_limit_it_is_refused(kind):
    unpack, packed = PACKED[kind]
    with pytest.raises(ValueError, match='unpacks to more than 2 MB'):
        unpack(packed, 2**21)


@pytest.mark.parametrize('kind', PACKED)
def test_a_stream_that_ends_early_gives_what_it_has(kind):
    unpack, packed = PACKED[kind]
    found = unpack(packed[: len(packed) // 2])
    assert ZEROS.startswith(found)


def test_a_file_is_not_unpacked_onto_a_full_disk(tmp_path, monkeypatch):
    usage = namedtuple('usage', 'total used free')(10**9, 10**9, unpacking.FREE_DISK_BYTES + 10**5)
    monkeypatch.setattr(unpacking.shutil, 'disk_usage', lambda folder: usage)
    unpacked = io.BytesIO()
    with pytest.raises(OutputError, match='would fill the disk'):
        unpack_file(io.BytesIO(PACKED['zstd'][1]), unpacked, tmp_path)
    assert unpacked.getvalue() == b''


def record(opcode, content, length=None):
    return struct.pack('<BQ', opcode, len(content) if length is None else length) + content


def text(value):
    return struct.pack('<I', len(value)) + value


CHANNEL = struct.pack('<HH', 1, 0) + text(b'/x') + text(b'cdr') + struct.pack('<I', 0)


def chunk(content, claimed, kind=b'zstd', claimed_length=None):
    length = len(content) if claimed_length is None else claimed_length
    start = struct.pack('<QQQI', 0, 1, claimed, 0) + text(kind)
    return record(6, start + struct.pack('<Q', length) + content)


HUGE = {
    'a chunk that unpacks to too much': chunk(PACKED['zstd'][1], len(ZEROS)),
    'a chunk that claims terabytes': chunk(PACKED['zstd'][1][:20], 2**45),
    'a chunk with data of terabytes': chunk(b'abc', 10, claimed_length=2**45),
    'a record of exabytes': record(6, b'abc', 2**60),
    'a message of exabytes': record(5, b'abc', 2**60),
    'an attachment of exabytes': record(9, b'abc', 2**62),
}


@pytest.mark.parametrize('kind', HUGE)
@pytest.mark.parametrize('closed', [True, False])
def test_a_bag_that_claims_terabytes_is_read_as_far_as_it_goes(
    kind, closed, tmp_path, monkeypatch
):
    monkeypatch.setitem(mcap.DECOMPRESSORS, 'zstd', lambda data: unpack_zstd(data, 2**20))
    head = mcap.MAGIC + record(1, text(b'ros2') + text(b'test')) + record(4, CHANNEL)
    end = record(2, struct.pack('<QQI', 0, 0, 0)) + mcap.MAGIC if closed else b''
    path = tmp_path / 'x.mcap'
    path.write_bytes(head + HUGE[kind] + end)
    with open_bag(path) as bag:
        assert list(bag.messages(['/x'])) == []
        assert bag.truncated
