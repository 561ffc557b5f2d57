# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Chooses the backend of a network file where `runtime.backend` is auto."""

from __future__ import annotations

import logging
from importlib.util import find_spec

from mfaranet_ros.backends.device import plain_device
from mfaranet_ros.backends.file_backend import precision_of
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.specification_file import is_network_file, open_network_file
from mfaranet_ros.pipeline.trial import Build, why_not_faster

logger = logging.getLogger(__name__)


def choose_file_backend(config: PipelineConfig, build: Build) -> PipelineConfig:
    """Return the configuration with OpenVINO for an ONNX file on a CPU, where it is faster.

    OpenVINO, in float32 where no precision is set, must pass the self-test and be at least as
    fast as ONNX Runtime, measured once for each machine. It is also taken where ONNX Runtime
    opens the file but fails in running it, which is logged.
    Raises WeightsError for a file that cannot be read, ConfigError for one that ONNX Runtime
    refuses.
    """
    runtime = config.runtime
    given = next(filter(is_network_file, (config.model.weights, config.model.name)), '')
    if not given or runtime.backend != 'auto' or find_spec('openvino') is None:
        return config
    if runtime.device not in ('auto', 'cpu') or plain_device(runtime.device).type != 'cpu':
        return config
    file = open_network_file(given)
    precision = runtime.precision
    if precision == 'auto' and precision_of(file) != 'int8':
        precision = 'float32'  # in bfloat16 a file of others would not give its own labels
    chosen = replace(config, {'runtime.backend': 'openvino', 'runtime.precision': precision})
    if file.path.suffix != '.onnx' or find_spec('onnxruntime') is None:
        return chosen
    usual = replace(config, {'runtime.backend': 'onnx'})
    try:
        why_not = why_not_faster(
            usual, chosen, least_gain=1.0, facts=(file.sha256, runtime.precision), build=build
        )
    except InferenceError as error:
        logger.warning('runtime.backend auto: openvino, since onnx fails: %s', error)
        return chosen
    if why_not:
        logger.info('runtime.backend auto: onnx, since of openvino %s', why_not)
        return config
    logger.info('runtime.backend auto: openvino, which is at least as fast as onnx here')
    return chosen
