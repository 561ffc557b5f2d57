# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recorded network answers as the network does; where it cannot be recorded, it says why."""

from __future__ import annotations

import gc
import logging
import threading
import weakref

import pytest
import torch

from mfaranet_ros import backends
from mfaranet_ros.backends import compiled, create_backend, program
from mfaranet_ros.backends.cuda_graph import GraphedRun, graphed, record
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.frame import Geometry
from mfaranet_ros.pipeline.postprocess import postprocess

CLASSES = 11
SIZE = (24, 40)
CPU = torch.device('cpu')


def image(seed=1, size=SIZE, device=CPU):
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed))
    return x.to(device).contiguous(memory_format=torch.channels_last)


def double(x):
    return x * 2


def recording(run, example):
    """Stand for a graph where there is no GPU: it reads and writes at fixed places, too."""
    source, target = example.clone(), run(example.clone())

    def replay():
        target.copy_(run(source))

    return GraphedRun(run, source, target, replay)


class TestGraphedRun:
    def test_an_answer_stays_when_the_next_one_comes(self):
        run = recording(double, image())
        answers = [run(image(seed)) for seed in (1, 2, 3)]
        for seed, answer in zip((1, 2, 3), answers, strict=True):
            assert torch.equal(answer, image(seed) * 2)

    def test_the_input_is_left_as_it_was(self):
        run = recording(lambda x: x.mul_(2), image())
        x = image(2)
        run(x)
        assert torch.equal(x, image(2))

    def test_it_keeps_the_weights_that_the_recording_reads(self):
        network = torch.nn.Conv2d(3, 5, 1)
        kept = weakref.ref(network)
        run = GraphedRun(network, image(), image(), lambda: None)
        del network
        gc.collect()
        assert kept() is not None
        del run
        assert kept() is None


def test_what_cannot_be_recorded_runs_as_it_is_and_says_so(monkeypatch):
    def refuse(*args):
        raise RuntimeError('operation not permitted when stream is capturing\nand more')

    monkeypatch.setattr('mfaranet_ros.backends.cuda_graph.record', refuse)
    run, how = graphed(double, image())
    assert run is double
    assert how == 'without a CUDA graph: operation not permitted when stream is capturing'


class TestChoice:
    """What runs on a GPU, decided on the CPU."""

    @pytest.mark.parametrize(('missing', 'size', 'name'), [
        ('', SIZE, 'compiled'),
        ('no compiler', SIZE, 'compiled'),
        ('no compiler', (0, 0), 'torch'),
    ])  # fmt: skip
    def test_auto_takes_a_graph_wherever_the_size_is_known(
        self, monkeypatch, caplog, make_toy, missing, size, name
    ):
        monkeypatch.setattr(backends, 'resolve_device', lambda name: torch.device('cuda', 0))
        monkeypatch.setattr(program, 'why_no_compiler', lambda device: missing)
        request = backends.BackendRequest(RuntimeConfig(), make_toy(), CLASSES, size)
        with caplog.at_level(logging.INFO):
            assert backends._choose(request).name == name
        assert missing in caplog.text or not all(size)


class TestWithoutCompiler:
    """The compiled backend of a GPU that has none, with the CPU in its place."""

    CONFIG = RuntimeConfig(backend='compiled', device='cpu', precision='float32', threads=1)

    @pytest.fixture(autouse=True)
    def on_a_machine_without_compiler(self, monkeypatch):
        monkeypatch.setattr(compiled, 'has_graphs', lambda device: True)
        monkeypatch.setattr(compiled, 'why_no_compiler', lambda device: 'there is no g++')

    def test_the_eager_network_is_recorded(self, monkeypatch, make_toy):
        recorded = []

        def pretend(run, example):
            recorded.append(tuple(example.shape))
            return recording(run, example), 'as a CUDA graph'

        monkeypatch.setattr(compiled, 'graphed', pretend)
        model = make_toy()
        backend = create_backend(self.CONFIG, model, classes=CLASSES, size=SIZE)
        assert recorded == [(1, 3, *SIZE)]
        for seed, size in ((1, SIZE), (2, SIZE), (3, (33, 20))):
            wanted = model.coarse_logits(image(seed, size))
            found = backend(image(seed, size))
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        detail = backend.describe().detail
        assert 'eager for 40x24 (there is no g++), as a CUDA graph' in detail

    def test_what_cannot_be_recorded_runs_eagerly_and_says_so(self, monkeypatch, make_toy):
        monkeypatch.setattr(compiled, 'graphed', lambda run, x: (run, 'without a CUDA graph: so'))
        model = make_toy()
        backend = create_backend(self.CONFIG, model, classes=CLASSES, size=SIZE)
        wanted = model.coarse_logits(image())
        torch.testing.assert_close(backend(image()), wanted, rtol=1e-4, atol=1e-5)
        assert 'without a CUDA graph: so' in backend.describe().detail

    def test_a_closed_one_refuses_and_may_be_closed_again(self, monkeypatch, make_toy):
        monkeypatch.setattr(compiled, 'graphed', lambda run, x: (recording(run, x), ''))
        backend = create_backend(self.CONFIG, make_toy(), classes=CLASSES, size=SIZE)
        backend.close()
        backend.close()
        with pytest.raises(InferenceError, match='closed'):
            backend(image())


