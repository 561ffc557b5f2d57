# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every backend promises, what settings mean on this machine, and what a failure leaves."""

import threading
import weakref

import pytest
import torch
from torch import nn

from mfaranet_ros.backends import (
    MockBackend,
    TorchBackend,
    create_backend,
    device,
    list_backends,
    resolve_device,
    resolve_precision,
)
from mfaranet_ros.backends.openvino_runtime import why_no_openvino
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError, UnknownNameError
from mfaranet_ros.core.labels import Role, get_label_set, list_label_sets

CLASSES = 11
CPU = torch.device('cpu')
PLAIN = RuntimeConfig(backend='torch', device='cpu', precision='float32')


class Toy(nn.Module):
    """A small network with the seam of the real ones; `hook` sees each output first."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Conv2d(8, CLASSES, 3, stride=2, padding=1)
        self.hook = lambda logits: logits

    def coarse_logits(self, x):
        return self.hook(self.head(self.drop(self.norm(self.stem(x)).relu())))


@pytest.fixture
def toy() -> Toy:
    torch.manual_seed(3)
    return Toy()


@pytest.fixture(params=list_backends())
def backend(request, make_toy):
    config = RuntimeConfig(backend=request.param, device='cpu', precision='float32')
    backend = create_backend(config, make_toy(), classes=CLASSES, size=(37, 50))
    yield backend
    backend.close()


def image(height=37, width=50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator)


@pytest.mark.parametrize(('height', 'width'), [(37, 50), (4, 4), (1, 1), (64, 33)])
def test_coarse_logits_are_a_quarter_rounded_up_finite_and_repeatable(backend, height, width):
    logits = backend(image(height, width))
    assert logits.shape == (1, CLASSES, -(-height // 4), -(-width // 4))
    assert logits.device == backend.device
    assert logits.is_floating_point()
    assert torch.isfinite(logits).all()
    assert torch.equal(logits, backend(image(height, width)))


def test_a_backend_says_what_it_is(backend):
    info = backend.describe()
    assert info.name == backend.name
    assert info.device.startswith('cpu (')
    assert info.precision == 'float32'
    assert info.detail
    assert 'NO NETWORK' in info.detail or backend.name != 'mock'


def test_a_closed_backend_refuses_and_may_be_closed_again(backend):
    backend.close()
    backend.close()
    with pytest.raises(InferenceError, match='closed'):
        backend(image())


def test_a_backend_serves_another_thread_than_the_one_that_made_it(backend):
    results = []
    worker = threading.Thread(target=lambda: results.append(backend(image())))
    worker.start()
    worker.join()
    assert torch.equal(results[0], backend(image()))
    assert not results[0].requires_grad


def test_auto_is_a_backend_that_runs_the_network(toy):
    backend = create_backend(RuntimeConfig(device='cpu'), toy, classes=CLASSES)
    assert backend.name == ('torch' if why_no_openvino() else 'openvino')


def test_an_unknown_backend_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"did you mean 'torch'.*auto, .*mock, .*torch"):
        create_backend(RuntimeConfig(backend='troch'), None, classes=CLASSES)


def test_the_network_needs_a_model_and_the_mock_does_not():
    with pytest.raises(ConfigError, match='needs a model'):
        create_backend(PLAIN, None, classes=CLASSES)
    create_backend(RuntimeConfig(backend='mock', device='cpu'), None, classes=CLASSES)


class TestTorchBackend:
    def test_it_gives_what_the_model_gives_in_evaluation(self, toy):
        backend = TorchBackend(PLAIN, toy.train())
        toy.eval()
        with torch.inference_mode():
            expected = toy.coarse_logits(image())
        torch.testing.assert_close(backend(image()), expected, rtol=1e-5, atol=1e-5)

    def test_half_precision_is_near(self, toy):
        backend = TorchBackend(RuntimeConfig(device='cpu', precision='bfloat16'), toy)
        logits = backend(image().bfloat16())
        assert backend.dtype == logits.dtype == torch.bfloat16
        expected = TorchBackend(PLAIN, toy)(image())
        torch.testing.assert_close(logits.float(), expected, rtol=0.05, atol=0.05)

    def test_the_model_given_stays_as_it_was(self, toy):
        before = {name: value.clone() for name, value in toy.state_dict().items()}
        backend = TorchBackend(RuntimeConfig(device='cpu', precision='bfloat16'), toy)
        backend(image().bfloat16())
        assert toy.training
        for name, value in toy.state_dict().items():
            assert value.dtype == before[name].dtype
            assert torch.equal(value, before[name])
        assert all(parameter.requires_grad for parameter in toy.parameters())

    @pytest.mark.parametrize(
        ('error', 'said'),
        [
            (RuntimeError('first line\nsecond line'), 'failed on cpu: first line$'),
            (torch.OutOfMemoryError('CUDA out of memory.'), r'out of memory on cpu.*input'),
            (RuntimeError('[enforce fail] DefaultCPUAllocator: can\'t allocate memory: you tried'),
             'out of memory'),
            (MemoryError(), 'out of memory'),
        ],
    )  # fmt: skip
    def test_a_failed_frame_is_said_in_one_line_and_the_next_one_works(self, toy, error, said):
        failing = True

        def hook(logits):
            if failing:
                raise error
            return logits

        toy.hook = hook
        backend = TorchBackend(PLAIN, toy)
        with pytest.raises(InferenceError, match=said) as caught:
            backend(image())
        assert '\n' not in str(caught.value)
        failing = False
        backend(image())

    @pytest.mark.parametrize('value', [float('nan'), float('inf'), float('-inf')])
    def test_one_logit_that_is_not_finite_fails_the_frame(self, toy, value):
        def hook(logits):
            logits[0, 3, 1, 1] = value
            return logits

        toy.hook = hook
        with pytest.raises(InferenceError, match='not finite in float32'):
            TorchBackend(PLAIN, toy)(image())

    def test_what_a_failed_frame_allocated_is_freed_while_its_error_is_held(self, toy):
        allocated = []

        def hook(logits):
            allocated.append(weakref.ref(logits))
            raise RuntimeError('no')

        toy.hook = hook
        with pytest.raises(InferenceError) as caught:
            TorchBackend(PLAIN, toy)(image())
        assert allocated[0]() is None, caught

    def test_an_input_of_another_dtype_is_an_inference_error(self, toy):
        with pytest.raises(InferenceError):
            TorchBackend(PLAIN, toy)(image().double())

    def test_threads_hold_in_whichever_thread_it_runs(self, toy):
        seen = []

        def hook(logits):
            seen.append(torch.get_num_threads())
            return logits

        toy.hook = hook
        backend = TorchBackend(RuntimeConfig(device='cpu', precision='float32', threads=3), toy)
        assert '3 threads' in backend.describe().detail
        before = torch.get_num_threads()
        try:
            backend(image())
            worker = threading.Thread(target=backend, args=(image(),))
            worker.start()
            worker.join()
        finally:
            torch.set_num_threads(before)
        assert seen == [3, 3]

    def test_a_model_without_the_seam_is_refused(self):
        with pytest.raises(ConfigError, match='Linear has no coarse_logits'):
            TorchBackend(PLAIN, nn.Linear(2, 2))


class TestMockBackend:
    def test_it_raises_on_the_frames_it_is_told_to(self):
        backend = MockBackend(
            CLASSES, fail=lambda number: InferenceError('told to') if number in (1, 2) else None
        )
        outcomes = []
        for _ in range(4):
            try:
                backend(image())
                outcomes.append('logits')
            except InferenceError:
                outcomes.append('error')
        assert outcomes == ['logits', 'error', 'error', 'logits']
        assert backend.frames == 4

    @pytest.mark.parametrize('name', list_label_sets())
    def test_a_road_leads_to_the_horizon_and_every_class_is_there(self, name):
        label_set = get_label_set(name)
        labels = MockBackend(len(label_set))(image(480, 640)).argmax(dim=1)[0].numpy()
        drivable = label_set.roles[labels] == Role.DRIVABLE
        assert not drivable[: len(labels) // 2].any()
        widths = drivable[len(labels) // 2 :].sum(axis=1)
        assert widths[0] > 0
        assert (widths[1:] >= widths[:-1]).all()
        assert set(labels.ravel().tolist()) == set(range(len(label_set)))


class TestDevice:
    def test_auto_is_the_cpu_where_there_is_no_cuda(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        assert resolve_device('auto') == resolve_device('cpu') == CPU

    @pytest.mark.parametrize('name', ['cuda', 'cuda:0', 'cuda:1'])
    def test_cuda_never_falls_back_unasked(self, monkeypatch, name):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
        with pytest.raises(ConfigError, match=f"'{name}', but .*set it to cpu") as caught:
            resolve_device(name)
        assert not isinstance(caught.value, UnknownNameError)

    def test_with_cuda_the_index_must_exist(self, monkeypatch):
        monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
        monkeypatch.setattr(torch.cuda, 'current_device', lambda: 0)
        assert resolve_device('auto') == resolve_device('cuda') == torch.device('cuda', 0)
        assert resolve_device('cuda:1') == torch.device('cuda', 1)
        with pytest.raises(ConfigError, match='cuda:0 to cuda:1'):
            resolve_device('cuda:2')

    @pytest.mark.parametrize('name', ['', 'gpu', 'CUDA', 'cuda:', 'cuda:-1', 'cpu:0', 'meta'])
    def test_another_name_is_refused_with_what_is_known(self, name):
        with pytest.raises(UnknownNameError, match='choose from auto, cpu, cuda, cuda:0'):
            resolve_device(name)


class TestPrecision:
    @pytest.mark.parametrize(
        ('flags', 'auto'),
        [
            ({'avx2', 'avx512f'}, torch.float32),
            (set(), torch.float32),
            ({'avx512f', 'avx512_bf16'}, torch.bfloat16),
            ({'avx512f', 'amx_bf16', 'amx_tile'}, torch.bfloat16),
        ],
    )
    def test_auto_on_a_cpu_follows_its_instructions(self, monkeypatch, flags, auto):
        monkeypatch.setattr(device, 'cpu_flags', lambda: frozenset(flags))
        assert resolve_precision('auto', CPU) == auto
        assert resolve_precision('bfloat16', CPU) == torch.bfloat16
        assert resolve_precision('float32', CPU) == torch.float32

    def test_float16_is_refused_where_a_cpu_would_emulate_it(self, monkeypatch):
        monkeypatch.setattr(device, 'cpu_flags', lambda: frozenset({'avx512_bf16'}))
        with pytest.raises(ConfigError, match=r'float16.*set it to auto'):
            resolve_precision('float16', CPU)
        monkeypatch.setattr(device, 'cpu_flags', lambda: frozenset({'avx512_fp16'}))
        assert resolve_precision('float16', CPU) == torch.float16

    @pytest.mark.parametrize(
        ('name', 'dtype'),
        [
            ('auto', torch.float16),
            ('float16', torch.float16),
            ('bfloat16', torch.bfloat16),
            ('float32', torch.float32),
        ],
    )
    def test_cuda_takes_them_all(self, name, dtype):
        assert resolve_precision(name, torch.device('cuda', 0)) == dtype

    @pytest.mark.parametrize('where', ['cpu', 'cuda'])
    def test_an_unknown_one_is_refused_with_the_nearest(self, where):
        with pytest.raises(UnknownNameError, match="did you mean 'float16'"):
            resolve_precision('flaot16', torch.device(where))
