# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network file on a GPU, as far as stand-ins can show it: never on another device unsaid."""

import types

import numpy as np
import onnxruntime
import pytest
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.backends import file_backend
from mfaranet_ros.backends.cache import cache_folder
from mfaranet_ros.backends.file_facts import read_facts
from mfaranet_ros.backends.file_fit import fit
from mfaranet_ros.backends.onnx_session import CPU, CUDA, TENSORRT, Session
from mfaranet_ros.backends.protocol import PlainDevice
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification import NetworkFile, Specification

GPU = PlainDevice('cuda', 0)
CONFIG = RuntimeConfig(backend='onnx', device='cuda:0')


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(file_backend, 'plain_device', lambda device: GPU)
    monkeypatch.setattr(file_backend, 'name_device', lambda device: 'cuda:0 (Test GPU)')
    path = tiny_network(tmp_path / 'net.onnx', classes=19)
    specification = Specification('net', get_label_set('cityscapes'))
    return NetworkFile(path, fit(specification, read_facts(path), path), 'a' * 64)


def runtime_with(monkeypatch, *providers):
    runtime = types.SimpleNamespace(get_available_providers=lambda: list(providers))
    monkeypatch.setattr(file_backend, 'import_onnxruntime', lambda: runtime)


@pytest.mark.parametrize('provider', [TENSORRT, CUDA])
def test_the_engines_of_a_file_are_cached_by_its_hash(file, monkeypatch, provider):
    runtime_with(monkeypatch, TENSORRT, CUDA, CPU)
    opened = []

    def open_session(path, device, **options):
        opened.append((path, device, options))
        plain = onnxruntime.InferenceSession(str(path), providers=[CPU])
        return Session(plain, provider, f'onnxruntime 1.27.0, {provider}')

    monkeypatch.setattr(file_backend, 'open_session', open_session)
    backend = file_backend.OnnxFileBackend(CONFIG, file)
    ((path, device, options),) = opened
    assert (path, device) == (file.path, GPU)
    assert options['engines'] == cache_folder('engines') / ('a' * 32)
    given = np.random.default_rng(0).random((2, 3, 48, 64), np.float32)
    (scores,) = backend(given).arrays
    assert scores.shape == (2, 19, 48, 64)
    said = backend.describe()
    assert (said.device, said.precision) == ('cuda:0 (Test GPU)', 'float32')
    assert provider in said.detail


def test_a_runtime_without_a_gpu_is_refused(file, monkeypatch):
    runtime_with(monkeypatch, CPU)
    with pytest.raises(ConfigError, match=r'cuda:0.* pip install onnxruntime-gpu') as caught:
        file_backend.OnnxFileBackend(CONFIG, file)
    assert '\n' not in str(caught.value)


def test_a_gpu_does_not_change_the_precision_of_a_file(file, monkeypatch):
    runtime_with(monkeypatch, TENSORRT, CUDA, CPU)
    config = RuntimeConfig(backend='onnx', device='cuda:0', precision='float16')
    with pytest.raises(ConfigError, match=r"'float16', but .* is in float32: set it to auto"):
        file_backend.OnnxFileBackend(config, file)
