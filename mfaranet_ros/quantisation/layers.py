# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How much noise INT8 adds in each layer, each being given what it gets in float32.

Every layer runs twice in one graph: as in the float32 file, and with its rounded input and weights
beside that. Only the layer's own rounding makes the two differ, so the layer at fault stands out,
and not all those that come after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfaranet_ros.backends.onnx_graph import import_onnx
from mfaranet_ros.backends.onnx_session import import_onnxruntime
from mfaranet_ros.quantisation.graph import QUANTISED, Floats

NOISY = 0.01
"""A layer with more noise than this share of its signal is at fault."""

AT_LEAST = 0.05
"""Share of the layers that are left in float32 where none of them is noisy by itself."""

_ROUNDING = ('QuantizeLinear', 'DequantizeLinear')


@dataclass(frozen=True)
class LayerNoise:
    """What INT8 does to one layer.

    name: of the node. noise: power of the difference to float32 over the power of the output,
    0 for none; 1 is as much noise as signal.
    """

    name: str
    noise: float


def compare_layers(
    plain: bytes, quantised: bytes, inputs: Sequence[Floats]
) -> tuple[LayerNoise, ...]:
    """Return the noise of each quantised layer, the worst first.

    plain: the float32 file that was quantised. inputs: as the file's input takes them; the noise
    is the mean over them.
    """
    onnx, runtime = import_onnx(), import_onnxruntime()
    model = onnx.load_from_string(plain)
    names = _add_rounded_layers(onnx, model, onnx.load_from_string(quantised).graph)
    if not names:
        return ()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(
        model.SerializeToString(), options, providers=['CPUExecutionProvider']
    )
    (given,) = session.get_inputs()
    outputs = [f'{name}/noise' for name in names]
    found = [session.run(outputs, {given.name: array}) for array in inputs]
    noise = np.asarray(found, np.float64).mean(axis=0)
    layers = [LayerNoise(name, float(value)) for name, value in zip(names, noise, strict=True)]
    return tuple(sorted(layers, key=lambda layer: -layer.noise))


def at_fault(noise: Sequence[LayerNoise]) -> list[str]:
    """Return the layers to leave in float32: the noisy ones, else the worst few."""
    noisy = [layer.name for layer in noise if layer.noise > NOISY]
    return noisy or [layer.name for layer in noise[: max(1, round(AT_LEAST * len(noise)))]]


def _add_rounded_layers(onnx: Any, model: Any, quantised: Any) -> list[str]:
    """Add each layer in its rounded form, and its noise as an output; return the layers' names."""
    graph, helper = model.graph, onnx.helper
    known = {tensor.name for tensor in graph.initializer}
    graph.initializer.extend(t for t in quantised.initializer if t.name not in known)
    changed = {t.name: f'{t.name}/changed' for t in quantised.initializer if t.name in known}
    for tensor in quantised.initializer:
        if tensor.name in changed:
            copy = onnx.TensorProto()
            copy.CopyFrom(tensor)
            copy.name = changed[tensor.name]
            graph.initializer.append(copy)
    plain_outputs = {node.name: node.output[0] for node in graph.node}
    plain_inputs = {node.name: list(node.input) for node in graph.node}
    names, added = [], []
    for node in quantised.node:
        if node.op_type in _ROUNDING:
            added.append(node)
        elif node.op_type in QUANTISED and node.name in plain_outputs:
            if list(node.input[:2]) == plain_inputs[node.name][:2]:
                continue  # it was left in float32
            rounded = onnx.NodeProto()
            rounded.CopyFrom(node)
            rounded.name = f'{node.name}/rounded'
            inputs = [changed.get(name, name) for name in node.input]
            del rounded.input[:], rounded.output[:]
            rounded.input.extend(inputs)
            rounded.output.append(rounded.name)
            added += [rounded, *_noise(helper, plain_outputs[node.name], node.name)]
            names.append(node.name)
    graph.node.extend(added)
    for name in names:
        value = helper.make_tensor_value_info(f'{name}/noise', onnx.TensorProto.FLOAT, [])
        graph.output.append(value)
    return names


def _noise(helper: Any, plain: str, name: str) -> list[Any]:
    """Return the nodes that compare a layer's output with that of its rounded form."""
    make, at = helper.make_node, f'{name}/'
    return [
        make('Sub', [plain, f'{name}/rounded'], [at + 'difference']),
        make('ReduceSumSquare', [at + 'difference'], [at + 'wrong'], keepdims=0),
        make('ReduceSumSquare', [plain], [at + 'all'], keepdims=0),
        make('Div', [at + 'wrong', at + 'all'], [at + 'noise']),
    ]
