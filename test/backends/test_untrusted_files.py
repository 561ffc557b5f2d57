# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Network files that are broken, foreign or hostile are refused in one line, before a runtime."""

import onnx
import pytest
import yaml
from fixtures.tiny_onnx import tiny_network
from onnx import TensorProto, helper

from mfaranet_ros.backends.file_draft import draft, list_presets, read_preset
from mfaranet_ros.backends.file_facts import read_facts
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import MfaranetError, WeightsError
from mfaranet_ros.core.specification_file import dump_specification, parse_specification
from mfaranet_ros.pipeline.build import build_processor, prepare


@pytest.fixture
def path(tmp_path):
    return tiny_network(tmp_path / 'net.onnx')


def changed(path, change):
    model = onnx.load(path)
    change(model)
    path.write_bytes(model.SerializeToString())
    return path


def refused(path, said, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('onnxruntime.InferenceSession', never)
        with pytest.raises(MfaranetError, match=said) as caught:
            read_facts(path, **options)
    assert '\n' not in str(caught.value)


def never(*args, **kwargs):
    pytest.fail('a runtime opened the file')


# -- no ONNX, too large, hostile -----------------------------------------------------------------


@pytest.mark.parametrize('data', [b'', b'no network', bytes(range(256)) * 20, b'\x08\x07'])
def test_what_is_no_onnx_file_is_refused(path, data):
    path.write_bytes(data)
    refused(path, r'net\.onnx is (empty|no ONNX file)')


def test_a_file_that_is_cut_off_is_refused(path):
    path.write_bytes(path.read_bytes()[:-40])
    refused(path, 'no ONNX file|damaged')


def test_a_file_above_the_limit_is_refused(path):
    refused(path, r'model\.max_file_mb allows 0\.0001', max_mb=1e-4)
    read_facts(path)


def make_external(path, location, **entries):
    def change(model):
        tensor = model.graph.initializer[0]
        tensor.ClearField('raw_data')
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {'location': location, **entries}.items():
            tensor.external_data.add(key=key, value=str(value))

    return changed(path, change)


@pytest.mark.parametrize('location', ['../secret', '/etc/passwd', 'sub/../../secret', '', 'link'])
def test_data_outside_the_folder_is_refused(path, location):
    (path.parent.parent / 'secret').write_bytes(b'secret')
    (path.parent / 'link').symlink_to(path.parent.parent / 'secret')
    refused(make_external(path, location), 'outside the folder of the network: refused')


def test_data_beside_the_file_counts_and_must_be_there(path):
    make_external(path, 'data.bin', length=36)
    refused(path, r'needs data\.bin, which does not exist')
    (path.parent / 'data.bin').write_bytes(bytes(36))
    read_facts(path)
    (path.parent / 'data.bin').write_bytes(bytes(30))
    refused(path, r'ends at byte 36 of data\.bin, which has 30')
    (path.parent / 'data.bin').write_bytes(bytes(20_000))
    refused(make_external(path, 'data.bin', length=20_000), 'max_file_mb', max_mb=0.01)


def test_an_operator_that_needs_code_of_its_own_is_refused(path):
    def change(model):
        model.graph.node[0].domain = 'com.example'

    refused(changed(path, change), r"uses Conv of 'com\.example', an operator that needs code")


def test_an_operator_in_a_branch_is_found(path):
    def change(model):
        inner = helper.make_graph(
            [helper.make_node('Evil', [], ['y'], domain='evil')], 'branch', [],
            [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1])],
        )  # fmt: skip
        model.graph.node.append(
            helper.make_node('If', ['scores'], ['z'], then_branch=inner, else_branch=inner)
        )

    refused(changed(path, change), "uses Evil of 'evil'")


@pytest.mark.parametrize('dims', [[2**20, 2**20], [-1, 3], [7, 7]])
def test_tensors_of_absurd_sizes_are_refused(path, dims):
    def change(model):
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(dims)

    refused(changed(path, change), "tensor 'kernel_0'")


def test_sides_of_absurd_sizes_are_refused(tmp_path):
    refused(tiny_network(tmp_path / 'n.onnx', size=(10**6, 10**6)), 'a side of 1000000 is refused')


