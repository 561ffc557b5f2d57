# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network as an ONNX graph, traced by torch, in one piece of bytes.

Opset 18, no later: from 20 on GridSample calls its mode `linear`, which the parser of TensorRT
does not know and reads as nearest. torch's newer exporter fixes the sizes it happens to see, and
gives graphs that fail at other ones; the older one, which traces, does not.

What depends on constants alone is computed here. In a graph for one size that is all that is
computed from sizes, so that what reads the file finds numbers there.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mfaranet_ros.backends.rewrite import rewrite
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.models.layers import resize

OPSET = 18
INPUT = 'image'
OUTPUTS = ('logits', 'labels')

_DTYPES = {'float32': torch.float32, 'float16': torch.float16}
PRECISIONS = tuple(_DTYPES)

_TRACED_SIZE = (64, 96)
"""Height and width at which a network is traced, for any size and for one: it runs meanwhile, and
in float16 a CPU takes minutes for a large image."""

_LARGEST_FOLDED = 100_000
"""Bytes that a computed constant may have; rows and columns of a grid are far smaller."""

_SIZE_AXES = ('height', 'width')
"""The names of the axes of the input whose length is open."""

Shape = tuple[int | str, ...]
"""Lengths, or the names of axes whose length is open."""


def make_graph(
    model: nn.Module, *, precision: str, outputs: str, size: tuple[int, int] | None
) -> bytes:
    """Return an ONNX file of a model; the model given stays as it is.

    model: on the CPU, float32, with `coarse_logits`. precision: of all but the sampling, float32
    or float16. size: (height, width) of its only input size; None for any size.
    outputs: `logits`, which are (1, C, ceil(h/4), ceil(w/4)) in that precision, or `labels`, which
    are uint8 (1, h, w). The input `image` is (1, 3, h, w), normalised, in that precision.

    Raises ConfigError where onnx is not installed or torch cannot trace the model.
    """
    onnx = import_onnx()
    network = (_Logits if outputs == 'logits' else _Labels)(model)
    network = network.eval().to(_DTYPES[precision])
    image = torch.zeros((1, 3, *_TRACED_SIZE), dtype=_DTYPES[precision])
    traced: Any = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter('ignore')  # that this exporter is the older one
            torch.onnx.export(
                network, (image,), traced, opset_version=OPSET, dynamo=False,
                input_names=[INPUT], output_names=[outputs],
                dynamic_axes={INPUT: dict(zip((2, 3), _SIZE_AXES, strict=True))},
            )  # fmt: skip
    except (RuntimeError, TypeError, torch.onnx.OnnxExporterError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f'torch {torch.__version__} cannot export this network to ONNX: {line}; '
            'use torch 2.5 to 2.13'
        ) from error
    file = onnx.load_from_string(traced.getvalue())
    shapes = {INPUT: (1, 3, 'height', 'width'), outputs: network.shape()}
    _set_shapes(file.graph, shapes, size)
    fold_constants(file)
    data: bytes = file.SerializeToString()
    return data