# -- on a GPU ------------------------------------------------------------------------------------

ON_GPU = RuntimeConfig(backend='compiled', device='cuda:0', precision='float16')
EAGER = RuntimeConfig(backend='torch', device='cuda:0', precision='float16')
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason='no CUDA device')


@pytest.fixture(params=['compiler', 'no compiler'])
def make_backend(request, monkeypatch, make_toy):
    """Make a compiled backend on the GPU, with a compiler and without one."""
    if request.param == 'compiler':
        missing = compiled.why_no_compiler(torch.device('cuda', 0))
        if missing:
            pytest.skip(missing)
    else:
        monkeypatch.setattr(compiled, 'why_no_compiler', lambda device: 'for a test')
    return lambda seed=3: create_backend(ON_GPU, make_toy(seed), classes=CLASSES, size=SIZE)


def on_gpu(seed=1, size=SIZE):
    return image(seed, size, torch.device('cuda', 0)).half()


@pytest.mark.gpu
@needs_gpu
class TestOnGpu:
    def test_replay_gives_what_the_network_gives_for_frame_after_frame(
        self, make_backend, make_toy
    ):
        backend = make_backend()
        eager = create_backend(EAGER, make_toy(), classes=CLASSES)
        assert 'as a CUDA graph' in backend.describe().detail
        answers = [backend(on_gpu(seed)) for seed in (1, 2)]
        assert not torch.equal(*answers)
        for seed, answer in zip((1, 2), answers, strict=True):
            torch.testing.assert_close(answer, eager(on_gpu(seed)), rtol=1e-2, atol=1e-2)

    def test_another_size_runs_too(self, make_backend, make_toy):
        backend = make_backend()
        eager = create_backend(EAGER, make_toy(), classes=CLASSES)
        for size in ((33, 20), SIZE, (33, 20)):
            answer = backend(on_gpu(size=size))
            torch.testing.assert_close(answer, eager(on_gpu(size=size)), rtol=1e-2, atol=1e-2)

    def test_two_backends_take_turns_and_one_goes(self, make_backend):
        first = make_backend(3)
        alone = first(on_gpu(1))
        second = make_backend(
            4
        )  # as an operating points makes the next operating point beside the running one
        assert torch.equal(first(on_gpu(1)), alone)
        other = second(on_gpu(1))
        assert not torch.equal(other, alone)
        first.close()
        first.close()
        with pytest.raises(InferenceError, match='closed'):
            first(on_gpu(1))
        assert torch.equal(second(on_gpu(1)), other)

    def test_one_is_recorded_while_another_runs(self, make_backend):
        first, made = make_backend(3), []
        alone = first(on_gpu(1))
        builder = threading.Thread(target=lambda: made.append(make_backend(4)))
        builder.start()
        while builder.is_alive():
            assert torch.equal(first(on_gpu(1)), alone)
        builder.join()
        (second,) = made
        assert 'as a CUDA graph' in second.describe().detail
        assert torch.equal(first(on_gpu(1)), alone)
        assert not torch.equal(second(on_gpu(1)), alone)

    def test_labels_of_a_frame_stay_when_the_next_one_is_computed(self, make_backend):
        backend, geometry = make_backend(), Geometry(SIZE, SIZE, SIZE)
        first = backend(on_gpu(1))
        before = first.clone()
        labels, _ = postprocess(first, geometry, resolution='camera', with_confidence=False)
        kept = labels.copy()
        postprocess(backend(on_gpu(2)), geometry, resolution='camera', with_confidence=False)
        assert torch.equal(first, before)
        assert (labels == kept).all()

    def test_what_cannot_be_recorded_runs_and_the_device_stays_usable(self):
        def waits(x):
            return x * float(x.abs().amax())  # reads a value back, which no recording can

        run, how = graphed(waits, on_gpu())
        assert run is waits
        assert how.startswith('without a CUDA graph: ')
        x = on_gpu(2)
        torch.testing.assert_close(run(x), x * x.abs().amax())
        assert torch.cuda.current_stream() == torch.cuda.default_stream()
        replayed = record(double, x)
        assert torch.equal(replayed(x), x * 2)
