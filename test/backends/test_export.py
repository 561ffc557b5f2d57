# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""An export is compared before it is written, leaves nothing where it fails, says what it is."""

import copy
import dataclasses
import hashlib
import shlex

import onnx
import pytest
import torch

from mfaranet_ros.backends import export
from mfaranet_ros.backends.export import export_network, trtexec_lines
from mfaranet_ros.backends.network import load_network
from mfaranet_ros.core.config import ModelConfig
from mfaranet_ros.core.errors import ConfigError, OutputError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification_file import open_network_file, specification_path
from mfaranet_ros.models import create_model, save_weights

SIZE = (48, 64)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch.manual_seed(5)
    model = create_model('mfaranet_resnet18', classes=11, scales=(2,))
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    return save_weights(model, path, label_set=get_label_set('camvid'))


@pytest.fixture(scope='module')
def network(weights):
    """A network that no test may change."""
    return load_network(ModelConfig(weights=str(weights), scales=(2,)))


@pytest.fixture
def mutable(network):
    """The same for a test that changes it."""
    return dataclasses.replace(network, model=copy.deepcopy(network.model))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# -- what is written -----------------------------------------------------------------------------


@pytest.mark.parametrize('outputs', ['logits', 'labels'])
@pytest.mark.parametrize(('precision', 'size'), [('float32', SIZE), ('float16', None)])
def test_two_files_that_say_what_they_are(network, weights, tmp_path, precision, outputs, size):
    out, steps = tmp_path / 'made/here/drive.onnx', []
    specification, facts, compared = export_network(
        network, out, precision=precision, outputs=outputs, size=size,
        versions={'mfaranet_ros': '9'}, on_step=steps.append,
    )  # fmt: skip
    assert names(out.parent) == ['drive.onnx', 'drive.yaml']
    assert open_network_file(out).specification == specification
    assert specification.export == facts
    assert (facts.model, specification.label_set.name, facts.scales) == (
        'mfaranet_resnet18', 'camvid', (2,),
    )  # fmt: skip
    form = specification.input
    assert (facts.precision, facts.outputs, form.size) == (precision, outputs, size)
    assert (form.type, specification.outputs[0].kind) == (precision, outputs)
    assert facts.opset == onnx.load(out).opset_import[0].version == 18
    assert (form.mean, form.std) == (network.mean, network.std)
    assert facts.weights == weights.name
    assert facts.weights_sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert dict(facts.versions) == {
        'mfaranet_ros': '9', 'torch': torch.__version__, 'onnx': onnx.__version__,
        'onnxruntime': export.import_onnxruntime().__version__,
    }  # fmt: skip
    assert compared.agreement > 0.99
    assert (compared.difference is None) == (outputs == 'labels')
    assert steps == ['tracing', 'comparing', 'writing']


def test_an_earlier_file_is_replaced(network, tmp_path):
    out = tmp_path / 'drive.onnx'
    out.write_bytes(b'old')
    specification_path(out).write_text('old')
    export_network(network, out, size=SIZE)
    assert open_network_file(out).specification.input.size == SIZE
    assert names(tmp_path) == ['drive.onnx', 'drive.yaml']


# -- what is refused -----------------------------------------------------------------------------


def spoilt(change):
    """Return a stand-in for make_graph whose graph is of a model that was changed."""
    make = export.make_graph

    def make_graph(model, **options):
        model = copy.deepcopy(model)
        with torch.no_grad():
            change(model)
        return make(model, **options)

    return make_graph


def shift_a_class(model):
    model.multi_loss_head['1'][0].bias[3] += 1


def nudge_the_logits(model):
    model.multi_loss_head['1'][0].weight *= 1.001


@pytest.mark.parametrize(
    ('change', 'options', 'said'),
    [
        (shift_a_class, {}, r'float32 at 360x480: .* are clearly wrong, logits differ'),
        (shift_a_class, {'outputs': 'labels'}, 'are clearly wrong; nothing was written'),
        (shift_a_class, {'precision': 'float16', 'size': SIZE}, r'in float16 .* at 48x64: '),
        (nudge_the_logits, {'size': SIZE}, r'logits differ by \d\.\de-0[34] of the largest'),
    ],
)
def test_another_answer_is_never_written(network, tmp_path, monkeypatch, change, options, said):
    monkeypatch.setattr(export, 'make_graph', spoilt(change))
    with pytest.raises(ConfigError, match=said) as caught:
        export_network(network, tmp_path / 'drive.onnx', **options)
    assert '\n' not in str(caught.value)
    assert not names(tmp_path)