IR = """<net name="n" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1">
<output><port id="0" precision="FP32" names="x"><dim>1</dim><dim>3</dim><dim>8</dim><dim>8</dim>
</port></output></layer>
<layer id="1" name="w" type="Const" version="opset1"><data offset="0" size="36"/></layer>
<layer id="2" name="y" type="SoftMax" version="opset1">
<output><port id="1" precision="FP32"><dim>1</dim><dim>2</dim><dim>8</dim><dim>8</dim></port>
</output></layer>
<layer id="3" name="r" type="Result" version="opset1"/></layers>
<edges><edge from-layer="2" from-port="1" to-layer="3" to-port="0"/></edges></net>"""


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('<net', '<!DOCTYPE a [<!ENTITY b "c">]><net', 'entities of its own'),
        ('</net>', '', 'is no OpenVINO network'),
        ('<layers>', '<layer>', 'is no OpenVINO network'),
        ('"SoftMax" version="opset1"', '"Own" version="extension"', 'code of its own'),
        ('size="36"', 'size="99"', 'ends at byte 99 of the .bin file, which has 36'),
        ('<dim>8</dim><dim>8</dim>', '<dim>8</dim><dim>99999</dim>', 'a side of 99999'),
        ('type="Parameter"', 'type="Other"', 'no input'),
    ],
)
def test_openvino_files_are_held_to_the_same(tmp_path, old, new, said):
    path = tmp_path / 'net.xml'
    path.with_suffix('.bin').write_bytes(bytes(36))
    path.write_text(IR)
    facts = read_facts(path)
    assert [str(each) for each in (*facts.inputs, *facts.outputs)] == [
        'x 1x3x8x8 float32', 'y 1x2x8x8 float32',
    ]  # fmt: skip
    path.write_text(IR.replace(old, new, 1))
    refused(path, said)


# -- a specification that does not fit -----------------------------------------------------------

LABELS = [{'name': name, 'role': 'obstacle'} for name in 'abc']


def config_of(path, form=(), head=(), labels=LABELS, **more):
    values = {'version': 1, 'labels': labels, 'input': dict(form), 'outputs': [dict(head)], **more}
    path.with_suffix('.yaml').write_text(yaml.safe_dump(values))
    settings = {'model.weights': str(path), 'runtime.device': 'cpu'}
    if dict(head).get('kind') == 'labels':
        settings['drivable.min_confidence'] = 0.0
    return replace(PipelineConfig(), settings)


