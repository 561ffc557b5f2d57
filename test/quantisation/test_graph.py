# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Graphs are quantised to a form that OpenVINO, ONNX Runtime and TensorRT read; noise is found."""

import sys

import numpy as np
import pytest
import torch

from mfaranet_ros.core.errors import ConfigError

onnx = pytest.importorskip('onnx')
pytest.importorskip('nncf', reason='NNCF is not installed')
onnxruntime = pytest.importorskip('onnxruntime')

from mfaranet_ros.backends.onnx_graph import make_graph  # noqa: E402
from mfaranet_ros.models import create_model  # noqa: E402
from mfaranet_ros.quantisation.graph import (  # noqa: E402
    QUANTISED,
    compact,
    for_tensorrt,
    import_nncf,
    quantise_graph,
    simplify,
)
from mfaranet_ros.quantisation.layers import at_fault, compare_layers  # noqa: E402

TENSORRT_OPERATORS = frozenset({
    'Add', 'ArgMax', 'Cast', 'Clip', 'Concat', 'Constant', 'Conv', 'DequantizeLinear', 'Div',
    'Expand', 'Flatten', 'Floor', 'Gather', 'GridSample', 'Identity', 'MaxPool', 'Mul', 'Pad',
    'QuantizeLinear', 'Range', 'ReduceSum', 'Relu', 'Reshape', 'Resize', 'Shape', 'Sigmoid',
    'Slice', 'Split', 'Squeeze', 'Sub', 'Transpose', 'Unsqueeze', 'Where',
})  # fmt: skip
"""Those of our graphs that docs/operators.md of onnx-tensorrt marks as supported."""

RESIZE_MODES = {b'nearest', b'linear'}
RESIZE_COORDINATES = {
    b'half_pixel', b'pytorch_half_pixel', b'tf_half_pixel_for_nn', b'asymmetric', b'align_corners',
}  # fmt: skip
NEWEST_OPSET = 20
"""Up to which TensorRT 10 reads files; see OPSET for why ours are older still."""


class Toy(torch.nn.Module):
    """Three layers; `extreme` makes one channel 2000 times as large as the others between two."""

    def __init__(self, extreme=False):
        super().__init__()
        torch.manual_seed(0)
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.middle = torch.nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.head = torch.nn.Conv2d(8, 5, 1)
        if extreme:
            with torch.no_grad():
                self.stem.weight[0] *= 2000
                self.stem.bias[0] *= 2000
                self.middle.weight[:, 0] /= 2000

    def coarse_logits(self, x):
        return self.head(self.middle(self.stem(x).relu()).relu())


@pytest.fixture(scope='module')
def inputs():
    rng = np.random.default_rng(1)
    return [rng.standard_normal((1, 3, 32, 48)).astype(np.float32) for _ in range(4)]


def plain_of(model):
    return simplify(make_graph(model.eval(), precision='float32', outputs='logits', size=None))


@pytest.fixture(scope='module')
def plain():
    return plain_of(Toy())


@pytest.fixture(scope='module')
def quantised(plain, inputs):
    return quantise_graph(plain, inputs)


def run(data, array):
    session = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider'])
    return session.run(None, {session.get_inputs()[0].name: array})[0]


def test_int8_is_near_float32_and_smaller(plain, quantised, inputs):
    expected, found = run(plain, inputs[0]), run(quantised, inputs[0])
    assert 0 < np.abs(found - expected).max() < 0.05 * np.abs(expected).max()
    stored = [
        onnx.numpy_helper.to_array(tensor).dtype
        for tensor in onnx.load_from_string(quantised).graph.initializer
        if tensor.dims and np.prod(tensor.dims) > 20
    ]
    assert stored
    assert set(stored) == {np.dtype(np.int8)}


