# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""INT8 files are chosen by name, held to their weights, and taken by auto only where they pay."""

import dataclasses
import hashlib
import logging

import pytest

from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError, WeightsError
from mfaranet_ros.core.frame import Drivable, Result, Timings
from mfaranet_ros.core.labels import CAMVID
from mfaranet_ros.core.specification import ExportFacts, Specification
from mfaranet_ros.core.specification_file import dump_specification
from mfaranet_ros.pipeline import int8
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.pipeline.int8 import choose_precision, int8_path

pytest.importorskip('openvino', reason='OpenVINO is not installed')

NAME = 'mfaranet_resnet18'


class Fake:
    """A processor of a given speed."""

    def __init__(self, config, ms):
        self.config, self.ms, self.network, self.backend = config, ms, self, None
        self.model = None

    def __call__(self, frame):
        return Result(frame, None, None, Drivable(), Timings(inference_ms=self.ms))

    def close(self):
        pass


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights with their INT8 file, whose contents do not matter here."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(int8, 'cpu_flags', lambda: frozenset({'avx512_vnni'}))
    path = tmp_path / f'{NAME}_toy.safetensors'
    path.write_bytes(b'weights')
    write_int8(path)
    return path


def write_int8(path, precision='int8', made_of=b'weights'):
    file = int8_path(path)
    file.write_bytes(b'int8')
    digest = hashlib.sha256(made_of).hexdigest()
    facts = ExportFacts(NAME, (1, 2, 3, 4), precision, 'logits', 18, path.name, digest)
    sha256 = hashlib.sha256(b'int8').hexdigest()
    specification = Specification(NAME, CAMVID, sha256=sha256, export=facts)
    file.with_suffix('.yaml').write_text(dump_specification(specification, file=file.name))
    return file


def config_of(path, **settings):
    values = {name.replace('_', '.', 1): value for name, value in settings.items()}
    return replace(PipelineConfig(), {'model.weights': str(path), **values})


def building(gain, self_test=None):
    built = []

    def build(config):
        fast = config.runtime.precision == 'int8'
        built.append(config)
        return Fake(config, 10.0 if fast else 10.0 * gain)

    return build, built


@pytest.fixture
def passing(monkeypatch):
    from mfaranet_ros.backends import file_selftest

    monkeypatch.setattr(file_selftest, 'run_file_self_test', lambda *_: None)


def test_int8_is_taken_where_it_is_asked_for(weights):
    chosen = choose_precision(config_of(weights, runtime_precision='int8'), None)
    assert chosen.model.weights == str(int8_path(weights))
    assert (chosen.runtime.backend, chosen.runtime.precision) == ('openvino', 'int8')
    onnx = config_of(weights, runtime_precision='int8', runtime_backend='onnx')
    assert choose_precision(onnx, None).runtime.backend == 'onnx'


@pytest.mark.parametrize(('gain', 'taken'), [(1.4, True), (1.2, False)])
def test_auto_takes_it_where_it_gains_enough_and_remembers(weights, passing, caplog, gain, taken):
    build, built = building(gain)
    with caplog.at_level(logging.INFO):
        chosen = choose_precision(config_of(weights), build)
    assert (chosen.runtime.precision == 'int8') is taken
    expected = 'int8, by' if taken else f'not int8, since it is {gain:.2f} times as fast'
    assert expected in caplog.text
    assert len(built) == 2
    assert choose_precision(config_of(weights), build) == chosen
    assert len(built) == 2


def test_auto_leaves_it_where_the_self_test_fails(weights, monkeypatch, caplog):
    from mfaranet_ros.backends import file_selftest

    def fail(*_):
        raise InferenceError('the self-test said no')

    monkeypatch.setattr(file_selftest, 'run_file_self_test', fail)
    with caplog.at_level(logging.INFO):
        chosen = choose_precision(config_of(weights), building(2.0)[0])
    assert chosen.runtime.precision == 'auto'
    assert 'not int8, since the self-test said no' in caplog.text


@pytest.mark.parametrize(
    ('settings', 'why'),
    [
        ({'runtime_device': 'intel_gpu', 'runtime_backend': 'openvino'}, 'the device is'),
        ({'model_scales': (2,)}, 'has scales'),
    ],
)
def test_auto_says_why_it_does_not_even_measure(weights, caplog, settings, why):
    config = config_of(weights, **settings)
    with caplog.at_level(logging.INFO):
        assert choose_precision(config, None) == config
    assert why in caplog.text


def test_a_cpu_without_int8_arithmetic_keeps_the_weights(weights, monkeypatch, caplog):
    monkeypatch.setattr(int8, 'cpu_flags', lambda: frozenset({'avx2'}))
    with caplog.at_level(logging.INFO):
        assert choose_precision(config_of(weights), None) == config_of(weights)
    assert 'this CPU does not multiply in it' in caplog.text


def test_other_precisions_and_backends_are_left_alone(weights):
    for settings in ({'runtime_precision': 'float32'}, {'runtime_backend': 'torch'}):
        config = config_of(weights, **settings)
        assert choose_precision(config, None) == config


def test_a_file_of_other_weights_is_refused(weights):
    weights.write_bytes(b'other weights')
    for precision in ('int8', 'auto'):
        with pytest.raises(WeightsError, match='was made of other weights than mfaranet_resn'):
            choose_precision(config_of(weights, runtime_precision=precision), None)


def test_a_file_of_another_precision_is_refused(weights):
    write_int8(weights, precision='float16')
    with pytest.raises(WeightsError, match='is no INT8 file of `mfaranet quantise`'):
        choose_precision(config_of(weights), None)


def test_a_damaged_file_is_refused(weights):
    int8_path(weights).write_bytes(b'damaged')
    with pytest.raises(WeightsError, match='damaged'):
        choose_precision(config_of(weights), None)


def test_a_missing_file_is_refused_where_it_is_asked_for(weights):
    int8_path(weights).unlink()
    assert choose_precision(config_of(weights), None) == config_of(weights)
    with pytest.raises(ConfigError, match=r'no mfaranet_resnet18_toy_int8.onnx beside.*quantise'):
        choose_precision(config_of(weights, runtime_precision='int8'), None)


def test_int8_on_a_backend_without_it_is_refused(weights):
    config = config_of(weights, runtime_precision='int8', runtime_backend='torch')
    with pytest.raises(ConfigError, match="the backend 'torch' does not compute in it"):
        build_processor(config)


def test_a_vehicle_may_have_the_int8_file_alone(weights, monkeypatch):
    monkeypatch.setattr(int8, '_SHIPPED', weights.parent)
    weights.unlink()
    config = replace(PipelineConfig(), {'runtime.precision': 'int8'})
    assert choose_precision(config, None).model.weights == str(int8_path(weights))


def test_the_frame_that_is_timed_is_the_stored_one():
    assert stored_frame().size == (360, 480)
    assert dataclasses.is_dataclass(stored_frame())


def test_without_torch_auto_takes_what_can_run(weights, monkeypatch):
    monkeypatch.setattr(int8, 'find_spec', lambda name: None if name == 'torch' else True)
    chosen = choose_precision(config_of(weights), building(gain=1.0))
    assert chosen.model.weights == str(int8_path(weights))
    assert chosen.runtime.precision == 'int8'
