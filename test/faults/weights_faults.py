# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Weights files that are missing, broken or of something else."""

import json

import safetensors.torch
import torch

from faults.catalogue import covered, fault, refused
from mfaranet_ros.core.config import ModelConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError, WeightsError
from mfaranet_ros.models import create_model, load_weights
from mfaranet_ros.models.weights_file import read_weights

TENSORS = {'a.weight': torch.ones(2, 3)}


def _file(header, data=b''):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, 'little') + text + data


def _with_facts(kit, **facts):
    return kit.write('x.safetensors', safetensors.torch.save(TENSORS, facts))


@fault('weights', 'the file does not exist', 'refused with its path')
def weights_missing(kit):
    refused(WeightsError, 'does not exist', read_weights, kit.path / 'none.safetensors')


@fault('weights', 'a folder is given', 'refused: give a .safetensors or .pth')
def weights_folder(kit):
    refused(WeightsError, 'is not a file', read_weights, kit.path)


@fault('weights', 'the file is empty', 'refused: copy or download it again')
def weights_empty(kit):
    refused(WeightsError, 'is empty', read_weights, kit.write('x.pth', b''))


@fault('weights', 'a web page was saved instead of the file', 'refused with how it begins')
def weights_web_page(kit):
    path = kit.write('x.pth', '<!DOCTYPE html><html>')
    refused(WeightsError, '<!DOCTYPE', read_weights, path)


@fault('weights', 'a safetensors file ends early', 'refused: truncated or broken')
def weights_cut(kit):
    data = safetensors.torch.save(TENSORS)
    refused(WeightsError, 'truncated', read_weights, kit.write('x.safetensors', data[:-1]))


@fault('weights', 'the header is said to be longer than the file', 'refused, nothing is allocated')
def weights_header_too_long(kit):
    data = (10**7).to_bytes(8, 'little') + b'{"a":'
    refused(WeightsError, 'truncated', read_weights, kit.write('x.safetensors', data))


@fault('weights', 'offsets in the header overlap or leave the file', 'refused')
def weights_bad_offsets(kit):
    entry = {'dtype': 'F32', 'shape': [2], 'data_offsets': [4, 12]}
    data = _file({'a': entry, 'b': entry}, bytes(8))
    refused(WeightsError, 'broken', read_weights, kit.write('x.safetensors', data))


@fault('weights', 'the header nests brackets without an end', 'refused in one line')
def weights_deep_header(kit):
    data = _file(b'{"a":' + b'[' * 50_000)
    refused(WeightsError, 'broken', read_weights, kit.write('x.safetensors', data))


@fault('weights', 'the metadata are null', 'read as a file without metadata')
def weights_null_metadata(kit):
    entry = {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}
    data = _file({'__metadata__': None, 'a': entry}, bytes(8))
    assert read_weights(kit.write('x.safetensors', data)).model is None


@fault('weights', 'one bit of a sealed file has changed', 'refused: the sha256 differs')
def weights_bit_flip(kit):
    path = _with_facts(kit, sha256='0' * 64)
    refused(WeightsError, 'sha256', read_weights, path)


@fault('weights', 'classes = many in the metadata', 'refused with key and value')
def weights_classes_no_number(kit):
    refused(WeightsError, "classes = 'many'", read_weights, _with_facts(kit, classes='many'))


@fault('weights', 'a mean of two numbers', 'refused with key and value')
def weights_short_mean(kit):
    refused(WeightsError, "mean = '0.1,0.2'", read_weights, _with_facts(kit, mean='0.1,0.2'))


@fault('weights', 'a temperature below zero or not finite', 'refused with key and value')
def weights_bad_temperature(kit):
    for value in ('-1', '0', 'nan', 'inf'):
        refused(WeightsError, 'temperature', read_weights, _with_facts(kit, temperature=value))


@fault('weights', 'the file is of another network', 'refused: names what does not fit')
def weights_of_another_network(kit):
    model = create_model('eseg_lite_s', classes=2)
    refused(WeightsError, 'x.safetensors', load_weights, model, _with_facts(kit))


@fault('weights', 'a tensor holds NaN', 'refused before a frame is processed')
def weights_with_nan(kit):
    model = create_model('eseg_lite_s', classes=2)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    next(iter(state.values())).fill_(float('nan'))
    path = kit.write('x.safetensors', safetensors.torch.save(state))
    refused(WeightsError, 'finite', load_weights, model, path)


@fault('weights', 'model.name is misspelled', 'refused: did you mean ...')
def weights_model_misspelled(kit):
    refused(
        ConfigError, "did you mean 'eseg_lite_s'", lambda: create_model('eseg_lites', classes=2)
    )


@fault('weights', 'a label set that does not exist', 'refused with those there are')
def weights_unknown_labels(kit):
    from mfaranet_ros.backends.network import load_network

    config = ModelConfig(name='mfaranet_resnet18', labels='mapilary')
    refused(MfaranetError, 'mapilary', load_network, config)


covered(
    'weights', 'weights_run_code', 'a pickled file holds a call', 'refused by name, nothing runs',
    'test/models/test_weights_file.py::test_hostile_files_are_refused_and_not_run',
)  # fmt: skip
covered(
    'weights', 'weights_unreadable', 'no permission to read the file', 'refused with the reason',
    'test/models/test_weights_file.py::test_a_file_that_may_not_be_read',
)  # fmt: skip
covered(
    'weights', 'weights_other_classes', 'another number of classes', 'refused with both numbers',
    'test/models/test_weights.py::test_another_number_of_classes_is_said_so',
)  # fmt: skip
covered(
    'weights', 'weights_while_running', 'a live change needs weights that do not fit',
    'the running network stays, the parameter is set back',
    'test/ros/test_adaptive_pipeline.py::test_what_cannot_be_built_changes_nothing_and_the_parameter_says_so',
)  # fmt: skip