def test_an_earlier_file_outlives_a_failed_export(network, tmp_path, monkeypatch):
    monkeypatch.setattr(export, 'make_graph', spoilt(shift_a_class))
    for name in ('drive.onnx', 'drive.yaml'):
        (tmp_path / name).write_text(f'old {name}')
    with pytest.raises(ConfigError):
        export_network(network, tmp_path / 'drive.onnx', size=SIZE)
    assert names(tmp_path) == ['drive.onnx', 'drive.yaml']
    assert all((tmp_path / name).read_text() == f'old {name}' for name in names(tmp_path))


def test_a_graph_of_other_outputs_is_refused(network, tmp_path, monkeypatch):
    make = export.make_graph
    monkeypatch.setattr(
        export,
        'make_graph',
        lambda model, **options: make(model, **{**options, 'outputs': 'labels'}),
    )
    with pytest.raises(ConfigError, match=r'shape \(1, 48, 64\) instead of \(1, 11, 12, 16\)'):
        export_network(network, tmp_path / 'drive.onnx', size=SIZE)
    assert not names(tmp_path)


def test_logits_that_are_not_finite_are_refused(mutable, tmp_path):
    with torch.no_grad():
        mutable.model.multi_loss_head['1'][0].bias[0] = float('nan')
    with pytest.raises(ConfigError, match='logits differ by inf'):
        export_network(mutable, tmp_path / 'drive.onnx', size=SIZE)
    assert not names(tmp_path)


def large_weight(model):
    model.layer1[0].conv1.weight[0] = 1e5


def large_values(model):
    for norm in model.layer1[0].bn1, model.layer1[0].bn2:
        norm.weight *= 1e3


@pytest.mark.parametrize('change', [large_weight, large_values])
def test_what_overflows_float16_is_refused_there_and_only_there(mutable, tmp_path, change):
    with torch.no_grad():
        change(mutable.model)
    with pytest.raises(ConfigError, match=r'float16 ends at 65504: .* --precision float32'):
        export_network(mutable, tmp_path / 'drive.onnx', precision='float16', size=SIZE)
    assert not names(tmp_path)
    export_network(mutable, tmp_path / 'drive.onnx', precision='float32', size=SIZE)


@pytest.mark.parametrize('name', ['drive', 'drive.pt', 'drive.yaml'])
def test_the_name_must_say_what_it_is(network, tmp_path, name):
    with pytest.raises(ConfigError, match=r'must end in \.onnx'):
        export_network(network, tmp_path / name, size=SIZE)


@pytest.mark.parametrize('name', ['drive.onnx', 'drive.yaml'])
def test_a_folder_of_that_name_is_refused_at_once(network, tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(OutputError, match='is a folder'):
        export_network(network, tmp_path / 'drive.onnx', size=SIZE)


def test_what_cannot_be_written_is_said_and_leaves_nothing(network, tmp_path):
    (tmp_path / 'file').write_text('no folder')
    with pytest.raises(OutputError, match=r'cannot write .*drive\.onnx: .*; give another FILE'):
        export_network(network, tmp_path / 'file/drive.onnx', size=SIZE)
    assert names(tmp_path) == ['file']


def test_an_exported_file_is_not_exported_again(network, tmp_path):
    export_network(network, tmp_path / 'drive.onnx', size=SIZE)
    exported = load_network(ModelConfig(weights=str(tmp_path / 'drive.onnx'), scales=(2,)))
    with pytest.raises(ConfigError, match=r'drive\.onnx is no network that can be exported'):
        export_network(exported, tmp_path / 'again.onnx', size=SIZE)


# -- trtexec -------------------------------------------------------------------------------------


def flags(line):
    program, *words = shlex.split(line)
    assert program == 'trtexec'
    return dict(word.partition('=')[::2] for word in words)


def test_the_line_for_one_size(tmp_path):
    out = tmp_path / 'my drive.onnx'
    lines = trtexec_lines(out, SIZE)
    files = {'--onnx': str(out), '--saveEngine': str(tmp_path / 'my drive.engine')}
    assert flags(lines['TensorRT 10']) == {**files, '--stronglyTyped': ''}
    assert flags(lines['TensorRT 11']) == files


@pytest.mark.parametrize(
    ('usual', 'shapes'),
    [
        (None, ('64x64', '512x1024', '1024x2048')),
        ((360, 480), ('64x64', '360x480', '1024x2048')),
        ((32, 4096), ('32x64', '32x4096', '1024x4096')),
    ],
)
def test_the_line_for_any_size_holds_three(tmp_path, usual, shapes):
    for line in trtexec_lines(tmp_path / 'drive.onnx', None, usual).values():
        found = flags(line)
        given = tuple(found[f'--{name}Shapes'] for name in ('min', 'opt', 'max'))
        assert given == tuple(f'image:1x3x{shape}' for shape in shapes)
