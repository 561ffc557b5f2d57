# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The graph gives what the network gives, in operators that TensorRT reads as they are meant."""

import sys
from itertools import chain, combinations

import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, numpy_helper
from torch import nn

from mfaranet_ros.backends.onnx_graph import OUTPUTS, PRECISIONS, make_graph
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models import create_model

CLASSES = 5
NETWORK = 'mfaranet_resnet18'
EVERY_SET = list(chain.from_iterable(combinations((1, 2, 3, 4), n) for n in range(1, 5)))
SIZES = [(37, 50), (1, 1), (64, 33)]
FIXED = (41, 67)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def network(scales=(1, 2, 3, 4)):
    """Return a random network whose norms are no identities and whose flows are no zeros."""
    torch.manual_seed(7)
    model = create_model(NETWORK, classes=CLASSES, scales=scales)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.2, 0.2)
    return model.eval()


def sample_image(size, dtype=torch.float32):
    generator = torch.Generator().manual_seed(sum(size))
    return torch.randn((1, 3, *size), generator=generator).to(dtype)


def run(data, image):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
    (given,) = session.run(None, {'image': image.numpy()})
    return torch.from_numpy(given)


@torch.inference_mode()
def difference(given, model, image):
    """Return how far logits are off, as a share of the largest."""
    expected = model.coarse_logits(image.float())
    assert given.shape == expected.shape
    return float((given.float() - expected).abs().max() / expected.abs().max())


def nodes(data, kind):
    return [node for node in onnx.load_from_string(data).graph.node if node.op_type == kind]


def attributes(node):
    return {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}


def types(data):
    """Return the element type of every value of a graph."""
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    return {value.name: value.type.tensor_type.elem_type for value in values}


@pytest.fixture(scope='module')
def graphs():
    """The whole network in every form, made when first asked for."""
    made = {}

    def get(precision='float32', outputs='logits', size=None):
        key = precision, outputs, size
        if key not in made:
            made[key] = make_graph(network(), precision=precision, outputs=outputs, size=size)
        return made[key]

    return get


FORMS = [(precision, outputs, size) for precision in PRECISIONS for outputs in OUTPUTS
         for size in (None, FIXED)]  # fmt: skip


# -- the same answer -----------------------------------------------------------------------------


@pytest.mark.parametrize('scales', EVERY_SET, ids=str)
def test_every_scale_set_gives_its_logits_at_any_size(scales):
    model = network(scales)
    data = make_graph(model, precision='float32', outputs='logits', size=None)
    for size in SIZES:
        image = sample_image(size)
        assert difference(run(data, image), model, image) < 1e-5


@pytest.mark.parametrize('size', [None, FIXED])
def test_float16_is_near(graphs, size):
    image = sample_image(FIXED, torch.float16)
    given = run(graphs('float16', size=size), image)
    assert given.dtype == torch.float16
    assert 0 < difference(given, network(), image) < 0.01


@pytest.mark.parametrize('size', [None, FIXED])
@pytest.mark.parametrize(('precision', 'least'), [('float32', 0.9995), ('float16', 0.99)])
def test_labels_are_those_of_the_enlarged_logits(graphs, precision, size, least):
    image = sample_image(FIXED)
    given = run(graphs(precision, 'labels', size), image.to(getattr(torch, precision)))
    with torch.inference_mode():
        expected = network()(image).argmax(dim=1)
    assert given.dtype == torch.uint8
    assert given.shape == (1, *FIXED)
    assert len(expected.unique()) > 1
    assert float((given == expected).float().mean()) >= least


def test_one_size_is_as_exact_as_any(graphs):
    image = sample_image(FIXED)
    assert difference(run(graphs(size=FIXED), image), network(), image) < 1e-5


