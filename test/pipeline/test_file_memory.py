# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The memory of a process does not grow over 2,000 frames through a network file."""

import gc
import resource

import numpy as np
import pytest

pytest.importorskip('onnx', reason='onnx is not installed')
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame, Output
from mfaranet_ros.pipeline.build import build_processor

FRAMES, WARM_UP = 2000, 200

LARGEST_GROWTH_MB = 4.0
"""2,000 labels of 48x64 alone would be 6 MB."""


def resident_mb():
    gc.collect()
    with open('/proc/self/statm', encoding='ascii') as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


@pytest.mark.parametrize('backend', ['onnx', 'openvino'])
def test_memory_does_not_grow(tmp_path, backend):
    pytest.importorskip({'onnx': 'onnxruntime'}.get(backend, backend))
    path = tiny_network(tmp_path / 'net.onnx', kind='probabilities')
    assert main(['inspect', str(path)]) == 0
    values = {'model.weights': str(path), 'runtime.backend': backend, 'runtime.threads': 1}
    processor = build_processor(replace(PipelineConfig(), values))
    frame = Frame(np.zeros((48, 64, 3), np.uint8), 'rgb8', 0, '')
    for number in range(WARM_UP + FRAMES):
        if number == WARM_UP:
            before_mb = resident_mb()
        processor(frame, (Output.MASK, Output.CONFIDENCE))
    grown_mb = resident_mb() - before_mb
    processor.close()
    assert grown_mb < LARGEST_GROWTH_MB
