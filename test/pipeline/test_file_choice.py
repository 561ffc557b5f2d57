# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`runtime.backend: auto` takes the faster of two backends for a network file, if it is right."""

import logging

import cv2
import numpy as np
import pytest

pytest.importorskip('onnx', reason='onnx is not installed')
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.backends import file_selftest
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.frame import Drivable, Result, Timings
from mfaranet_ros.pipeline import file_choice
from mfaranet_ros.pipeline.build import build_processor, prepare
from mfaranet_ros.pipeline.file_choice import choose_file_backend

pytest.importorskip('openvino', reason='OpenVINO is not installed')


class Fake:
    """A processor whose network takes as long as its backend is said to take."""

    def __init__(self, ms):
        self.ms, self.network, self.backend, self.model = ms, self, None, None

    def __call__(self, frame):
        return Result(frame, None, None, Drivable(), Timings(inference_ms=self.ms))

    def close(self):
        pass


@pytest.fixture
def config(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    path = tiny_network(tmp_path / 'net.onnx')
    assert main(['inspect', str(path)]) == 0
    values = {'model.weights': str(path), 'runtime.device': 'cpu'}
    return replace(PipelineConfig(), values)


def building(**ms):
    built = []

    def build(config):
        built.append(config.runtime.backend)
        return Fake(ms[config.runtime.backend])

    return build, built


@pytest.mark.parametrize(('openvino_ms', 'taken'), [(9.0, 'openvino'), (11.0, 'auto')])
def test_the_faster_one_is_taken_and_remembered(config, monkeypatch, caplog, openvino_ms, taken):
    monkeypatch.setattr(file_selftest, 'run_file_self_test', lambda *_: None)
    build, built = building(onnx=10.0, openvino=openvino_ms)
    with caplog.at_level(logging.INFO):
        assert choose_file_backend(config, build).runtime.backend == taken
    assert built == ['onnx', 'openvino']
    assert ('onnx, since of openvino it is 0.91 times as fast' in caplog.text) == (taken == 'auto')
    assert choose_file_backend(config, build).runtime.backend == taken
    assert len(built) == 2


def test_a_fast_one_that_is_wrong_is_left(config, monkeypatch, caplog):
    def fail(*_):
        raise InferenceError('the self-test said no')

    monkeypatch.setattr(file_selftest, 'run_file_self_test', fail)
    with caplog.at_level(logging.INFO):
        chosen = choose_file_backend(config, building(onnx=10.0, openvino=1.0)[0])
    assert chosen == config
    assert 'onnx, since of openvino the self-test said no' in caplog.text


def test_where_onnx_runtime_cannot_run_a_file_openvino_is_taken_and_it_is_said(config, caplog):
    class Failing(Fake):
        def __call__(self, frame):
            raise InferenceError('QLinearConv: no such form')

    built = []

    def build(config):
        built.append(config.runtime.backend)
        return Failing(1.0)

    for _ in range(2):  # said each time, so nothing is remembered
        assert choose_file_backend(config, build).runtime.backend == 'openvino'
    assert built == ['onnx', 'onnx']
    assert caplog.text.count('openvino, since onnx fails: QLinearConv: no such form') == 2


@pytest.mark.parametrize('name', ['onnx', 'openvino'])
def test_a_backend_that_is_named_is_taken(config, name):
    named = replace(config, {'runtime.backend': name})
    assert choose_file_backend(named, None) is named


def test_without_onnx_runtime_openvino_needs_no_trial(config, monkeypatch):
    monkeypatch.setattr(file_choice, 'find_spec', lambda name: name == 'openvino' or None)
    assert choose_file_backend(config, None).runtime.backend == 'openvino'


def test_an_ego_mask_of_the_camera_does_not_disturb_the_trial(config, tmp_path, caplog):
    mask = np.zeros((300, 300), np.uint8)
    mask[250:] = 255
    cv2.imwrite(str(tmp_path / 'own.png'), mask)
    config = replace(config, {'input.ego_mask': str(tmp_path / 'own.png')})
    with caplog.at_level(logging.INFO):
        processor = build_processor(config)
    processor.close()
    assert 'onnx fails' not in caplog.text
    assert processor.ego_mask is not None


def test_what_is_chosen_runs(config):
    processor = build_processor(config)
    try:
        facts = dict(prepare(processor))
    finally:
        processor.close()
    assert facts['backend'] in ('onnx', 'openvino')
    assert float(facts['self_test_agreement']) > 0.98
