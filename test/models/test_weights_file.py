# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files that are no weights, or hostile: each gets one clear line, and nothing of it is run."""

from __future__ import annotations

import errno
import os
import pathlib
import pickle
import zipfile

import pytest
import safetensors.torch
import torch

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.models import read_weights

STATE = {'a.weight': torch.arange(4000.0), 'b.bias': torch.ones(3)}


def refused(path) -> str:
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    message = str(caught.value)
    assert str(path) in message
    assert '\n' not in message
    assert len(message) < 400
    return message


class Payload:
    """Writes a file when it is unpickled by a reader that trusts it."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f'touch {self.marker}',)


class Evaluated(Payload):
    def __reduce__(self):
        return eval, (f'open({str(self.marker)!r}, "w").close()',)


HOSTILE = {
    'in a checkpoint': lambda payload, path: torch.save({'state_dict': {'a': payload}}, path),
    'beside the state': lambda payload, path: torch.save(
        {'state_dict': STATE, 'x': payload}, path
    ),
    'in an old checkpoint': lambda payload, path: torch.save(
        {'state_dict': STATE, 'x': payload}, path, _use_new_zipfile_serialization=False
    ),
    'as a pickle': lambda payload, path: path.write_bytes(pickle.dumps(payload)),
    'as the oldest pickle': lambda payload, path: path.write_bytes(pickle.dumps(payload, 0)),
}


@pytest.mark.parametrize('name', ['x.pth', 'x.safetensors'])
@pytest.mark.parametrize('kind', [Payload, Evaluated])
@pytest.mark.parametrize('way', HOSTILE)
def test_hostile_files_are_refused_and_not_run(way, kind, name, tmp_path):
    marker, path = tmp_path / 'was_run', tmp_path / name
    HOSTILE[way](kind(marker), path)
    message = refused(path)
    assert not marker.exists()
    if way in ('in a checkpoint', 'beside the state'):
        assert 'could run code' in message
        assert ('system' if kind is Payload else 'eval') in message


def test_the_payload_would_run_in_a_reader_that_trusts(tmp_path):
    pickle.loads(pickle.dumps(Evaluated(tmp_path / 'was_run')))
    assert (tmp_path / 'was_run').exists()


def test_a_whole_pickled_network_is_refused(tmp_path):
    path = tmp_path / 'network.pth'
    torch.save(torch.nn.Linear(2, 2), path)
    assert 'torch.nn.modules.linear.Linear' in refused(path)


WRITERS = {'pth': torch.save, 'safetensors': safetensors.torch.save_file}


@pytest.mark.parametrize('keep', [1, 7, 9, 60, 0.5, -1])
@pytest.mark.parametrize('kind', WRITERS)
def test_truncated_files(kind, keep, tmp_path):
    path = tmp_path / f'x.{kind}'
    WRITERS[kind](STATE, path)
    data = path.read_bytes()
    path.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    refused(path)


def broken_archive(path):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('x/data.pkl', b'')


OTHERS = {
    'empty': (lambda path: path.touch(), 'is empty'),
    'missing': (lambda path: None, 'does not exist'),
    'folder': (lambda path: path.mkdir(), 'is not a file'),
    'web page': (lambda path: path.write_text('<!DOCTYPE html>\n<p>'), "'<!DOCTYPE html>'"),
    'pointer': (lambda path: path.write_text('version https'), "begins with 'version https'"),
    'zip': (broken_archive, 'not a weights file'),
    'list': (lambda path: torch.save([1, 2], path), 'holds no state_dict but list'),
    'tensor': (lambda path: torch.save(torch.zeros(3), path), 'holds no state_dict but Tensor'),
    'nothing': (lambda path: torch.save({}, path), 'holds no state_dict but an empty dict'),
    'empty state': (lambda path: torch.save({'state_dict': {}}, path), 'an empty dict'),
    'numbers': (lambda path: torch.save({'a': 1}, path), "'a' is int"),
    'no names': (lambda path: torch.save({1: torch.zeros(1)}, path), '1 is Tensor'),
    'sparse': (
        lambda path: torch.save({'a': torch.eye(3).to_sparse()}, path),
        "'a' is",
    ),
    'without values': (
        lambda path: torch.save({'a': torch.zeros(3, device='meta')}, path),
        "'a' is",
    ),
}


@pytest.mark.parametrize('kind', OTHERS)
def test_files_that_are_no_weights(kind, tmp_path):
    write, expected = OTHERS[kind]
    path = tmp_path / 'x.pth'
    write(path)
    assert expected in refused(path)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def denied(_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = tmp_path / 'x.pth'
    torch.save(STATE, path)
    monkeypatch.setattr(pathlib.Path, 'read_bytes', denied)
    assert 'Permission denied' in refused(path)


@pytest.mark.parametrize(
    'metadata',
    [{'classes': 'eleven'}, {'mean': '0.5,0.5'}, {'std': '0.5;0.5;0.5'}, {'scales': '1,,2'}],
    ids=str,
)
def test_metadata_that_says_nothing(metadata, tmp_path):
    path = tmp_path / 'x.safetensors'
    safetensors.torch.save_file(STATE, path, metadata)
    (key, value) = next(iter(metadata.items()))
    assert f'{key} = {value!r}' in refused(path)


def test_a_prefix_is_taken_off(tmp_path):
    for name, write in WRITERS.items():
        path = tmp_path / f'x.{name}'
        write({f'module.{key}': value for key, value in STATE.items()}, path)
        found = read_weights(path)
        assert found.state.keys() == STATE.keys()
        assert all(torch.equal(found.state[key], value) for key, value in STATE.items())