def test_short_names_change_nothing_but_the_size(quantised, inputs):
    small = compact(quantised)
    assert len(small) < len(quantised)
    model = onnx.load_from_string(small)
    onnx.checker.check_model(model)
    before = onnx.load_from_string(quantised)
    assert [v.name for v in model.graph.output] == [v.name for v in before.graph.output]
    answers = [
        onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider']).run(
            None, {model.graph.input[0].name: inputs[0]}
        )[0]
        for data in (quantised, small)
    ]
    assert (answers[0] == answers[1]).all()


def test_layers_left_out_stay_in_float32(plain, inputs):
    graph = onnx.load_from_string(plain).graph
    layers = [node.name for node in graph.node if node.op_type in QUANTISED]
    assert len(layers) == 3
    kept = quantise_graph(plain, inputs, layers)
    np.testing.assert_array_equal(run(kept, inputs[0]), run(plain, inputs[0]))


def test_the_layer_made_bad_on_purpose_is_named(inputs):
    plain = plain_of(Toy(extreme=True))
    quantised = quantise_graph(plain, inputs)
    noise = compare_layers(plain, quantised, inputs)
    assert noise[0].name == '/middle/Conv'
    assert noise[0].noise > 0.05
    assert noise[0].noise > 20 * noise[1].noise
    assert at_fault(noise) == ['/middle/Conv']
    mended = quantise_graph(plain, inputs, at_fault(noise))
    expected = run(plain, inputs[0])
    before = np.abs(run(quantised, inputs[0]) - expected).max()
    assert np.abs(run(mended, inputs[0]) - expected).max() < 0.2 * before


def test_a_sound_network_has_no_layer_at_fault_but_the_worst(plain, quantised, inputs):
    noise = compare_layers(plain, quantised, inputs)
    assert len(noise) == 3
    assert all(0 < layer.noise < 0.01 for layer in noise)
    assert at_fault(noise) == [noise[0].name]


def check_for_tensorrt(data, signed):
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model)
    assert model.opset_import[0].version <= NEWEST_OPSET
    assert {node.op_type for node in model.graph.node} <= TENSORRT_OPERATORS
    constants = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    known = constants.keys() | {n.output[0] for n in model.graph.node if n.op_type == 'Constant'}
    rounded = 0
    for node in model.graph.node:
        given = {
            attribute.name: onnx.helper.get_attribute_value(attribute)
            for attribute in node.attribute
        }
        if node.op_type == 'GridSample':
            assert given['mode'] == b'bilinear'
        if node.op_type == 'Resize':
            assert given['mode'] in RESIZE_MODES
            assert given['coordinate_transformation_mode'] in RESIZE_COORDINATES
        if node.op_type == 'Slice':
            assert node.input[3] in known
        if node.op_type in ('Squeeze', 'Unsqueeze'):
            assert node.input[1] in known
        if node.op_type in ('QuantizeLinear', 'DequantizeLinear') and signed:
            scale, zero = constants[node.input[1]], constants[node.input[2]]
            assert zero.dtype == np.int8
            assert not zero.any()
            of_weights = node.input[0] in constants
            assert of_weights or scale.ndim == 0
            rounded += not of_weights
        if node.op_type == 'Conv' and signed:
            bias = node.input[2:]
            assert all(name in constants for name in bias)
    return rounded


def test_the_variant_for_tensorrt_has_what_its_parser_takes(quantised, plain, inputs):
    signed = for_tensorrt(quantised)
    assert check_for_tensorrt(signed, signed=True) >= 3
    expected = run(plain, inputs[0])
    assert np.abs(run(signed, inputs[0]) - expected).max() < 0.1 * np.abs(expected).max()


@pytest.mark.parametrize('name', ['mfaranet_resnet18', 'eseg_lite_s'])
def test_exported_graphs_have_what_tensorrt_takes(name):
    model = create_model(name, classes=5).eval()
    data = make_graph(model, precision='float16', outputs='logits', size=None)
    check_for_tensorrt(data, signed=False)


def test_without_nncf_the_install_line_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, 'nncf', None)
    with pytest.raises(ConfigError, match='pip install nncf onnx onnxruntime'):
        import_nncf()
