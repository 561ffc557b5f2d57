# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A specification comes back as it was written, and what is wrong in one is named in one line."""

import dataclasses
import hashlib
import json

import jsonschema
import pytest
import yaml

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.specification import (
    KEEP,
    ExportFacts,
    Head,
    InputForm,
    Specification,
    id_count,
    label_table,
)
from mfaranet_ros.core.specification_file import (
    dump_specification,
    is_network_file,
    open_network_file,
    parse_specification,
    read_specification,
    schema,
)

TEXT = """
version: 1
labels:
- {name: background, role: background}
- {name: road, role: drivable, color: [1, 2, 3]}
- {name: lane, role: drivable}
input: {size: [384, 640], channels: bgr, mean: [1, 2, 3], range: [0, 255]}
outputs:
- {name: da, classes: [background, road]}
- {name: ll, classes: [keep, lane]}
"""

ALL_FIELDS = Specification(
    name='net',
    label_set=get_label_set('camvid'),
    input=InputForm(
        'images', 'NHWC', 'float16', 'bgr', (-1.0, 1.0), (0.5, 0.25, 0.125), (1.0, 2.0, 4.0),
        (64, 96), True, 32, 'letterbox', 'center', 114.0, 'area',
    ),
    outputs=(
        Head('out', 'probabilities', 'NHWC', 8, 'align_corners', 1, 0.25, (0, 255)),
        Head('more', 'labels', 'HW', 2, 'nearest', None, 0.5, (KEEP, 3)),
    ),
    sha256='0' * 64,
    source='https://example.org',
    licence='MIT',
    export=ExportFacts('m', (1, 3), 'int8', 'logits', 18, 'w.pth', '1', (('torch', '2'),)),
)  # fmt: skip


def refused(text):
    with pytest.raises(WeightsError) as caught:
        parse_specification(text, 'net.yaml')
    said = str(caught.value)
    assert '\n' not in said
    return said


@pytest.mark.parametrize('specification', [
    ALL_FIELDS,
    Specification('net', get_label_set('cityscapes')),
    Specification('net', get_label_set('camvid'), InputForm(size=(32, 64), padding=None)),
    Specification(
        'net', get_label_set('camvid'), InputForm(channels='gray', mean=(0.5,), std=(2.0,)),
    ),
])  # fmt: skip
def test_it_comes_back_as_it_was(specification):
    if specification.input.size is None:
        specification = dataclasses.replace(
            specification, input=dataclasses.replace(specification.input, dynamic=True)
        )
    text = dump_specification(specification, file='net.onnx')
    assert parse_specification(text, 'net.yaml') == specification


def test_classes_of_ones_own_come_back():
    given = parse_specification(TEXT, 'net.yaml')
    assert given.label_set.names == ('background', 'road', 'lane')
    assert given.label_set.classes[1].color == (1, 2, 3)
    assert [head.classes for head in given.outputs] == [(0, 1), (KEEP, 2)]
    assert parse_specification(dump_specification(given), 'net.yaml') == given


def test_the_schema_knows_every_field_and_is_one():
    jsonschema.Draft202012Validator.check_schema(schema())
    fields = {
        'input': InputForm, 'export': ExportFacts,
    }  # fmt: skip
    properties = schema()['properties']
    for name, kind in fields.items():
        names = {field.name for field in dataclasses.fields(kind)}
        assert properties[name]['properties'].keys() == names
    heads = properties['outputs']['items']['properties']
    assert heads.keys() == {field.name for field in dataclasses.fields(Head)}
    for part in (properties, *(properties[name]['properties'] for name in fields), heads):
        assert all(entry.get('description') or '$ref' in entry for entry in part.values())


