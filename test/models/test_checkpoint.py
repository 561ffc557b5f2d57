# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints as other people's training writes them: read, or refused with the true reason."""

from __future__ import annotations

import argparse
import io
import logging
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.models import create_model, load_weights, read_weights

STATE = {'a.weight': torch.arange(3.0), 'a.num_batches_tracked': torch.tensor(7)}
OTHER = {name: value + 1 for name, value in STATE.items()}
OPTIMIZER = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1).state_dict()
NETWORK = torch.nn.Sequential(torch.nn.Linear(2, 2))


def prefixed(prefix, state=None):
    return {f'{prefix}{name}': value for name, value in (state or STATE).items()}


def averaged():
    """Return what torch.optim.swa_utils.AveragedModel saves."""
    return {'n_averaged': torch.tensor(5), **prefixed('module.')}


READ = {
    'state_dict': {'state_dict': STATE},
    'model_state_dict': {'model_state_dict': STATE, 'optimizer_state_dict': OPTIMIZER},
    'model': {'model': STATE, 'optimizer': OPTIMIZER, 'epoch': 3},
    'a name of its own': {'net_g': STATE, 'epoch': 3, 'best': [0.5, None, 'x', True]},
    'two levels': {'model': {'state_dict': STATE}},
    'a name instead of a network': {'model': 'mfaranet_resnet18', 'state_dict': STATE},
    'module': prefixed('module.'),
    'model prefix': prefixed('model.'),
    'net prefix': prefixed('net.'),
    'compiled': prefixed('_orig_mod.'),
    'compiled, data-parallel, Lightning': {'state_dict': prefixed('model.module._orig_mod.')},
    'averaged model': averaged(),
    'EMA alone': {'ema_state_dict': STATE},
    'EMA beside the last step': {'state_dict': OTHER, 'state_dict_ema': STATE},
    'EMA beside the model': {'model': OTHER, 'model_ema': prefixed('module.')},
    'EMA by prefix': {**prefixed('model.', OTHER), **prefixed('ema_model.')},
    'arguments and numpy numbers': {
        'state_dict': STATE,
        'args': argparse.Namespace(lr=0.1, sizes=[1, 2]),
        'best': np.float64(0.5),
        'step': np.int64(3),
        'loss': np.float32(0.1),
        'done': np.bool_(True),
    },
}


@pytest.mark.parametrize('new', [True, False], ids=['zip', 'legacy'])
@pytest.mark.parametrize('kind', READ)
def test_checkpoints_of_others_are_read(kind, new, tmp_path):
    path = tmp_path / 'x.pth'
    torch.save(READ[kind], path, _use_new_zipfile_serialization=new)
    state = read_weights(path).state
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[name], STATE[name]) for name in STATE)


def test_an_inner_module_may_be_compiled(tmp_path):
    torch.save({'layer1._orig_mod.0.weight': torch.ones(1)}, tmp_path / 'x.pth')
    assert list(read_weights(tmp_path / 'x.pth').state) == ['layer1.0.weight']


def test_the_log_says_that_averaged_weights_were_taken(tmp_path, caplog):
    torch.save(READ['EMA beside the last step'], tmp_path / 'x.pth')
    with caplog.at_level(logging.INFO, 'mfaranet_ros'):
        read_weights(tmp_path / 'x.pth')
    assert "the averaged weights 'state_dict_ema' are used, not 'state_dict'" in caplog.text


def script(path):
    torch.jit.script(NETWORK).save(str(path))


def numpy_archive(path):
    with path.open('wb') as file:
        np.savez(file, weight=np.zeros(3))


def bomb(path):
    """Write a checkpoint whose tensor is compressed a thousandfold."""
    plain = io.BytesIO()
    torch.save({'a': torch.zeros(4_000_000)}, plain)
    with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, 'w') as target:
        for member in source.infolist():
            target.writestr(member.filename, source.read(member), zipfile.ZIP_DEFLATED)


def saved(value):
    return lambda path: torch.save(value, path)


REFUSED = {
    'TorchScript': (script, 'is a TorchScript program, which holds code: save its weights'),
    'a pickled network': (saved(NETWORK), "'torch.nn.modules.container.Sequential', which could"),
    'a pickled network inside': (saved({'model': NETWORK}), 'torch.save(network.state_dict(), F'),
    'a path': (saved({'state_dict': STATE, 'p': pathlib.Path('x')}), "Path', which could run"),
    'an optimizer': (saved(OPTIMIZER), 'holds the state of an optimizer, not of a network'),
    'an optimizer beside a number': (
        saved({'optimizer': OPTIMIZER, 'epoch': 3}),
        "'optimizer' is dict, not a tensor",
    ),
    'two networks': (
        saved({'generator': STATE, 'critic': STATE}),
        'holds 2 networks (generator, critic): give a file that holds one',
    ),
    'both names': (saved({**STATE, **prefixed('_orig_mod.')}), 'with and without the prefix'),
    'an array': (numpy_archive, 'a zip archive but no torch checkpoint (it holds weight.npy)'),
    'ONNX': (lambda path: path.write_bytes(b'\x08\x0a\x12\x07pytorch'), 'may be an ONNX file'),
    'a bomb': (bomb, 'unpack to 16'),
}


@pytest.mark.filterwarnings('ignore:.torch.jit')
@pytest.mark.parametrize('kind', REFUSED)
def test_what_cannot_be_read_is_refused_with_the_reason(kind, tmp_path):
    write, expected = REFUSED[kind]
    path = tmp_path / 'x.pth'
    write(path)
    with pytest.raises(WeightsError) as caught:
        read_weights(path)
    assert expected in str(caught.value)
    assert '\n' not in str(caught.value)
    assert len(str(caught.value)) < 400


class Object:
    """A numpy scalar of objects, whose reader would unpickle what it holds."""

    def __reduce__(self):
        make = np.float64(0).__reduce__()[0]
        return make, (np.dtype('O'), pickle.dumps(print))


def test_numpy_numbers_open_no_door_to_objects(tmp_path):
    torch.save({'state_dict': STATE, 'x': Object()}, tmp_path / 'x.pth')
    with pytest.raises(WeightsError):
        read_weights(tmp_path / 'x.pth')


def test_safetensors_of_another_network_are_named_by_what_they_hold(tmp_path):
    path = tmp_path / 'segformer.safetensors'
    foreign = {'segformer.encoder.patch_embeddings.0.proj.weight': torch.zeros(32, 3, 7, 7)}
    safetensors.torch.save_file(foreign, path)
    with pytest.raises(WeightsError, match=r'missing .*1 unexpected \(segformer\.encoder'):
        load_weights(create_model('mfaranet_resnet18', classes=11), path)
