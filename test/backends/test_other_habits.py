# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files with habits of other exporters: the draft of `inspect` runs, or one line says why not."""

import re

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import yaml
from fixtures.tiny_onnx import tiny_network
from onnx import TensorProto, helper

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.specification_file import read_specification
from mfaranet_ros.pipeline.build import build_processor, prepare

SIZE = (64, 96)


def add(path, *nodes, kind=None, initializers=()):
    """Append nodes that turn the only output, `y`, into `z`, the new output."""
    model = onnx.load(path)
    graph = model.graph
    old = graph.output[0]
    for node in graph.node:
        node.output[:] = ['y' if name == old.name else name for name in node.output]
    graph.node.extend(nodes)
    graph.initializer.extend(initializers)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info('z', kind or TensorProto.FLOAT, None))
    path.write_bytes(model.SerializeToString())


def cast(path, kind):
    add(path, helper.make_node('Cast', ['y'], ['z'], to=kind), kind=kind)


def enlarge(path, factor=2.0):
    scales = helper.make_tensor('scales', TensorProto.FLOAT, [4], [1, 1, factor, factor])
    add(path, helper.make_node('Resize', ['y', '', 'scales'], ['z'], mode='linear'),
        initializers=[scales])  # fmt: skip


def unknown_rank(path):
    """Hide the shape of the output behind a Reshape to a shape that is computed."""
    nodes = [
        helper.make_node('Shape', ['y'], ['shape']),
        helper.make_node('Reshape', ['y', 'shape'], ['z']),
    ]
    add(path, *nodes)


HABITS = {
    'cityscapes, stride 8, numeric names, opset 9': (
        {'classes': 19, 'stride': 8, 'opset': 9, 'names': ('input.1', '843')}, None,
        ('logits', 'NCHW', 19),
    ),
    'portrait': ({'size': (96, 64)}, None, ('logits', 'NCHW', 3)),
    'dynamic batch': ({'batch': 'batch_size'}, None, ('logits', 'NCHW', 3)),
    'dynamic size, channels last': (
        {'size': None, 'layout': 'NHWC', 'out_layout': 'NHWC'}, None, ('logits', 'NHWC', 3),
    ),
    'channels last, ceiled stride': (
        {'size': (60, 90), 'out_layout': 'NHWC', 'stride': 4}, None, ('logits', 'NHWC', 3),
    ),
    'float16 in and out': ({'dtype': 'float16'}, lambda p: cast(p, TensorProto.FLOAT16),
                           ('logits', 'NCHW', 3)),
    'uint8 in': ({'dtype': 'uint8', 'gain': 1 / 50}, None, ('logits', 'NCHW', 3)),
    'int32 labels': ({'kind': 'labels', 'out_layout': 'NHW', 'classes': 19},
                     lambda p: cast(p, TensorProto.INT32), ('labels', 'NHW', 19)),
    'uint8 labels, one channel': ({'kind': 'labels', 'classes': 11},
                                  lambda p: cast(p, TensorProto.UINT8), ('labels', 'NCHW', 11)),
    'float labels, channel last': ({'kind': 'labels', 'out_layout': 'NHWC'},
                                   lambda p: cast(p, TensorProto.FLOAT), ('labels', 'NHWC', 3)),
    'labels without a batch': ({'kind': 'labels', 'out_layout': 'HW', 'classes': 5}, None,
                               ('labels', 'HW', 5)),
    'labels of a road or not': ({'kind': 'labels', 'classes': 2}, None, ('labels', 'NCHW', 2)),
    'scores without a batch': ({'out_layout': 'CHW', 'classes': 19}, None, ('logits', 'CHW', 19)),
    'scores without a batch, channels last': (
        {'out_layout': 'HWC', 'classes': 4}, None, ('logits', 'HWC', 4),
    ),
    'sigmoid, one channel': ({'kind': 'probabilities', 'classes': 1}, None,
                             ('probabilities', 'NCHW', 2)),
    'softmax, enlarged': ({'kind': 'probabilities', 'stride': 4, 'opset': 13}, enlarge,
                          ('probabilities', 'NCHW', 3)),
    'an output of unknown rank': ({'classes': 19}, unknown_rank, ('logits', 'NCHW', 19)),
    'an auxiliary output': ({'classes': 19, 'names': ('input', 'out', 'aux')}, None,
                            ('logits', 'NCHW', 19)),
}  # fmt: skip


