# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A float32 ONNX graph quantised to INT8 by NNCF, as a graph of the standard operators Q and DQ.

OpenVINO, ONNX Runtime and TensorRT all read that form. TensorRT has signed numbers only and one
scale for all channels of an activation, so it has a variant of its own from the same calibration.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.onnx_graph import import_onnx
from mfaranet_ros.backends.onnx_session import import_onnxruntime
from mfaranet_ros.core.errors import ConfigError

Floats = NDArray[np.float32]

QUANTISED = ('Conv', 'ConvTranspose', 'Gemm', 'MatMul')
"""The operators that have weights; these are the layers that can be left in float."""

_INSTALL = 'pip install nncf onnx onnxruntime'


def import_nncf() -> Any:
    """Return the package nncf; raises ConfigError with the install line without it.

    It reports its use unless that is switched off before it is imported.
    """
    os.environ.setdefault('NNCF_CI', '1')
    try:
        import nncf
    except ImportError as error:
        raise ConfigError(f'quantising needs NNCF ({error}): {_INSTALL}') from error
    # Its own set_log_level also changes the handlers of every other logger.
    logging.getLogger('nncf').setLevel(logging.ERROR)
    return nncf


def simplify(data: bytes) -> bytes:
    """Return an ONNX file in which all that depends on weights alone is computed.

    ONNX Runtime does it. What is left of a network are the operators that see the image.
    """
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, 'simple.onnx')
        options.optimized_model_filepath = str(path)
        runtime.InferenceSession(data, options, providers=['CPUExecutionProvider'])
        return path.read_bytes()


def quantise_graph(data: bytes, inputs: Sequence[Floats], keep: Iterable[str] = ()) -> bytes:
    """Return a float32 ONNX file quantised to INT8: weights by channel, activations symmetric.

    Activations have one scale each: ONNX Runtime runs no convolution whose input has several.

    inputs: what it is calibrated on, each as the file's only input takes it. keep: names of nodes
    that stay in float32. Raises ConfigError where NNCF is missing or cannot quantise the graph.
    """
    nncf, onnx = import_nncf(), import_onnx()
    from nncf.quantization.advanced_parameters import QuantizationParameters

    model = onnx.load_from_string(data)
    name = model.graph.input[0].name
    kept = sorted(keep)
    try:
        with redirect_stdout(io.StringIO()):  # its bars
            quantised = nncf.quantize(
                model,
                nncf.Dataset(list(inputs), lambda array: {name: array}),
                subset_size=len(inputs),
                preset=nncf.QuantizationPreset.PERFORMANCE,
                advanced_parameters=nncf.AdvancedQuantizationParameters(
                    activations_quantization_params=QuantizationParameters(per_channel=False)
                ),
                ignored_scope=nncf.IgnoredScope(names=kept) if kept else None,
            )
    except (RuntimeError, ValueError, nncf.errors.ValidationError) as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(
            f'NNCF {nncf.__version__} cannot quantise this network: {line}'
        ) from error
    result: bytes = quantised.SerializeToString()
    return result


def for_tensorrt(data: bytes) -> bytes:
    """Return a quantised file with signed numbers and one scale for each activation.

    Numbers of 0 to 255 times a scale become numbers of -128 to 127 times twice that scale, so
    activations that are never negative keep 7 of their 8 bits.
    """
    onnx = import_onnx()
    model = onnx.load_from_string(data)
    values = {tensor.name: tensor for tensor in model.graph.initializer}
    weights = {
        node.input[0] for node in model.graph.node if node.input and node.input[0] in values
    }
    changed: set[str] = set()
    for node in model.graph.node:
        if node.op_type not in ('QuantizeLinear', 'DequantizeLinear') or node.input[0] in weights:
            continue
        scale, zero = (onnx.numpy_helper.to_array(values[name]) for name in node.input[1:3])
        factor = np.float32(255 / 127 if zero.dtype == np.uint8 else 1)
        new = {
            node.input[1]: np.asarray(scale.max() * factor, np.float32),
            node.input[2]: np.asarray(0, np.int8),
        }
        for name in new.keys() - changed:
            values[name].CopyFrom(onnx.numpy_helper.from_array(new[name], name))
            changed.add(name)
        for attribute in [each for each in node.attribute if each.name == 'axis']:
            node.attribute.remove(attribute)
    del model.graph.value_info[:]  # of the types before
    result: bytes = model.SerializeToString()
    return result


def compact(data: bytes) -> bytes:
    """Return an ONNX file with short names inside and without the shapes that follow anyway.

    Inputs and outputs keep their names. Of a network with many small layers that is a seventh. A
    file with graphs within the graph is returned as it is.
    """
    model = import_onnx().load_from_string(data)
    graph = model.graph
    if any(attribute.HasField('g') for node in graph.node for attribute in node.attribute):
        return data
    kept = {value.name for value in (*graph.input, *graph.output)}
    names = {'': '', **{name: name for name in kept}}
    for node in graph.node:
        node.ClearField('name')
        for used in (node.input, node.output):
            used[:] = [names.setdefault(name, f'_{len(names):x}') for name in used]
    for tensor in graph.initializer:
        tensor.name = names.setdefault(tensor.name, f'_{len(names):x}')
    del graph.value_info[:]
    result: bytes = model.SerializeToString()
    return result


def is_quantised(data: bytes) -> bool:
    """Return whether an ONNX file holds operators that round to integers."""
    graph = import_onnx().load_from_string(data).graph
    return any(node.op_type == 'QuantizeLinear' for node in graph.node)


def opset_of(data: bytes) -> int:
    """Return the version of the standard operators of an ONNX file."""
    imports = import_onnx().load_from_string(data).opset_import
    return max(int(one.version) for one in imports if one.domain in ('', 'ai.onnx'))
