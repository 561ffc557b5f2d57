# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime runs the network where it was told to, from a cache that is never believed blindly,
or from an exported file that is held to its sidecar."""

import dataclasses
import logging
import os
import subprocess
import sys
import types

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from mfaranet_ros.backends import OnnxBackend, create_backend, onnx_session
from mfaranet_ros.backends.cache import cache_folder, use_engines
from mfaranet_ros.backends.export import export_network
from mfaranet_ros.backends.network import load_network
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import ModelConfig, PipelineConfig, RuntimeConfig, replace
from mfaranet_ros.core.errors import (
    ConfigError,
    InferenceError,
    MfaranetError,
    OutputError,
)
from mfaranet_ros.core.frame import Output
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification_file import open_network_file
from mfaranet_ros.models import create_model, save_weights
from mfaranet_ros.pipeline.build import build_processor, prepare

CLASSES = 11
CPU, GPU = torch.device('cpu'), torch.device('cuda', 0)
PLAIN = RuntimeConfig(backend='onnx', device='cpu', precision='float32')
TENSORRT, CUDA = onnx_session.TENSORRT, onnx_session.CUDA


class Toy(nn.Module):
    """A small network with the seam of the real ones."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Conv2d(8, CLASSES, 3, stride=2, padding=1)

    def coarse_logits(self, x):
        return self.head(self.norm(self.stem(x)).relu())