def test_the_model_given_stays_as_it_was():
    model = network((2,)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    make_graph(model, precision='float16', outputs='labels', size=None)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert {value.dtype for value in model.parameters()} == {torch.float32}


# -- in which operators --------------------------------------------------------------------------


@pytest.mark.parametrize(('precision', 'outputs', 'size'), FORMS)
def test_it_is_valid_onnx_of_opset_18_in_one_file(graphs, precision, outputs, size):
    model = onnx.load_from_string(graphs(precision, outputs, size))
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [('', 18)]
    assert {node.domain for node in model.graph.node} == {''}
    assert not any(entry.external_data for entry in model.graph.initializer)


@pytest.mark.parametrize(('precision', 'outputs', 'size'), FORMS)
def test_sampling_is_bilinear_by_the_name_of_opset_18_and_in_float32(
    graphs, precision, outputs, size
):
    data = graphs(precision, outputs, size)
    found, kinds = nodes(data, 'GridSample'), types(data)
    assert len(found) == 6
    for node in found:
        assert attributes(node) == {
            'mode': b'bilinear', 'align_corners': 1, 'padding_mode': b'zeros',
        }  # fmt: skip
        assert [kinds[name] for name in node.input] == [TensorProto.FLOAT] * 2


@pytest.mark.parametrize(('precision', 'outputs', 'size'), FORMS)
def test_resizing_is_to_sizes_with_aligned_corners(graphs, precision, outputs, size):
    data = graphs(precision, outputs, size)
    made = {name: node for node in onnx.load_from_string(data).graph.node for name in node.output}
    found = nodes(data, 'Resize')
    assert len(found) == 9 + (outputs == 'labels')
    for node in found:
        given = attributes(node)
        assert given['coordinate_transformation_mode'] == b'align_corners'
        assert given['mode'] == b'linear'
        _, region, factors, sizes = node.input
        assert not region
        assert not factors
        assert (made[sizes].op_type == 'Constant') == (size is not None)


@pytest.mark.parametrize(('precision', 'outputs', 'size'), FORMS)
def test_input_and_output_say_their_names_types_and_shapes(graphs, precision, outputs, size):
    graph = onnx.load_from_string(graphs(precision, outputs, size)).graph

    def said(value):
        dims = [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        return value.name, value.type.tensor_type.elem_type, dims

    float_type = {'float32': TensorProto.FLOAT, 'float16': TensorProto.FLOAT16}[precision]
    height, width = size or ('height', 'width')
    coarse = [-(-n // 4) for n in size] if size else ['coarse_height', 'coarse_width']
    assert [said(value) for value in graph.input] == [('image', float_type, [1, 3, height, width])]
    assert [said(value) for value in graph.output] == [
        ('logits', float_type, [1, CLASSES, *coarse])
        if outputs == 'logits'
        else ('labels', TensorProto.UINT8, [1, height, width])
    ]


@pytest.mark.parametrize('precision', PRECISIONS)
def test_for_one_size_nothing_is_computed_from_sizes(graphs, precision):
    model = onnx.load_from_string(graphs(precision, size=FIXED))
    assert not {'Shape', 'Range', 'ConstantOfShape'} & {n.op_type for n in model.graph.node}


def test_float16_weights_are_float16(graphs):
    model = onnx.load_from_string(graphs('float16'))
    large = [entry for entry in model.graph.initializer if len(entry.dims) == 4]
    assert len(large) > 40
    assert {entry.data_type for entry in large} == {TensorProto.FLOAT16}


def test_labels_become_uint8_from_float(graphs):
    data = graphs('float16', 'labels')
    (last,) = (node for node in nodes(data, 'Cast') if node.output[0] == 'labels')
    assert types(data)[last.input[0]] == TensorProto.FLOAT


def test_one_scale_samples_its_scores_alone():
    data = make_graph(network((2,)), precision='float32', outputs='logits', size=FIXED)
    (node,) = nodes(data, 'GridSample')
    model = onnx.shape_inference.infer_shapes(onnx.load_from_string(data))
    (value,) = (value for value in model.graph.value_info if value.name == node.output[0])
    assert value.type.tensor_type.shape.dim[1].dim_value == CLASSES


def test_constants_do_not_make_the_file_larger(graphs):
    for data in (graphs(), graphs(size=FIXED)):
        model = onnx.load_from_string(data)
        weights = sum(numpy_helper.to_array(entry).nbytes for entry in model.graph.initializer)
        assert len(data) < 1.01 * weights


# -- what cannot be ------------------------------------------------------------------------------


class Stubborn(nn.Module):
    """A network that cannot be traced."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, CLASSES, 1)

    def coarse_logits(self, x):
        return torch.fft.fft(self.stem(x)).abs()


def test_what_torch_cannot_export_is_said_in_one_line():
    with pytest.raises(ConfigError, match='cannot export this network to ONNX') as caught:
        make_graph(Stubborn(), precision='float32', outputs='logits', size=None)
    assert '\n' not in str(caught.value)


def test_without_onnx_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, 'onnx', None)
    with pytest.raises(ConfigError, match='pip install onnx onnxruntime'):
        make_graph(network((1,)), precision='float32', outputs='logits', size=None)