def config(path, has_confidence=True):
    settings = {
        'model.weights': str(path), 'runtime.device': 'cpu', 'runtime.backend': 'onnx',
        'output.resolution': 'network',
    }  # fmt: skip
    if not has_confidence:
        settings['drivable.min_confidence'] = 0.0
    return replace(PipelineConfig(), settings)


def image_of(size):
    noise = np.random.default_rng(2).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)


def plain_labels(path, image, kind, layout):
    """Return what a short script gives for an image of the size of the input."""
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    given = session.get_inputs()[0]
    array = image if given.type == 'tensor(uint8)' else image / 255
    dtype = {'tensor(uint8)': 'u1', 'tensor(float16)': 'f2'}.get(given.type, 'f4')
    array = array if given.shape[-1] == 3 else array.transpose(2, 0, 1)
    output = session.run(None, {given.name: np.ascontiguousarray(array[None]).astype(dtype)})[0]
    planes = torch.from_numpy(output.astype('f4'))
    planes = planes[0] if layout.startswith('N') else planes
    if layout.endswith('C'):
        planes = planes.permute(2, 0, 1)
    planes = planes.reshape(-1, *planes.shape[-2:])
    smooth = 'nearest' if kind == 'labels' else 'bilinear'
    planes = torch.nn.functional.interpolate(planes[None], image.shape[:2], mode=smooth)[0]
    if kind == 'labels':
        return planes[0].numpy()
    if len(planes) == 1:
        return (planes[0] > (0.5 if kind == 'probabilities' else 0)).numpy()
    return planes.argmax(0).numpy()


@pytest.mark.parametrize('habit', HABITS)
def test_the_draft_runs_as_it_is(habit, tmp_path, capsys):
    made, change, (kind, layout, classes) = HABITS[habit]
    path = tiny_network(tmp_path / 'net.onnx', **{'size': SIZE, **made})
    if change:
        change(path)
    assert main(['inspect', str(path)]) == 0
    out = capsys.readouterr().out
    assert ('aux left out' in out) == ('auxiliary' in habit)
    assert main(['inspect', str(path)]) == 0
    assert 'fits the file' in capsys.readouterr().out
    specification = read_specification(path.with_suffix('.yaml'))
    (head,) = specification.outputs
    assert (head.kind, head.layout, len(specification.label_set)) == (kind, layout, classes)
    processor = build_processor(config(path, kind != 'labels'))
    assert float(dict(prepare(processor))['self_test_agreement']) > 0.99
    image = image_of(made.get('size') or SIZE)
    labels = processor(Frame(image, 'rgb8', 0, 'camera')).labels
    assert np.mean(labels == plain_labels(path, image, kind, layout)) >= 0.999


def with_input(path, name, kind, shape):
    model = onnx.load(path)
    model.graph.input.append(helper.make_tensor_value_info(name, kind, shape))
    path.write_bytes(model.SerializeToString())


def reshape_input(path, shape):
    model = onnx.load(path)
    dims = helper.make_tensor_type_proto(TensorProto.FLOAT, shape)
    model.graph.input[0].type.CopyFrom(dims)
    path.write_bytes(model.SerializeToString())


REFUSED = {
    'a batch of four': (lambda p: reshape_input(p, [4, 3, *SIZE]), 'export a batch of 1'),
    'no batch': (lambda p: reshape_input(p, [3, *SIZE]), 'no batch of images with four axes'),
    'four colours': (lambda p: reshape_input(p, [1, 4, *SIZE]), 'no axis of 3 colours'),
    'a scale factor': (
        lambda p: with_input(p, 'scale_factor', TensorProto.FLOAT, [1, 2]),
        r'2 inputs \(image 1x3x64x96 float32, scale_factor 1x2 float32\)',
    ),
    'a class of the whole image': (
        lambda p: add(p, helper.make_node('GlobalAveragePool', ['y'], ['pooled']),
                      helper.make_node('Flatten', ['pooled'], ['z'])),
        'none of z 1x10 float32 has a value or a class for each pixel',
    ),
}  # fmt: skip