@pytest.mark.parametrize(
    ('form', 'head', 'said'),
    [
        ({'name': 'images'}, {}, r"input\.name: 'images', but the input of the file is 'image'"),
        ({'layout': 'NHWC'}, {}, r'input\.layout: NHWC, but the input .* give NCHW'),
        ({'channels': 'gray'}, {}, r'input\.channels: gray has 1'),
        ({'type': 'float16'}, {}, r'input\.type: float16, but the file takes float32'),
        ({'size': [64, 48]}, {}, r'input\.size: .*but the file takes 48x64 only'),
        ({'size': [48, 64], 'dynamic': True}, {}, r'input\.dynamic: true, but the file takes'),
        ({}, {'name': 'out'}, r"outputs\[0\]\.name: 'out', but the outputs of the file are scor"),
        ({}, {'kind': 'labels', 'classes': ['a', 'b']}, r'outputs\[0\]'),
        ({}, {'classes': ['a', 'b']}, r'outputs\[0\]\.classes: 2 are listed'),
        ({}, {'channel': 3}, r'outputs\[0\]\.channel: 3'),
        ({}, {'layout': 'NHW'}, r'outputs\[0\]\.layout: NHW has 3 axes'),
        ({}, {'layout': 'NHWC'}, r'outputs\[0\]\.layout|labels: 3 classes'),
        ({}, {'stride': 4}, r'outputs\[0\]\.stride: 4, but output'),
        ({}, {'kind': 'probabilities'}, r'outputs\[0\]\.kind: probabilities, but .* give logits'),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_in_one_line(path, form, head, said):
    with pytest.raises(WeightsError, match=r'net\.yaml: ' + said) as caught:
        prepare(build_processor(config_of(path, form, head)))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('count', [2, 4, 19])
def test_a_wrong_number_of_classes_is_refused(path, count):
    labels = [{'name': f'c{n}', 'role': 'obstacle'} for n in range(count)]
    with pytest.raises(WeightsError, match=rf'labels: {count} classes, but output .* has 3'):
        prepare(build_processor(config_of(path, labels=labels)))


def test_probabilities_that_are_called_logits_are_refused(tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', kind='probabilities')
    with pytest.raises(WeightsError, match=r'outputs\[0\]\.kind: logits, .* give probabilities'):
        prepare(build_processor(config_of(path)))


def test_ids_beyond_the_labels_are_refused(tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', kind='labels', out_layout='NHW', classes=9)
    with pytest.raises(WeightsError, match=r'outputs\[0\]\.kind: labels, .* the ids are 0 to 2'):
        prepare(build_processor(config_of(path, head={'kind': 'labels', 'layout': 'NHW'})))


def test_more_classes_than_a_mask_holds_need_a_table(tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', classes=300)
    with pytest.raises(WeightsError, match='300'):
        draft(read_facts(path), 'net')
    changed(path, lambda model: None)
    head = {'classes': ['a'] * 299 + ['b']}
    build = config_of(path, head=head)
    assert build.model.weights == str(path)


def test_two_image_inputs_are_refused(path):
    def change(model):
        more = helper.make_tensor_value_info('depth', TensorProto.FLOAT, [1, 1, 48, 64])
        model.graph.input.append(more)

    changed(path, change)
    with pytest.raises(WeightsError, match=r'input: the file has 2 inputs \(image 1x3x48x64'):
        build_processor(config_of(path))


def test_an_output_whose_size_has_no_relation_to_the_input_is_refused(path):
    def change(model):
        pads = helper.make_attribute('pads', [0, 0, 0, 7])
        model.graph.node[0].attribute.append(pads)

    changed(path, change)
    with pytest.raises(WeightsError, match=r'outputs\[0\]\.layout: .* no stride makes one'):
        prepare(build_processor(config_of(path)))


def test_an_opset_that_the_runtime_lacks_is_said(path):
    changed(path, lambda model: setattr(model.opset_import[0], 'version', 99))
    with pytest.raises(MfaranetError, match=r'(?i)opset 99') as caught:
        build_processor(config_of(path))
    assert '\n' not in str(caught.value)


def test_open_axes_that_do_not_fit_are_said(tmp_path):
    """The graph adds its input to a constant of one size, whatever its open axes promise."""
    path = tiny_network(tmp_path / 'net.onnx', size=None)

    def change(model):
        model.graph.initializer.append(
            helper.make_tensor('mask', TensorProto.FLOAT, [1, 3, 5, 7], [0.0] * 105)
        )
        model.graph.node[-1].CopyFrom(helper.make_node('Add', ['conv_0', 'mask'], ['scores']))

    changed(path, change)
    with pytest.raises(MfaranetError, match=r'failed on an input of 1x3x.* check input\.size'):
        prepare(build_processor(config_of(path)))


def test_labels_only_refuse_a_least_confidence(tmp_path):
    path = tiny_network(tmp_path / 'net.onnx', kind='labels', out_layout='NHW')
    config = config_of(path, head={'kind': 'labels', 'layout': 'NHW'})
    facts = dict(prepare(build_processor(config)))
    assert facts['confidence'] == 'none: the network gives labels only'
    with pytest.raises(MfaranetError, match=r'min_confidence = 0\.5, but net gives labels only'):
        build_processor(replace(config, {'drivable.min_confidence': 0.5}))


# -- drafts and presets --------------------------------------------------------------------------


@pytest.mark.parametrize('kind', ['logits', 'probabilities', 'labels'])
@pytest.mark.parametrize('layout', ['NCHW', 'NHWC'])
def test_a_draft_runs(tmp_path, kind, layout):
    path = tiny_network(tmp_path / 'net.onnx', kind=kind, layout=layout, opset=13)
    drafted = draft(read_facts(path), 'net')
    assert drafted.specification.input.layout == layout
    assert drafted.told
    path.with_suffix('.yaml').write_text(dump_specification(drafted.specification))
    settings = {'model.weights': str(path), 'runtime.device': 'cpu'}
    if kind == 'labels':
        settings['drivable.min_confidence'] = 0.0
    assert prepare(build_processor(replace(PipelineConfig(), settings)))


@pytest.mark.parametrize('name', list_presets())
def test_presets_are_specifications(name):
    preset = read_preset(name)
    assert parse_specification(dump_specification(preset), f'{name}.yaml') == preset
    assert not preset.sha256
