# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO gives the network's answer at any size, and refuses in one line what it cannot run."""

import copy
import dataclasses
import sys

import pytest
import torch

from mfaranet_ros.backends import create_backend
from mfaranet_ros.core.config import PipelineConfig, RuntimeConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError, UnknownNameError
from mfaranet_ros.models import create_model
from mfaranet_ros.pipeline.build import build_processor, prepare

pytest.importorskip('openvino', reason='OpenVINO is not installed')

CLASSES = 11
PLAIN = RuntimeConfig(backend='openvino', device='cpu', precision='float32')


def sample_image(height, width, batch=1):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(batch, 3, height, width, generator=generator)
    return image.contiguous(memory_format=torch.channels_last)


@pytest.fixture(scope='module')
def toy():
    torch.manual_seed(3)

    class Toy(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
            self.head = torch.nn.Conv2d(8, CLASSES, 3, stride=2, padding=1)

        def coarse_logits(self, x):
            return self.head(self.stem(x).relu())

    return Toy().eval()


@pytest.fixture(scope='module')
def backend(toy):
    return create_backend(PLAIN, toy, classes=CLASSES)


@pytest.mark.parametrize('size', [(37, 50), (64, 33), (4, 4), (240, 320)])
def test_logits_are_those_of_the_model_at_any_size(backend, toy, size):
    with torch.inference_mode():
        expected = toy.coarse_logits(sample_image(*size))
    torch.testing.assert_close(backend(sample_image(*size)), expected, rtol=1e-4, atol=1e-5)


def test_a_batch_is_its_frames_one_by_one(backend):
    batch = sample_image(32, 48, batch=3)
    one_by_one = torch.cat([backend(image[None]) for image in batch])
    assert torch.equal(backend(batch), one_by_one)


def test_logits_belong_to_the_caller(backend):
    first = backend(sample_image(32, 48))
    kept = first.clone()
    backend(-sample_image(32, 48))
    assert torch.equal(first, kept)


def test_sampling_is_that_of_the_model(lively):
    """MFARANet warps features, which is GridSample in the graph."""
    torch.manual_seed(1)
    model = lively(create_model('mfaranet_resnet18', classes=CLASSES))
    backend = create_backend(PLAIN, model, classes=CLASSES)
    with torch.inference_mode():
        expected = model.coarse_logits(sample_image(96, 160))
    found = backend(sample_image(96, 160))
    assert (found - expected).abs().max() < 1e-3 * expected.abs().max()


def test_the_shipped_network_runs_in_the_pipeline():
    config = replace(
        PipelineConfig(),
        {
            'model.name': 'eseg_lite_s',
            'runtime.backend': 'openvino',
            'runtime.precision': 'float32',
        },
    )
    processor = build_processor(config)
    facts = dict(prepare(processor))
    processor.close()
    assert facts['backend'] == 'openvino'
    assert float(facts['self_test_agreement']) > 0.999


def test_a_closed_backend_refuses(toy):
    backend = create_backend(PLAIN, toy, classes=CLASSES)
    backend.close()
    backend.close()
    with pytest.raises(InferenceError, match='closed'):
        backend(sample_image(32, 48))


def test_logits_that_are_not_finite_are_refused(toy):
    broken = copy.deepcopy(toy)
    broken.head.bias.data[3] = float('inf')
    backend = create_backend(PLAIN, broken, classes=CLASSES)
    with pytest.raises(InferenceError, match='not finite'):
        backend(sample_image(32, 48))


@pytest.mark.parametrize(
    ('values', 'error', 'said'),
    [
        ({'device': 'tpu'}, UnknownNameError, 'choose from auto, cpu, intel_gpu, npu'),
        ({'device': 'npu'}, ConfigError, 'OpenVINO finds CPU only'),
        ({'precision': 'float16'}, ConfigError, "'openvino' computes in"),
    ],
)
def test_what_this_machine_lacks_is_refused(toy, values, error, said):
    config = dataclasses.replace(PLAIN, **values)
    with pytest.raises(error, match=said):
        create_backend(config, toy, classes=CLASSES)


def test_a_missing_package_is_named_with_its_install_line(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, 'openvino', None)
    monkeypatch.setattr('mfaranet_ros.backends.openvino_runtime.find_spec', lambda name: None)
    with pytest.raises(ConfigError, match='pip install openvino'):
        create_backend(PLAIN, toy, classes=CLASSES)