@pytest.mark.parametrize('habit', REFUSED)
def test_inspect_refuses_in_one_line_and_writes_nothing(habit, tmp_path, capsys):
    change, said = REFUSED[habit]
    path = tiny_network(tmp_path / 'net.onnx', size=SIZE, classes=10)
    change(path)
    assert main(['inspect', str(path)]) == 2
    error = capsys.readouterr().err
    assert error.count('\n') == 1

    assert re.search(said, error), error
    assert not path.with_suffix('.yaml').exists()


def test_one_fixed_side_must_be_told(tmp_path, capsys):
    path = tiny_network(tmp_path / 'net.onnx', size=(64, 'width'))
    assert main(['inspect', str(path)]) == 0
    assert 'please specify: input.size: both sides' in capsys.readouterr().out
    with pytest.raises(MfaranetError, match=r'net\.yaml: input\.size: missing, .*both sides'):
        build_processor(config(path))


def test_a_size_that_the_network_refuses_leads_to_input_multiple(tmp_path):
    """The network halves and doubles its input and adds the two, so that odd sizes fail."""
    path = tiny_network(tmp_path / 'net.onnx', size=None, opset=13)
    scales = helper.make_tensor('scales', TensorProto.FLOAT, [4], [1, 1, 2, 2])
    nodes = [
        helper.make_node('MaxPool', ['y'], ['half'], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node('Resize', ['half', '', 'scales'], ['whole'], mode='nearest'),
        helper.make_node('Add', ['y', 'whole'], ['z']),
    ]
    add(path, *nodes, initializers=[scales])
    assert main(['inspect', str(path)]) == 0
    odd = Frame(image_of((61, 75)), 'rgb8', 0, 'camera')
    with pytest.raises(MfaranetError, match=r'input of 1x3x61x75 .*input\.multiple') as caught:
        build_processor(config(path))(odd)
    assert '\n' not in str(caught.value)
    beside = path.with_suffix('.yaml')
    beside.write_text(beside.read_text().replace('input: {', 'input: {multiple: 2, '))
    assert build_processor(config(path))(odd).labels.shape == (62, 76)


def test_the_weights_of_openvino_must_be_beside_it(tmp_path, capsys):
    (tmp_path / 'net.xml').write_text(
        '<net version="11"><layers><layer id="0" name="w" type="Const" version="opset1">'
        '<data offset="0" size="4"/></layer></layers></net>'
    )
    assert main(['inspect', str(tmp_path / 'net.xml')]) == 2
    assert 'net.bin does not exist: OpenVINO needs it beside' in capsys.readouterr().err


@pytest.mark.parametrize('kind', ['logits', 'probabilities'])
def test_channels_of_one_output_decide_one_after_the_other(kind, tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', size=SIZE, kind=kind, opset=13, seed=2)
    labels = [{'name': name, 'role': 'obstacle'} for name in ('rest', 'area', 'lane')]
    heads = [
        {'kind': kind, 'channel': 0, 'threshold': 0.4, 'classes': ['rest', 'area']},
        {'kind': kind, 'channel': 2, 'threshold': 0.5, 'classes': ['keep', 'lane']},
        {'kind': kind, 'classes': ['keep', 'unlabeled', 'keep']},
    ]
    path.with_suffix('.yaml').write_text(
        yaml.safe_dump({'version': 1, 'labels': labels, 'outputs': heads})
    )
    image = image_of(SIZE)
    session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
    given = (image.transpose(2, 0, 1)[None] / 255).astype('f4')
    (scores,) = session.run(None, {'image': given})[0]
    likely = 1 / (1 + np.exp(-scores)) if kind == 'logits' else scores
    expected = np.where(likely[2] > 0.5, 2, likely[0] > 0.4)
    expected = np.where(scores.argmax(0) == 1, 255, expected)
    found = build_processor(config(path))(Frame(image, 'rgb8', 0, 'camera')).labels
    assert np.mean(found == expected) >= 0.999
    assert len(np.unique(found)) > 2
