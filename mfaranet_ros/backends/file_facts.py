# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a network file says of itself, read before any runtime opens it; what is refused in one.

A network file may come from anywhere, and runtimes have had holes in what they do with it. So a
file that is too large, names data outside its folder, has operators that are no standard ones, or
tensors whose sizes do not fit their data is refused here. See SECURITY.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.specification import MAX_SIDE

DEFAULT_MAX_MB = 1000
"""As `model.max_file_mb`."""

STANDARD_DOMAINS = frozenset({'', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft'})
"""Operators of these domains need no code besides the runtime's own."""

_MAX_NODES = 200_000
_MAX_ELEMENTS = 2**31
"""Nodes of a graph, and values of a tensor; networks for images have far fewer."""


_UNCHANGING = (
    'Identity', 'Transpose', 'Squeeze', 'Unsqueeze', 'Cast', 'Reshape', 'Resize', 'Upsample',
    'Slice',
)  # fmt: skip
"""Operators that change the place of values or their type, not what they are."""

_WIDTHS = {
    'FLOAT': 4, 'UINT8': 1, 'INT8': 1, 'UINT16': 2, 'INT16': 2, 'INT32': 4, 'INT64': 8, 'BOOL': 1,
    'FLOAT16': 2, 'DOUBLE': 8, 'UINT32': 4, 'UINT64': 8, 'BFLOAT16': 2,
}  # fmt: skip
"""Bytes of a value by its type."""


@dataclass(frozen=True)
class TensorFacts:
    """One input or output.

    shape: None for a length that is open. type: such as float32. made_by: the operator that gives
    it, empty for an input. ids: among how many channels an ArgMax chose, None where that is open.
    """

    name: str
    shape: tuple[int | None, ...]
    type: str
    made_by: str = ''
    ids: int | None = None

    def __str__(self) -> str:
        lengths = 'x'.join('?' if length is None else str(length) for length in self.shape)
        return f'{self.name} {lengths or "of unknown shape"} {self.type}'


@dataclass(frozen=True)
class FileFacts:
    """What a network file says. opset: of ONNX's own operators, None for OpenVINO.

    producer: what wrote it. operators: their names, sorted. megabytes: with all of its data.
    """

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    opset: int | None
    producer: str
    operators: tuple[str, ...]
    megabytes: float


def read_facts(path: Path, max_mb: float = DEFAULT_MAX_MB) -> FileFacts:
    """Return what a file says of itself; nothing in it is run.

    path: an .onnx file, or the .xml of OpenVINO. max_mb: the largest size that is accepted.
    Raises WeightsError, in one line, for a file that is none or is refused, and ConfigError where
    the package onnx is missing.
    """
    _check_size(path, path.stat().st_size if path.is_file() else 0, max_mb)
    if path.suffix == '.xml':
        from mfaranet_ros.backends.openvino_facts import read_openvino_facts

        _check_size(path, sum(part.stat().st_size for part in _parts(path)), max_mb)
        return read_openvino_facts(path)
    return _read_onnx_facts(path, max_mb)


def _parts(path: Path) -> list[Path]:
    return [part for part in (path, path.with_suffix('.bin')) if part.is_file()]


def _check_size(path: Path, size: int, max_mb: float) -> None:
    if not size:
        raise WeightsError(f'network file {path} is empty or missing: copy it again')
    if size > max_mb * 1e6:
        raise WeightsError(
            f'{path} has {size / 1e6:.0f} MB, but model.max_file_mb allows {max_mb:g}: raise '
            'it if you trust the file'
        )


def check_side(path: Path, tensor: TensorFacts) -> None:
    """Raise WeightsError for an input or output of an absurd size."""
    for length in tensor.shape:
        if length is not None and length > 4 * MAX_SIDE:
            raise WeightsError(
                f'{path}: {tensor}: a side of {length} is refused, {4 * MAX_SIDE} are allowed'
            )


# -- ONNX ----------------------------------------------------------------------------------------


def _read_onnx_facts(path: Path, max_mb: float) -> FileFacts:
    onnx = _import_onnx()
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise WeightsError(f'{path} cannot be read: {error.strerror or error}') from error
    except Exception as error:  # protobuf's errors have no public base
        raise WeightsError(
            f'{path} is no ONNX file, or it is damaged: download it again'
        ) from error
    graph = model.graph
    if not graph.node or not graph.output or not model.opset_import:
        raise WeightsError(f'{path} is no ONNX file: it holds no graph')
    own = {(function.domain, function.name) for function in model.functions}
    nodes = list(_nodes(graph.node))
    nodes += [node for function in model.functions for node in _nodes(function.node)]
    if len(nodes) > _MAX_NODES:
        raise WeightsError(f'{path} has {len(nodes)} nodes, but {_MAX_NODES} are allowed')
    for node in nodes:
        if node.domain not in STANDARD_DOMAINS and (node.domain, node.op_type) not in own:
            raise WeightsError(
                f'{path} uses {node.op_type} of {node.domain!r}, an operator that needs code of '
                'its own, which is not loaded: export the network with standard operators'
            )
    external = 0
    for tensor in _tensors(graph, nodes):
        external += _check_tensor(onnx, path, tensor)
    _check_size(path, path.stat().st_size + external, max_mb)
    given = {tensor.name for tensor in graph.initializer}
    inputs = [_tensor_facts(onnx, value) for value in graph.input if value.name not in given]
    makers = {value.name: _maker(graph, value.name) for value in graph.output}
    shaped = _with_shapes(onnx, model, [node for node in makers.values() if node is not None])
    outputs = [_tensor_facts(onnx, value, makers[value.name], shaped) for value in shaped.output]
    for each in (*inputs, *outputs):
        check_side(path, each)
    opsets = [entry.version for entry in model.opset_import if entry.domain in ('', 'ai.onnx')]
    return FileFacts(
        tuple(inputs),
        tuple(outputs),
        opsets[0] if opsets else None,
        f'{model.producer_name} {model.producer_version}'.strip(),
        tuple(sorted({node.op_type for node in nodes})),
        (path.stat().st_size + external) / 1e6,
    )


def _with_shapes(onnx: Any, model: Any, makers: list[Any]) -> Any:
    """Return the graph of a model, with shapes that can be inferred where they are needed.

    makers: the nodes that give the outputs.
    """
    is_known = all(value.type.tensor_type.shape.dim for value in model.graph.output)
    if is_known and all(node.op_type != 'ArgMax' for node in makers):
        return model.graph
    try:
        return onnx.shape_inference.infer_shapes(model).graph
    except Exception:  # what it raises has no common base; the run will show the shapes
        return model.graph


def _maker(graph: Any, name: str) -> Any:
    """Return the node that gives an output, looking through those that change nothing."""
    nodes = {given: node for node in graph.node for given in node.output}
    for _ in range(len(nodes)):
        node = nodes.get(name)
        if node is None or node.op_type not in _UNCHANGING:
            break
        name = node.input[0]
    return nodes.get(name)


def _chosen_among(graph: Any, maker: Any) -> int | None:
    """Return among how many channels an ArgMax chooses, None where that is open."""
    if maker is None or maker.op_type != 'ArgMax':
        return None
    axis = next((each.i for each in maker.attribute if each.name == 'axis'), 0)
    for value in (*graph.value_info, *graph.output, *graph.input):
        dims = value.type.tensor_type.shape.dim
        if value.name == maker.input[0] and -len(dims) <= axis < len(dims):
            return dims[axis].dim_value or None
    return None


def _import_onnx() -> Any:
    try:
        import onnx
        import onnx.shape_inference
    except ImportError as error:
        raise ConfigError(
            f'an ONNX file is checked with the package onnx ({error}): pip install onnx'
        ) from error
    return onnx


def _nodes(nodes: Any) -> Iterator[Any]:
    """Yield nodes and those of the graphs within them."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)


def _tensors(graph: Any, nodes: list[Any]) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField('t'):
                yield attribute.t
            yield from attribute.tensors
            for inner in (attribute.g, *attribute.graphs):
                yield from inner.initializer


def _check_tensor(onnx: Any, path: Path, tensor: Any) -> int:
    """Refuse a constant whose size does not fit its data; return its bytes in other files."""
    count = math.prod(tensor.dims)
    if any(length < 0 for length in tensor.dims) or count > _MAX_ELEMENTS:
        raise WeightsError(f'{path}: tensor {tensor.name!r} of {list(tensor.dims)} is refused')
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        return _check_external(path, tensor)
    kind = onnx.TensorProto.DataType.Name(tensor.data_type)
    width = _WIDTHS.get(kind)
    if tensor.raw_data and width and len(tensor.raw_data) != count * width:
        raise WeightsError(
            f'{path}: tensor {tensor.name!r} of {list(tensor.dims)} has {len(tensor.raw_data)} '
            'bytes: the file is damaged'
        )
    return 0


def _check_external(path: Path, tensor: Any) -> int:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get('location', '')
    folder = path.resolve().parent
    file = (folder / location).resolve()
    if not location or Path(location).is_absolute() or not file.is_relative_to(folder):
        raise WeightsError(
            f'{path}: tensor {tensor.name!r} lies in {location!r}, outside the folder of the '
            'network: refused'
        )
    if not file.is_file():
        raise WeightsError(f'{path} needs {location}, which does not exist: copy it beside it')
    try:
        offset, length = int(entries.get('offset', 0)), int(entries.get('length', 0))
    except ValueError as error:
        raise WeightsError(f'{path}: tensor {tensor.name!r}: {error}') from error
    size = file.stat().st_size
    length = length or size - offset
    if offset < 0 or length < 0 or offset + length > size:
        raise WeightsError(
            f'{path}: tensor {tensor.name!r} ends at byte {offset + length} of {location}, which '
            f'has {size}: copy it again'
        )
    return length


def _tensor_facts(onnx: Any, value: Any, maker: Any = None, graph: Any = None) -> TensorFacts:
    kind = value.type.tensor_type
    shape = tuple(
        dim.dim_value if dim.HasField('dim_value') and dim.dim_value > 0 else None
        for dim in kind.shape.dim
    )
    name = onnx.TensorProto.DataType.Name(kind.elem_type).lower()
    name = {'float': 'float32', 'double': 'float64'}.get(name, name)
    if maker is None:
        return TensorFacts(value.name, shape, name)
    return TensorFacts(value.name, shape, name, maker.op_type, _chosen_among(graph, maker))
