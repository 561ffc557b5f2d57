# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the .xml of an OpenVINO network says of itself, read without OpenVINO."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from mfaranet_ros.backends.file_facts import FileFacts, TensorFacts, check_side
from mfaranet_ros.core.errors import WeightsError

_TYPES = {
    'FP32': 'float32', 'F32': 'float32', 'FP16': 'float16', 'F16': 'float16', 'U8': 'uint8',
    'I8': 'int8', 'I32': 'int32', 'I64': 'int64', 'BF16': 'bfloat16', 'BOOL': 'bool',
    'BOOLEAN': 'bool',
}  # fmt: skip


def read_openvino_facts(path: Path) -> FileFacts:
    """Return what the file says; see `read_facts` for what is refused."""
    data = path.read_bytes()
    if b'<!DOCTYPE' in data or b'<!ENTITY' in data:
        raise WeightsError(f'{path}: declares entities of its own, which is refused')
    try:
        root = ElementTree.fromstring(data)  # no entities, as checked above
    except (ElementTree.ParseError, ValueError) as error:
        raise WeightsError(f'{path} is no OpenVINO network: {error}') from error
    layers = {layer.get('id', ''): layer for layer in root.iterfind('layers/layer')}
    if root.tag != 'net' or not layers:
        raise WeightsError(f'{path} is no OpenVINO network: it holds no layers')
    weights = path.with_suffix('.bin')
    if not weights.is_file():
        raise WeightsError(f'{weights} does not exist: OpenVINO needs it beside {path}')
    size = weights.stat().st_size
    for layer in layers.values():
        _check_layer(path, layer, size)
    sources = {
        edge.get('to-layer', ''): (edge.get('from-layer', ''), edge.get('from-port', ''))
        for edge in root.iterfind('edges/edge')
    }
    inputs, outputs = [], []
    for number, layer in layers.items():
        if layer.get('type') == 'Parameter':
            inputs.append(_tensor(layer, ''))
        if layer.get('type') == 'Result':
            source, port = sources.get(number, ('', ''))
            if source not in layers:
                raise WeightsError(f'{path}: output {layer.get("name")!r} comes from nowhere')
            outputs.append(_tensor(layers[source], port))
    if not inputs or not outputs:
        raise WeightsError(f'{path} is no OpenVINO network: it has no input or no output')
    for each in (*inputs, *outputs):
        check_side(path, each)
    return FileFacts(
        tuple(inputs),
        tuple(outputs),
        None,
        f'OpenVINO IR {root.get("version", "")}'.strip(),
        tuple(sorted({layer.get('type', '') for layer in layers.values()})),
        (len(data) + size) / 1e6,
    )


def _check_layer(path: Path, layer: ElementTree.Element, size: int) -> None:
    name, version = layer.get('name'), layer.get('version', '')
    if not re.fullmatch(r'opset\d+|ie_internal_opset', version):
        raise WeightsError(
            f'{path}: layer {name!r} of {version!r} needs code of its own, which is not loaded'
        )
    data = layer.find('data')
    if data is None or layer.get('type') != 'Const':
        return
    try:
        end = int(data.get('offset', '0')) + int(data.get('size', '0'))
    except ValueError as error:
        raise WeightsError(f'{path}: layer {name!r}: {error}') from error
    if end > size:
        raise WeightsError(
            f'{path}: layer {name!r} ends at byte {end} of the .bin file, which has {size}: copy '
            'both again'
        )


def _tensor(layer: ElementTree.Element, port_id: str) -> TensorFacts:
    ports = layer.findall('output/port')
    port = next((each for each in ports if each.get('id') == port_id), ports[0] if ports else None)
    name, shape, kind = layer.get('name', ''), [], ''
    if port is not None:
        name = port.get('names', name).split(',')[0]
        kind = port.get('precision', '')
        for dim in port.iterfind('dim'):
            text = dim.text or ''
            length = int(text) if text.isdigit() else -1
            shape.append(length if length > 0 else None)
    data = layer.find('data')
    if data is not None and not kind:
        kind = data.get('element_type', '')
    made_by = '' if layer.get('type') == 'Parameter' else layer.get('type', '')
    name_of_type = _TYPES.get(kind.upper(), kind.lower() or 'unknown')
    return TensorFacts(name, tuple(shape), name_of_type, made_by)