def _set_shapes(graph: Any, shapes: dict[str, Shape], size: tuple[int, int] | None) -> None:
    """Say what shape input and output have, for any size or for one."""
    lengths: dict[int | str, int] = {}
    for axis, length in zip(_SIZE_AXES, size or (), strict=False):
        lengths[axis], lengths[f'coarse_{axis}'] = length, -(-length // 4)
    for value in (*graph.input, *graph.output):
        shape = value.type.tensor_type.shape
        del shape.dim[:]
        for entry in shapes[value.name]:
            known = lengths.get(entry, entry)
            shape.dim.add(**{'dim_param' if isinstance(known, str) else 'dim_value': known})
    del graph.value_info[:]


class _Logits(nn.Module):
    """Coarse logits. On a GPU sampling is one operator, in the graph it is always."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.network: Any = rewrite(model, torch.device('cuda'))

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.network.coarse_logits(image)
        return logits

    @torch.inference_mode()
    def shape(self) -> Shape:
        """Return the shape of what comes out; lengths that depend on the size by their name."""
        dtype = next(self.parameters()).dtype
        classes = self.network.coarse_logits(torch.zeros((1, 3, 4, 4), dtype=dtype)).shape[1]
        return (1, classes, 'coarse_height', 'coarse_width')


class _Labels(_Logits):
    """The label of each input pixel."""

    def forward(self, image: Tensor) -> Tensor:
        logits = resize(super().forward(image), image.shape[-2:])
        # TensorRT makes uint8 of float only, not of the integers of argmax.
        return logits.argmax(dim=1).to(torch.float32).to(torch.uint8)

    def shape(self) -> Shape:
        """Return the shape of what comes out; lengths that depend on the size by their name."""
        return (1, 'height', 'width')


# -- constants -----------------------------------------------------------------------------------


def fold_constants(model: Any) -> None:
    """Replace every node of an onnx.ModelProto that depends on constants alone by its value.

    The shape of what has a known shape is such a constant. What becomes known by that is found in
    the next round.
    """
    onnx, graph = import_onnx(), model.graph
    weights, inputs = list(graph.initializer), len(graph.input)
    # Meanwhile they are inputs: shapes are inferred on a copy, which is slow with the weights.
    del graph.initializer[:]
    for weight in weights:
        value = onnx.helper.make_tensor_value_info(weight.name, weight.data_type, weight.dims)
        graph.input.append(value)
    while True:
        inferred = onnx.shape_inference.infer_shapes(model)
        if not _fold_once(onnx, graph, _known_shapes(inferred.graph)):
            break
    del graph.input[inputs:]
    graph.initializer.extend(weights)


def _known_shapes(graph: Any) -> dict[str, tuple[int, ...]]:
    shapes = {}
    for value in (*graph.input, *graph.value_info):
        dims = value.type.tensor_type.shape.dim
        if dims and all(dim.HasField('dim_value') for dim in dims):
            shapes[value.name] = tuple(dim.dim_value for dim in dims)
    return shapes


def _fold_once(onnx: Any, graph: Any, shapes: dict[str, tuple[int, ...]]) -> bool:
    """Fold what can be; return whether anything was."""
    constants: dict[str, Any] = dict(_constants(onnx, graph))
    kept, folded = [], False
    for node in graph.node:
        if node.op_type == 'Shape' and node.input[0] in shapes:
            value = np.asarray(shapes[node.input[0]][slice(*_ends(node))], np.int64)
        elif node.op_type in ('Constant', 'Identity') or not _is_constant(node, constants):
            kept.append(node)
            continue
        else:
            inputs = {name: constants[name] for name in node.input if name}
            (value,) = onnx.reference.ReferenceEvaluator(node).run(None, inputs)
        if value.nbytes > _LARGEST_FOLDED:
            kept.append(node)
            continue
        constants[node.output[0]] = value
        name = node.output[0]
        kept.append(
            onnx.helper.make_node(
                'Constant', [], [name], name=name, value=onnx.numpy_helper.from_array(value)
            )
        )
        folded = True
    used = {name for node in kept for name in node.input} | {out.name for out in graph.output}
    del graph.node[:]
    graph.node.extend(node for node in kept if used.intersection(node.output))
    del graph.value_info[:]  # of names that may be gone
    return folded


def _constants(onnx: Any, graph: Any) -> Iterator[tuple[str, Any]]:
    for node in graph.node:
        if node.op_type == 'Constant' and node.attribute[0].name == 'value':
            yield node.output[0], onnx.numpy_helper.to_array(node.attribute[0].t)


def _is_constant(node: Any, constants: dict[str, Any]) -> bool:
    return len(node.output) == 1 and all(not name or name in constants for name in node.input)


def _ends(node: Any) -> tuple[int | None, int | None]:
    given = {attribute.name: attribute.i for attribute in node.attribute}
    return given.get('start'), given.get('end')


def import_onnx() -> Any:
    """Return the package onnx, which makes files; raises ConfigError with how to install it."""
    try:
        import onnx
        import onnx.reference
        import onnx.shape_inference
    except ImportError as error:
        raise ConfigError(
            f'making an ONNX file needs the package onnx ({error}): pip install onnx onnxruntime'
        ) from error
    return onnx
