# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files of a run: whole or not at all, and nothing in a checkpoint is ever run."""

import errno
import os
import pickle

import pytest
import torch

from mfaranet_ros.core.errors import OutputError, WeightsError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.training.files import load_checkpoint, save_checkpoint


@pytest.fixture
def full_disk(monkeypatch):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', fail)


def test_file_is_replaced(tmp_path):
    for data in (b'first', b'second'):
        write_file(tmp_path / 'file', data)
        assert (tmp_path / 'file').read_bytes() == data
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_full_disk_leaves_the_earlier_file(tmp_path, full_disk):
    (tmp_path / 'file').write_bytes(b'earlier')
    with pytest.raises(OutputError, match=r'file: No space left on device'):
        write_file(tmp_path / 'file', b'later')
    assert (tmp_path / 'file').read_bytes() == b'earlier'
    assert [path.name for path in tmp_path.iterdir()] == ['file']


def test_folder_that_is_gone(tmp_path):
    with pytest.raises(OutputError, match='No such file'):
        write_file(tmp_path / 'gone' / 'file', b'')


def test_checkpoint_comes_back(tmp_path):
    state = {'tensor': torch.arange(3), 'numbers': {'a': 1.5, 'b': None}, 'texts': ['x']}
    save_checkpoint(tmp_path / 'c', state)
    loaded = load_checkpoint(tmp_path / 'c')
    assert torch.equal(loaded['tensor'], state['tensor'])
    assert loaded['numbers'] == state['numbers']
    assert loaded['texts'] == state['texts']


class Hostile:
    def __reduce__(self):
        return os.mkdir, ('ran',)


def test_checkpoint_that_would_run_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({'format': 1, 'state': Hostile()}, tmp_path / 'c')
    with pytest.raises(WeightsError, match='damaged or no checkpoint'):
        load_checkpoint(tmp_path / 'c')
    assert not (tmp_path / 'ran').exists()


@pytest.mark.parametrize(
    'data', [b'', b'text', pickle.dumps({'format': 1})], ids=['empty', 'text', 'pickle']
)
def test_what_is_no_checkpoint(tmp_path, data):
    (tmp_path / 'c').write_bytes(data)
    with pytest.raises(WeightsError, match='checkpoint'):
        load_checkpoint(tmp_path / 'c')


def test_half_a_checkpoint(tmp_path):
    save_checkpoint(tmp_path / 'c', {'tensor': torch.zeros(1000)})
    data = (tmp_path / 'c').read_bytes()
    (tmp_path / 'c').write_bytes(data[: len(data) // 2])
    with pytest.raises(WeightsError, match='damaged'):
        load_checkpoint(tmp_path / 'c')


def test_checkpoint_of_another_version(tmp_path):
    torch.save({'state_dict': {}}, tmp_path / 'c')
    with pytest.raises(WeightsError, match='of this version'):
        load_checkpoint(tmp_path / 'c')