@pytest.fixture
def toy():
    torch.manual_seed(3)
    return Toy().eval()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own for each test."""
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache' / 'mfaranet_ros'


def sample_image(height=37, width=50):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator)


def is_one_line(caught):
    return '\n' not in str(caught.value)


# -- the network ---------------------------------------------------------------------------------


def test_it_gives_what_the_model_gives(toy):
    backend = create_backend(PLAIN, toy, classes=CLASSES)
    assert isinstance(backend, OnnxBackend)
    for size in ((37, 50), (64, 33), (1, 1)):
        with torch.inference_mode():
            expected = toy.coarse_logits(sample_image(*size))
        given = backend(sample_image(*size).contiguous(memory_format=torch.channels_last))
        torch.testing.assert_close(given, expected, rtol=1e-5, atol=1e-5)


def test_auto_precision_is_float32_on_a_cpu_whatever_torch_would_choose(toy):
    backend = OnnxBackend(RuntimeConfig(backend='onnx', device='cpu'), toy)
    assert backend.dtype == torch.float32
    assert backend.describe().precision == 'float32'


@pytest.mark.parametrize('precision', ['bfloat16', 'float16'])
def test_half_precision_is_refused_on_a_cpu(toy, precision):
    config = RuntimeConfig(backend='onnx', device='cpu', precision=precision)
    with pytest.raises(ConfigError, match=rf"'{precision}'.* float32 on cpu: set it to auto"):
        OnnxBackend(config, toy)


def test_it_says_what_runs(toy):
    config = dataclasses.replace(PLAIN, threads=1)
    detail = OnnxBackend(config, toy).describe().detail
    assert (
        detail == f'onnxruntime {onnxruntime.__version__}, CPU, exported for any size, 1 threads'
    )
    assert 'its own choice' in OnnxBackend(PLAIN, toy).describe().detail


def test_threads_are_those_of_the_setting(toy, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'mfaranet_ros.backends.onnx_backend.open_session',
        lambda *args, **kwargs: seen.append(kwargs['threads']) or opened(*args, **kwargs),
    )
    OnnxBackend(dataclasses.replace(PLAIN, threads=2), toy)
    assert seen == [2]


opened = onnx_session.open_session


def test_bound_memory_gives_the_same(toy, monkeypatch):
    """What runs on a GPU, as far as a CPU can show it."""
    monkeypatch.setattr(
        torch.cuda, 'current_stream', lambda device: types.SimpleNamespace(synchronize=int)
    )
    backend = OnnxBackend(PLAIN, toy)
    image = sample_image().contiguous(memory_format=torch.channels_last)
    expected = backend(image)
    monkeypatch.setattr(backend, '_run_on_cpu', backend._run_bound)
    given = backend(image)
    assert given.shape == expected.shape
    assert torch.equal(given, expected)


def test_logits_that_are_not_finite_fail_the_frame(toy):
    with torch.no_grad():
        toy.head.weight[3] = float('inf')
    backend = OnnxBackend(PLAIN, toy)
    with pytest.raises(InferenceError, match='not finite in float32'):
        backend(sample_image())


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (RuntimeError('first line\nsecond line'), 'failed on cpu: first line$'),
        (RuntimeError('Failed to allocate memory for requested buffer'), 'out of memory on cpu'),
        (MemoryError(), 'out of memory on cpu'),
    ],
)
def test_a_failed_frame_is_said_in_one_line_and_the_next_one_works(toy, monkeypatch, error, said):
    backend = OnnxBackend(PLAIN, toy)

    def fail(session, tensor):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(backend, '_run_on_cpu', fail)
        with pytest.raises(InferenceError, match=said):
            backend(sample_image())
    backend(sample_image())


def test_an_input_of_another_dtype_is_an_inference_error(toy):
    with pytest.raises(InferenceError):
        OnnxBackend(PLAIN, toy)(sample_image().double())


def test_a_model_without_the_seam_is_refused():
    with pytest.raises(ConfigError, match='Linear has no coarse_logits'):
        OnnxBackend(PLAIN, nn.Linear(2, 2))


def test_it_needs_a_model():
    with pytest.raises(ConfigError, match="'onnx' needs a model"):
        create_backend(PLAIN, None, classes=CLASSES)


# -- what is installed ---------------------------------------------------------------------------


def test_without_the_runtime_it_says_how_to_install_it(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    with pytest.raises(ConfigError, match='pip install onnxruntime, or onnxruntime-gpu') as caught:
        OnnxBackend(PLAIN, toy)
    assert is_one_line(caught)


@pytest.mark.parametrize(('version', 'old'), [('1.17.3', True), ('1.18.0', False), ('1.9', True)])
def test_an_old_runtime_is_refused_with_both_versions(toy, monkeypatch, version, old):
    monkeypatch.setattr(onnxruntime, '__version__', version)
    if old:
        with pytest.raises(ConfigError, match=rf'onnxruntime {version} is too old: install 1\.18'):
            OnnxBackend(PLAIN, toy)
    else:
        OnnxBackend(PLAIN, toy)


def test_the_runtime_reports_nothing_unasked(tmp_path):
    """Where it reports, it leaves the number of the device in the cache."""
    code = (
        'import os\n'
        'from mfaranet_ros.backends.onnx_session import import_onnxruntime\n'
        'import_onnxruntime()\n'
        "assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    env = {name: value for name, value in os.environ.items() if name != 'ORT_DISABLE_TELEMETRY'}
    env |= {'XDG_CACHE_HOME': str(tmp_path), 'HOME': str(tmp_path)}
    subprocess.run([sys.executable, '-c', code], env=env, check=True, timeout=120)
    assert not list(tmp_path.rglob('deviceid'))


class FakeRuntime:
    """An onnxruntime with these providers, of which some do not load or raise."""

    __version__ = '1.27.0'

    def __init__(self, installed, silent=(), raising=()):
        self.installed, self.silent, self.raising = installed, silent, raising
        self.opened = []

    def get_available_providers(self):
        return self.installed

    class SessionOptions:
        def __init__(self):
            self.sizes = {}

        def add_free_dimension_override_by_name(self, name, value):
            self.sizes[name] = value

    def InferenceSession(self, file, options, *, providers, enable_fallback):  # noqa: N802
        names = [name for name, _ in providers]
        self.opened.append((names, dict(providers), options))
        if names[0] in self.raising:
            raise RuntimeError(f'{names[0]} broke\nin two lines')
        left = [name for name in names if name not in self.silent]
        assert not enable_fallback
        return types.SimpleNamespace(get_providers=lambda: [*left, onnx_session.CPU])


@pytest.fixture
def fake(monkeypatch):
    """Put a fake runtime, and a GPU, in the place of what is here."""
    monkeypatch.setattr(onnx_session, '_gpu_of', lambda index: 'Test GPU')

    def make(*args, **kwargs):
        runtime = FakeRuntime(*args, **kwargs)
        monkeypatch.setattr(onnx_session, 'import_onnxruntime', lambda: runtime)
        return runtime

    return make


ALL = [TENSORRT, CUDA, onnx_session.CPU]


def test_tensorrt_goes_before_cuda_and_gets_its_cache(fake, cache):
    runtime = fake(ALL)
    session = onnx_session.open_session(b'', GPU, engines=cache / 'e', size=(64, 96))
    assert session.provider == TENSORRT
    assert 'TensorRT' in session.detail
    ((names, given, options),) = runtime.opened
    assert names == [TENSORRT, CUDA]
    assert given[TENSORRT]['trt_engine_cache_enable'] == 'True'
    assert given[TENSORRT]['trt_engine_cache_path'] == str(cache / 'e')
    assert given[TENSORRT]['device_id'] == given[CUDA]['device_id'] == '0'
    assert not any('fp16' in name for name in given[TENSORRT])
    assert options.sizes == {'height': 64, 'width': 96}


@pytest.mark.parametrize('how', ['silent', 'raising'])
def test_without_the_libraries_of_tensorrt_it_is_cuda_and_said(fake, cache, caplog, how):
    fake(ALL, **{how: [TENSORRT]})
    session = onnx_session.open_session(b'', GPU, engines=cache / 'e')
    assert session.provider == CUDA
    assert 'CUDA, without TensorRT, see the log' in session.detail
    (record,) = caplog.records
    assert 'cannot use TensorRT' in record.getMessage()


@pytest.mark.parametrize('how', ['silent', 'raising'])
def test_a_gpu_never_becomes_the_cpu(fake, cache, how):
    fake(ALL, **{how: [TENSORRT, CUDA]})
    with pytest.raises(ConfigError, match=r'cannot run .* cuda:0: TensorRT: .*; CUDA: ') as caught:
        onnx_session.open_session(b'', GPU, engines=cache / 'e')
    assert is_one_line(caught)


def test_a_runtime_for_the_cpu_alone_is_refused_on_a_gpu(fake):
    fake([onnx_session.CPU])
    with pytest.raises(ConfigError, match=r'cuda:0.* pip install onnxruntime-gpu; or .* cpu'):
        onnx_session.open_session(b'', GPU)


def test_a_gpu_runtime_on_the_cpu_takes_the_cpu(fake):
    runtime = fake(ALL)
    assert onnx_session.open_session(b'', CPU).provider == onnx_session.CPU
    assert runtime.opened[0][0] == [onnx_session.CPU]


def test_an_engine_that_cannot_be_read_is_removed_and_built_anew(fake, cache, caplog):
    runtime = fake(ALL)
    folder = cache / 'e'
    onnx_session.open_session(b'', GPU, engines=folder)
    engine = folder / 'a.engine'
    engine.touch()
    opens = runtime.InferenceSession

    def open_or_fail(*args, **kwargs):
        if engine.exists():
            raise RuntimeError('cannot deserialize')
        return opens(*args, **kwargs)

    runtime.InferenceSession = open_or_fail
    assert onnx_session.open_session(b'', GPU, engines=folder).provider == TENSORRT
    assert 'may be unreadable' in caplog.text


# -- the engines of TensorRT ---------------------------------------------------------------------

BUILT_WITH = {'onnxruntime': '1.27.0', 'tensorrt': '101602', 'gpu': 'NVIDIA Orin (8.7)'}


def test_engines_of_the_same_versions_are_kept(cache, caplog):
    folder = cache / 'engines' / 'key'
    assert 'built into' in use_engines(folder, BUILT_WITH)
    (folder / 'a_sm87.engine').write_bytes(b'engine')
    assert 'engines from' in use_engines(folder, BUILT_WITH)
    assert (folder / 'a_sm87.engine').exists()
    assert not caplog.records


@pytest.mark.parametrize('name', ['a_sm87.engine', 'a.profile', 'a_sm87.timing'])
def test_stale_engines_are_removed_and_it_is_said_why(cache, caplog, name):
    folder = cache / 'engines' / 'key'
    use_engines(folder, BUILT_WITH)
    (folder / name).write_bytes(b'old')
    with caplog.at_level(logging.WARNING):
        use_engines(folder, {**BUILT_WITH, 'tensorrt': '110100'})
    assert not (folder / name).exists()
    assert 'built again: tensorrt was 101602 and is 110100' in caplog.text
    (folder / name).write_bytes(b'new')
    assert 'engines from' in use_engines(folder, {**BUILT_WITH, 'tensorrt': '110100'})


@pytest.mark.parametrize('note', [None, b'', b'[]', b'{"tensorrt":'])
def test_foreign_engines_are_removed(cache, caplog, note):
    folder = cache / 'engines' / 'key'
    folder.mkdir(parents=True)
    (folder / 'a.engine').write_bytes(b'whose?')
    if note is not None:
        (folder / 'built_with.json').write_bytes(note)
    use_engines(folder, BUILT_WITH)
    assert not (folder / 'a.engine').exists()
    assert 'nothing says what they were built with' in caplog.text


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / 'file').write_text('no folder')
    with pytest.raises(OutputError, match='set XDG_CACHE_HOME'):
        use_engines(tmp_path / 'file' / 'engines', BUILT_WITH)


# -- the cache of graphs -------------------------------------------------------------------------


def graphs(cache):
    return sorted((cache / 'onnx').glob('*.onnx'))


def test_a_model_is_exported_once(toy, cache, monkeypatch):
    OnnxBackend(PLAIN, toy)
    (path,) = graphs(cache)

    def never(*args, **kwargs):
        pytest.fail('exported again')

    monkeypatch.setattr('mfaranet_ros.backends.onnx_file.make_graph', never)
    OnnxBackend(PLAIN, toy)(sample_image())
    assert graphs(cache) == [path]


def test_other_weights_are_another_file(toy, cache):
    OnnxBackend(PLAIN, toy)
    with torch.no_grad():
        toy.head.bias += 1
    backend = OnnxBackend(PLAIN, toy)
    assert len(graphs(cache)) == 2
    with torch.inference_mode():
        torch.testing.assert_close(backend(sample_image()), toy.coarse_logits(sample_image()))


def test_other_scales_are_another_file(cache):
    for scales in ((1,), (1, 2)):
        torch.manual_seed(0)
        OnnxBackend(PLAIN, create_model('mfaranet_resnet18', classes=3, scales=scales).eval())
    assert len(graphs(cache)) == 2


@pytest.mark.parametrize('damage', ['cut', 'changed', 'unsealed'])
def test_a_damaged_file_is_made_anew_and_it_is_said(toy, cache, caplog, damage):
    OnnxBackend(PLAIN, toy)
    (path,) = graphs(cache)
    data = path.read_bytes()
    if damage == 'unsealed':
        path.with_suffix('.sha256').unlink()
    else:
        path.write_bytes(data[:-100] if damage == 'cut' else data[:-9] + b'\x01' + data[-8:])
    backend = OnnxBackend(PLAIN, toy)
    assert 'is made again' in caplog.text
    assert path.read_bytes() == data
    backend(sample_image())


def test_a_cache_that_cannot_be_written_is_refused(toy, cache):
    cache.parent.mkdir(parents=True)
    cache.write_text('a file, no folder')
    with pytest.raises(OutputError, match='set XDG_CACHE_HOME to a folder that can be written'):
        OnnxBackend(PLAIN, toy)


def test_the_cache_is_in_the_home_where_nothing_else_is_said(monkeypatch, tmp_path):
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert cache_folder('onnx') == tmp_path / '.cache' / 'mfaranet_ros' / 'onnx'


# -- an exported file in the place of weights ----------------------------------------------------


@pytest.fixture(scope='module')
def exported(tmp_path_factory):
    """Return what makes an ONNX file of a network with one scale, once for each form."""
    folder = tmp_path_factory.mktemp('exported')
    torch.manual_seed(5)
    model = create_model('mfaranet_resnet18', classes=CLASSES, scales=(1,))
    weights = save_weights(model, folder / 'w.safetensors', label_set=get_label_set('camvid'))
    network = load_network(ModelConfig(weights=str(weights), scales=(1,)))
    made = {}

    def make(**options):
        key = tuple(sorted(options.items()))
        if key not in made:
            made[key] = folder / f'{len(made)}.onnx'
            export_network(network, made[key], **options)
        return made[key]

    make.weights = weights
    return make


def pipeline_config(path, **more):
    given = {'model.weights': str(path), 'model.scales': (1,), 'runtime.device': 'cpu'}
    return replace(PipelineConfig(), {**given, **more})


def test_a_file_runs_in_the_pipeline_and_gives_what_its_weights_give(exported):
    of_file = build_processor(pipeline_config(exported(), **{'runtime.backend': 'onnx'}))
    plain = {'runtime.backend': 'torch', 'runtime.precision': 'float32'}
    of_weights = build_processor(pipeline_config(exported.weights, **plain))
    assert of_file.label_set == of_weights.label_set
    (logits,) = of_file.backend(sample_image(65, 90).numpy()).arrays
    expected = of_weights.backend(sample_image(65, 90))
    torch.testing.assert_close(torch.from_numpy(logits), expected, rtol=1e-4, atol=1e-4)
    same = of_file(stored_frame()).labels == of_weights(stored_frame()).labels
    assert np.mean(same) > 0.998  # images are made smaller by Pillow and by torch


def test_the_self_test_compares_a_file_too(exported):
    pipeline = build_processor(pipeline_config(exported(), **{'runtime.backend': 'onnx'}))
    facts = dict(prepare(pipeline))
    assert float(facts['self_test_agreement']) == 1
    assert facts['weights_sha256'] == open_network_file(exported()).sha256
    run = pipeline.backend._run
    pipeline.backend._run = lambda one: run(one[:, ::-1])
    with pytest.raises(ConfigError, match=r'the label that .* gives by itself'):
        prepare(pipeline)


def test_a_file_for_one_size_takes_it_and_refuses_another(exported):
    path = exported(size=(64, 96))
    facts = dict(prepare(build_processor(pipeline_config(path))))
    assert facts['input_size'] == '64x96'
    with pytest.raises(ConfigError, match=r'takes 64x96 only: set both to 0 or to that size'):
        build_processor(pipeline_config(path, **{'input.height': 64, 'input.width': 95}))


@pytest.mark.parametrize(
    ('settings', 'said'),
    [
        (
            {'model.name': 'mfaranet_resnet50'},
            'weights of mfaranet_resnet18, but',
        ),
        ({'model.scales': (1, 2)}, r'exported with scales \[1\], but model.scales is \[1, 2\]'),
        ({'model.labels': 'cityscapes'}, r"'cityscapes', but .* was trained on 'camvid'"),
        ({'model.max_file_mb': 1}, 'model.max_file_mb allows 1'),
    ],
)
def test_a_file_of_another_network_is_refused_in_one_line(exported, settings, said):
    with pytest.raises(MfaranetError, match=said) as caught:
        load_network(pipeline_config(exported(), **settings).model)
    assert is_one_line(caught)


def test_a_file_may_stand_in_the_place_of_the_name(exported):
    config = replace(PipelineConfig(), {'model.name': str(exported()), 'model.scales': (1,)})
    assert load_network(config.model).name == 'mfaranet_resnet18'
    with pytest.raises(ConfigError, match=r'leave model\.weights empty'):
        load_network(replace(config, {'model.weights': str(exported())}).model)


def test_a_file_of_labels_runs_without_confidence(exported):
    path = exported(outputs='labels')
    with pytest.raises(ConfigError, match=r'min_confidence = 0\.5.* labels only.* set it to 0'):
        build_processor(pipeline_config(path))
    settings = {'drivable.min_confidence': 0.0, 'output.resolution': 'network'}
    of_labels = build_processor(pipeline_config(path, **settings))
    assert dict(prepare(of_labels))['confidence'].startswith('none')
    plain = {'runtime.backend': 'torch', 'runtime.precision': 'float32', **settings}
    of_weights = build_processor(pipeline_config(exported.weights, **plain))
    wanted = {Output.MASK, Output.CONFIDENCE}
    given = of_labels(stored_frame(), wanted)
    assert given.confidence is None
    assert np.mean(given.labels == of_weights(stored_frame(), wanted).labels) > 0.999


@pytest.mark.parametrize('name', ['torch', 'compiled'])
def test_another_backend_refuses_a_file(exported, name):
    network = load_network(pipeline_config(exported()).model)
    config = RuntimeConfig(backend=name, device='cpu')
    with pytest.raises(ConfigError, match=r'set runtime\.backend to onnx, openvino or auto'):
        create_backend(config, network.model, classes=CLASSES)


def test_a_file_has_one_precision(exported):
    network = load_network(pipeline_config(exported()).model)
    config = dataclasses.replace(PLAIN, precision='bfloat16')
    with pytest.raises(ConfigError, match=r"'bfloat16', but .* is in float32"):
        create_backend(config, network.model, classes=CLASSES)
    half = build_processor(pipeline_config(exported(precision='float16')))
    assert half.preprocess(stored_frame())[0].dtype == np.float16


def test_a_file_in_openvino_gives_what_it_gives_in_onnx_runtime(exported):
    pytest.importorskip('openvino')
    settings = {'runtime.backend': 'openvino', 'runtime.precision': 'float32'}
    facts = dict(prepare(build_processor(pipeline_config(exported(), **settings))))
    assert facts['backend'] == 'openvino'
    assert float(facts['self_test_agreement']) > 0.999