@pytest.mark.parametrize(
    ('old', 'new', 'said'),
    [
        ('role: background', 'role: road', r"labels\[0\]\.role: 'road' is not one of"),
        ('input:', 'inptu:', "inptu: unknown field 'inptu': did you mean 'input'"),
        ('size:', 'chanels: rgb, size:', "input.chanels: unknown field 'chanels': did you mean"),
        ('bgr', 'brg', "input.channels: 'brg' is not one of"),
        ('[384,', '[-3,', r'input\.size\[0\]: -3 is less than the minimum'),
        ('[384,', '[9000,', r'input\.size\[0\]: 9000 is greater than the maximum'),
        ('[1, 2, 3], range', '[1, 2], range', 'input.mean: 2 values, but channels: bgr needs 3'),
        ('[0, 255]', '[.inf, 3]', r'input\.range\[0\]: inf, but it must be finite'),
        ('[0, 255]', '[3, 3]', 'input.range: .* must differ'),
        ('size:', 'std: [1, 0, 1], size:', 'input.std: .* above 0'),
        ('size:', 'multiple: 50, size:', 'input.size: .* multiples of 50'),
        ('size:', 'type: uint8, size:', 'input.type: uint8 .* give range'),
        ('version: 1', 'version: 2', 'version: 2, but this package reads 1: update'),
        ('version: 1', '', 'version: missing'),
        ('input: {size: [384, 640]', 'input: {size: 3', "input.size: 3 is not of type 'array'"),
        ('keep', 'kepp', r"outputs\[1\]\.classes\[0\]: 'kepp' is no class of the labels: choose"),
        ('lane]', '7]', r'outputs\[1\]\.classes\[1\]: 7, but the labels have 0 to 2'),
        ('[background, road]', '[keep, road]', r'outputs\[0\]\.classes: .* nothing to keep'),
        ('name: lane', 'name: road', "labels: 'road' is there twice"),
        ('name: lane', 'name: keep', "labels: 'keep' has a meaning of its own"),
        ('name: da', 'kind: labels, channel: 1, name: da', r'outputs\[0\]\.channel: labels'),
        ('name: da', 'kind: logit, name: da', r"outputs\[0\]\.kind: 'logit' is not one of"),
        ('name: da', 'threshold: 1, name: da', r'outputs\[0\]\.threshold: 1'),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named_in_one_line(old, new, said):
    assert old in TEXT
    with pytest.raises(WeightsError, match=f'^net.yaml: {said}'):
        parse_specification(TEXT.replace(old, new, 1), 'net.yaml')
    refused(TEXT.replace(old, new, 1))


def test_more_classes_than_a_mask_can_hold_are_refused():
    many = [{'name': f'c{number}', 'role': 'obstacle'} for number in range(255)]
    said = refused(yaml.safe_dump({'version': 1, 'labels': many}))
    assert said.startswith('net.yaml: labels: 255 entries, but at most 254 are allowed')
    parse_specification(yaml.safe_dump({'version': 1, 'labels': many[:254]}), 'net.yaml')


@pytest.mark.parametrize(
    'text', ['[', '3', '', 'a: b: c', 'x: !!python/object:os.system {}', '- 1']
)
def test_what_is_no_specification_is_refused(text):
    assert refused(text).startswith('net.yaml: ')


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'net.onnx').write_bytes(b'network')
    (tmp_path / 'net.yaml').write_text(TEXT)
    return tmp_path


def test_network_and_specification_lead_to_each_other(folder):
    digest = hashlib.sha256(b'network').hexdigest()
    for name in ('net.onnx', 'net.yaml'):
        file = open_network_file(folder / name)
        assert (file.path, file.sha256, file.classes) == (folder / 'net.onnx', digest, 3)
    assert read_specification(folder / 'net.yaml') == file.specification
    assert is_network_file('a/net.onnx')
    assert not is_network_file('net.safetensors')


def test_openvino_needs_both_of_its_files(folder):
    (folder / 'net.onnx').rename(folder / 'net.xml')
    with pytest.raises(WeightsError, match=r'net\.bin does not exist'):
        open_network_file(folder / 'net.xml')
    (folder / 'net.bin').write_bytes(b'weights')
    digest = hashlib.sha256(b'networkweights').hexdigest()
    assert open_network_file(folder / 'net.yaml').sha256 == digest


@pytest.mark.parametrize(
    ('spoil', 'given', 'said'),
    [
        (lambda f: (f / 'net.yaml').unlink(), 'net.onnx', r'does not exist: write one with `mfar'),
        (lambda f: (f / 'net.onnx').unlink(), 'net.onnx', r'network file .* does not exist'),
        (lambda f: (f / 'net.onnx').unlink(), 'net.yaml', r'neither net\.onnx and net\.xml exist'),
        (lambda f: (f / 'net.xml').touch(), 'net.yaml', r'both net\.onnx and net\.xml exist'),
        (lambda f: append(f, f'sha256: "{"0" * 64}"'), 'net.yaml', 'sha256: it belongs to'),
        (lambda f: append(f, 'file: ../x.onnx'), 'net.yaml', r"file: '\.\./x\.onnx', but"),
        (lambda f: append(f, 'file: other.onnx'), 'net.onnx', 'it belongs to other.onnx'),
        (lambda f: (f / 'net.yaml').write_bytes(b'\xff\xfe\xff'), 'net.yaml', 'no text in UTF-8'),
        (lambda f: (f / 'net.yaml').write_text('#' * 2_000_000), 'net.yaml', 'no specification'),
    ],
)  # fmt: skip
def test_files_that_do_not_belong_together_are_refused(folder, spoil, given, said):
    spoil(folder)
    with pytest.raises(WeightsError, match=said) as caught:
        open_network_file(folder / given)
    assert '\n' not in str(caught.value)


def append(folder, line):
    with (folder / 'net.yaml').open('a') as file:
        file.write(line + '\n')


def test_ids_become_labels():
    assert label_table(Head(), 3).tolist() == [0, 1, 2]
    assert label_table(Head(classes=(KEEP, 7)), 2).tolist() == [KEEP, 7]
    assert [id_count(Head(), 1), id_count(Head(), 5), id_count(Head(channel=3), 5)] == [2, 5, 2]


def test_the_schema_is_in_the_package():
    assert json.dumps(schema()).count('description') > 20
