# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The check, when the node is configured, that a backend gives what the network file gives.

The stored frame goes through the pipeline like a camera frame. The same input is then run by the
file itself, plainly: by ONNX Runtime on the CPU without its optimisations, or by OpenVINO in
float32 where the file is OpenVINO's or ONNX Runtime is not installed. What the file gives must
also be what its specification says.
"""

from __future__ import annotations

import math
import time
from importlib.util import find_spec
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.agreement import (
    MAX_CLEARLY_WRONG,
    MIN_AGREEMENT,
    SelfTestResult,
    failure,
)
from mfaranet_ros.backends.file_backend import OpenVinoFileBackend, batched
from mfaranet_ros.backends.file_fit import check_outputs
from mfaranet_ros.backends.onnx_session import import_onnxruntime
from mfaranet_ros.backends.protocol import Backend
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.frame import Frame, Geometry
from mfaranet_ros.core.specification import FileOutputs, NetworkFile
from mfaranet_ros.core.specification_file import specification_path

_SURE = 0.9 * 255
"""Confidence of the reference from which on another label is clearly wrong."""

_ADVICE = 'or another runtime.backend, and look at the result of `mfaranet inspect --image`'


def run_file_self_test(backend: Any, file: NetworkFile, stages: Any) -> SelfTestResult:
    """Segment the stored frame and compare it with the file's own plain float32 run.

    stages: has the `preprocess` and `postprocess` that camera frames go through.
    Raises WeightsError where the outputs are not what the specification says, ConfigError where
    the backend gives something else than the file, InferenceError if it fails.
    """
    given, geometry = stages.preprocess(fitting_frame(stages.preprocess))
    outputs, warm_up_ms = _timed(backend, given)
    where = specification_path(file.path)
    check_outputs(file.specification, outputs, geometry.input, where)
    sure = file.specification.has_confidence
    labels = _labels(stages.postprocess, outputs, geometry, sure)[0]
    again, run_ms = _timed(backend, given)
    differing = float(np.mean(labels != _labels(stages.postprocess, again, geometry, sure)[0]))
    if differing > 0:
        raise failure(
            backend, f'two runs of one frame differ on {differing:.2%} of the pixels', _ADVICE
        )
    reference = plain_outputs(file, given)
    expected, confidence = _labels(stages.postprocess, reference, geometry, sure)
    agreement = float(np.mean(labels == expected))
    clearly_wrong = math.nan
    if confidence is not None:
        clearly_wrong = float(np.mean((labels != expected) & (confidence > _SURE)))
    if agreement < MIN_AGREEMENT or clearly_wrong > MAX_CLEARLY_WRONG:
        raise failure(
            backend,
            f'{agreement:.2%} of the pixels have the label that {file.path.name} gives by itself '
            f'and {clearly_wrong:.2%} are clearly wrong, but it must be {MIN_AGREEMENT:.0%} or '
            f'more and {MAX_CLEARLY_WRONG:.2%} or less',
            _ADVICE,
        )
    return SelfTestResult(agreement, clearly_wrong, warm_up_ms, run_ms)


def fitting_frame(preprocess: Any) -> Frame:
    """Return the stored frame, made smaller where an input that does not scale is smaller."""
    frame = stored_frame()
    try:
        preprocess.geometry(*frame.size)
    except InferenceError:
        height, width = preprocess.size
        pixels = np.asarray(cv2.resize(frame.pixels, (width, height)), np.uint8)
        return Frame(pixels, frame.encoding, frame.stamp_ns, frame.frame_id)
    return frame


def _timed(backend: Backend, given: Any) -> tuple[Any, float]:
    start_ns = time.perf_counter_ns()
    outputs: Any = backend(given)
    return outputs, (time.perf_counter_ns() - start_ns) / 1e6


def _labels(
    postprocess: Any, outputs: FileOutputs, geometry: Geometry, confidence: bool
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    found: tuple[NDArray[np.uint8], NDArray[np.uint8] | None] = postprocess(
        outputs, geometry, resolution='network', with_confidence=confidence
    )
    return found


def plain_outputs(file: NetworkFile, given: NDArray[Any]) -> FileOutputs:
    """Return what a file itself gives for an input, a batch of one, on the CPU in float32."""
    if file.path.suffix != '.onnx' or find_spec('onnxruntime') is None:
        plain = RuntimeConfig(backend='openvino', device='cpu', precision='float32')
        return OpenVinoFileBackend(plain, file)(given)
    runtime = import_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = runtime.InferenceSession(str(file.path), options, providers=['CPUExecutionProvider'])
    names = list(file.specification.output_names)
    arrays = session.run(names, {file.specification.input.name: np.ascontiguousarray(given)})
    return batched(file, arrays)
