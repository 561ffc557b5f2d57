# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The self-test lets right backends pass and names what is wrong with broken ones."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from mfaranet_ros.backends import MockBackend, TorchBackend, device
from mfaranet_ros.backends.selftest import run_self_test
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.models import create_model, load_weights
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess

CLASSES = 5
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WEIGHTS = Path(__file__).parents[3] / 'shared/weights/mfaranet_resnet18_camvid_first.safetensors'


class Toy(nn.Module):
    """Tells pixels apart by colour and neighbourhood, as a real network does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, stride=2, padding=1)
        self.head = nn.Conv2d(12, CLASSES, 5, stride=2, padding=2)

    def coarse_logits(self, x):
        return self.head(self.stem(x).relu())


@pytest.fixture
def toy() -> Toy:
    torch.manual_seed(2)
    return Toy().eval()


def backend_for(model, precision='float32') -> TorchBackend:
    return TorchBackend(RuntimeConfig(device='cpu', precision=precision), model)


def preprocess_for(backend, input_size=(0, 0)) -> Preprocess:
    return Preprocess(MEAN, STD, input_size, backend.device, backend.dtype)


class Wrapped:
    """A backend with a fault: `before` changes its input, `after` its logits."""

    def __init__(self, backend, before=None, after=None) -> None:
        self.backend = backend
        self.name, self.device, self.dtype = backend.name, backend.device, backend.dtype
        self.describe, self.close = backend.describe, backend.close
        self.before = before or (lambda x: x)
        self.after = after or (lambda logits: logits)

    def __call__(self, tensor):
        with torch.inference_mode():
            return self.after(self.backend(self.before(tensor.clone())).clone())


@pytest.mark.parametrize('input_size', [(0, 0), (90, 0), (128, 256), (97, 131)])
def test_float32_agrees_on_every_size(toy, input_size):
    backend = backend_for(toy)
    result = run_self_test(
        backend, toy, preprocess_for(backend, input_size), postprocess, classes=CLASSES
    )
    resized = input_size != (0, 0)  # which the pipeline does in whole grey levels
    assert result.agreement > (0.99 if resized else 0.9999)
    assert result.clearly_wrong == 0
    assert result.warm_up_ms > 0
    assert result.run_ms > 0


def test_bfloat16_agrees(toy):
    backend = backend_for(toy, 'bfloat16')
    result = run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)
    assert 0.98 < result.agreement <= 1
    assert result.clearly_wrong == 0


def swapped_colours(x):
    return x.flip(1)


def shifted(logits):
    return logits.roll(1, dims=3)


def nearest(logits):
    small = logits[..., ::2, ::2]
    return F.interpolate(small, logits.shape[2:], mode='nearest')


def corners_not_aligned(logits):
    size = 360, 480
    full = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    return F.interpolate(full, logits.shape[2:], mode='bilinear', align_corners=True)


def one_class_up(logits):
    logits[:, 2] += 0.5 * logits.std()
    return logits


@pytest.mark.parametrize(
    'fault',
    [
        {'before': swapped_colours},
        {'before': lambda x: x * 0.5},
        {'after': shifted},
        {'after': nearest},
        {'after': corners_not_aligned},
        {'after': one_class_up},
        {'after': torch.zeros_like},
    ],
)
def test_a_wrong_answer_is_refused_in_words(toy, fault):
    backend = Wrapped(backend_for(toy), **fault)
    with pytest.raises(ConfigError, match=r"'torch' in float32 on cpu.* plain float32.*runtime"):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)


def test_too_many_labels_that_are_only_a_little_wrong_are_refused(toy):
    with torch.no_grad():  # two classes that are frequent and nearly the same
        toy.head.bias[3] += 1
        toy.head.weight[4] = toy.head.weight[3]
        toy.head.bias[4] = toy.head.bias[3] - 1e-4

    def tip(logits):
        logits[:, 4] += 2e-4
        return logits

    backend = Wrapped(backend_for(toy), after=tip)
    with pytest.raises(ConfigError, match=r'and 0\.00% are clearly wrong'):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)


def overflow(logits):
    return logits * 1e38 * 1e38


def test_overflow_is_refused_by_whoever_sees_it_first(toy):
    backend = Wrapped(backend_for(toy), after=overflow)
    with pytest.raises(ConfigError, match='not finite'):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)


def test_a_float16_network_that_overflows_is_refused(toy, monkeypatch):
    monkeypatch.setattr(device, 'cpu_flags', lambda: frozenset({'avx512_fp16'}))
    with torch.no_grad():
        toy.stem.weight.mul_(1e5)
        toy.head.weight.mul_(1e-5)
    backend = backend_for(toy, 'float16')
    with pytest.raises(InferenceError, match=r'not finite in float16.*float32'):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)


@pytest.mark.parametrize(
    ('after', 'said'),
    [
        (lambda logits: logits[:, :-1], r'shape \(1, 4, 90, 120\) instead of \(1, 5, 90, 120\)'),
        (lambda logits: logits.repeat(1, 1, 4, 4), 'shape'),
        (lambda logits: logits + 3 * torch.randn_like(logits), 'two runs .* differ'),
    ],
)
def test_shapes_and_repetition_are_checked(toy, after, said):
    backend = Wrapped(backend_for(toy), after=after)
    with pytest.raises(ConfigError, match=said):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=CLASSES)


def test_another_number_of_classes_than_the_label_set_is_refused(toy):
    backend = backend_for(toy)
    with pytest.raises(ConfigError, match=r'instead of \(1, 19,'):
        run_self_test(backend, toy, preprocess_for(backend), postprocess, classes=19)


def test_wrong_preprocessing_is_seen_too(toy):
    backend = backend_for(toy)
    preprocess = preprocess_for(backend)
    preprocess._gain = preprocess._gain * 0.5
    with pytest.raises(ConfigError, match='plain float32'):
        run_self_test(backend, toy, preprocess, postprocess, classes=CLASSES)


def test_the_mock_passes_without_a_network_and_without_a_figure():
    backend = MockBackend(11)
    result = run_self_test(backend, None, preprocess_for(backend), postprocess, classes=11)
    assert math.isnan(result.agreement)
    assert math.isnan(result.clearly_wrong)


def test_a_failing_backend_is_an_inference_error():
    backend = MockBackend(11, fail=lambda number: InferenceError('told to'))
    with pytest.raises(InferenceError, match='told to'):
        run_self_test(backend, None, preprocess_for(backend), postprocess, classes=11)


@pytest.mark.skipif(not WEIGHTS.exists(), reason='no shared/weights beside the repository')
class TestTrainedNetwork:
    @pytest.mark.parametrize('scales', [(1, 2, 3, 4), (2,)])
    def test_bfloat16_passes_and_the_street_is_recognised(self, scales):
        model = create_model('mfaranet_resnet18', classes=11, scales=scales)
        load_weights(model, WEIGHTS)
        backend = backend_for(model, 'bfloat16')
        result = run_self_test(backend, model, preprocess_for(backend), postprocess, classes=11)
        assert result.agreement > 0.99
        assert result.clearly_wrong == 0

    def test_a_network_that_samples_the_nearest_is_refused(self, monkeypatch):
        model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
        load_weights(model, WEIGHTS)
        backend = backend_for(model)
        monkeypatch.setattr(backend._network.__self__, '_warp', sample_nearest)
        with pytest.raises(ConfigError, match='clearly wrong'):
            run_self_test(backend, model, preprocess_for(backend), postprocess, classes=11)


def sample_nearest(values, grid):
    sampled = F.grid_sample(
        values.to(grid.dtype), grid, mode='nearest', padding_mode='zeros', align_corners=True
    )
    return sampled.to(values.dtype)


def test_the_stored_frame_is_the_same_each_time_and_cannot_be_changed():
    frame = stored_frame()
    assert frame.size == (360, 480)
    assert frame.encoding == 'bgr8'
    assert not frame.pixels.flags.writeable
    first = frame.pixels.copy()
    stored_frame.cache_clear()
    np.testing.assert_array_equal(stored_frame().pixels, first)
    assert first.std(axis=(0, 1)).min() > 30
