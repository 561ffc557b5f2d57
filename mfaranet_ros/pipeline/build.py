# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Makes a FrameProcessor of a configuration, proves it, and says what it is made of."""

from __future__ import annotations

import resource
from collections.abc import Callable
from typing import Any

import torch

from mfaranet_ros.backends import Backend, check_runtime, create_backend, warm_up
from mfaranet_ros.backends.network import load_network, mock_network
from mfaranet_ros.backends.selftest import SelfTestResult, run_self_test
from mfaranet_ros.core.config import InputConfig, ModelConfig, PipelineConfig
from mfaranet_ros.geometry.ground_source import GroundLookup
from mfaranet_ros.models import get_model_entry, list_models
from mfaranet_ros.pipeline.postprocess import postprocess
from mfaranet_ros.pipeline.preprocess import Preprocess
from mfaranet_ros.pipeline.processor import FrameProcessor

Facts = tuple[tuple[str, str], ...]
"""Name and value of what decides about the results, for diagnostics and reports."""


def build_processor(
    config: PipelineConfig,
    *,
    backend: Backend | None = None,
    label: str = '',
    ground: GroundLookup | None = None,
    now_ns: Callable[[], int] | None = None,
) -> FrameProcessor:
    """Load the network of a configuration and put a processor around it; see FrameProcessor.

    backend: runs instead of the configured one; then no weights are loaded.
    Raises ConfigError, UnknownNameError or WeightsError for what does not fit.
    """
    check_runtime(config.runtime)
    size = config.input.height, config.input.width
    mock = config.runtime.backend == 'mock' or backend is not None
    network = mock_network(config.model) if mock else load_network(config.model)
    backend = backend or create_backend(
        config.runtime, network.model, classes=len(network.label_set), size=size
    )
    preprocess = Preprocess(network.mean, network.std, size, backend.device, backend.dtype)
    return FrameProcessor(network, backend, preprocess, postprocess, config, label, ground, now_ns)


def prepare(processor: FrameProcessor) -> Facts:
    """Test and warm up the backend of a processor; return what is running.

    Raises ConfigError or InferenceError if the backend does not do what the network does.
    """
    preprocess: Any = processor.preprocess  # that of networks of torch has mean, std and device
    tested = run_self_test(
        processor.backend,
        processor.network.model,
        preprocess,
        processor.postprocess,
        classes=len(processor.label_set),
    )
    height, width = processor.config.input.height, processor.config.input.width
    if height and width:
        warm_up(processor.backend, height, width)
    return _describe(processor, tested)


def _describe(processor: FrameProcessor, tested: SelfTestResult) -> Facts:
    config, network = processor.config, processor.network
    weights, backend = network.weights, processor.backend.describe()
    return (
        ('name', config.model.name if weights else 'none: the mock draws bands, no network runs'),
        ('operating_point', processor.label),
        ('scales', _scales(config.model)),
        ('input_size', _input_size(config.input)),
        ('precision', backend.precision),
        ('backend', backend.name),
        ('backend_detail', backend.detail),
        ('device', backend.device),
        ('weights', str(weights.path) if weights else 'none'),
        ('weights_sha256', weights.sha256 if weights else 'none'),
        ('label_set', network.label_set.name),
        ('classes', str(len(network.label_set))),
        ('self_test_agreement', f'{tested.agreement:.4f}'),
        ('warm_up_ms', f'{tested.warm_up_ms:.1f}'),
        ('torch', torch.__version__),
    )


def _scales(given: ModelConfig) -> str:
    """Return the kept scales; a network that cannot leave any out has all."""
    partial = given.name not in list_models() or get_model_entry(given.name).has_scales
    return ','.join(map(str, given.scales)) if partial else 'all'


def _input_size(given: InputConfig) -> str:
    """Return height and width of the network input; a side that is 0 follows the camera's."""
    if not (given.height or given.width):
        return 'camera'
    return f'{given.height or "camera"}x{given.width or "camera"}'


def memory_facts() -> Facts:
    """Return the memory in use now, in MB: of the process, and of a GPU where there is one.

    The process figure is the peak of its resident set.
    """
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts: Facts = (('memory_peak_mb', f'{peak_mb:.0f}'),)
    if torch.cuda.is_available():
        facts += (('device_memory_mb', f'{torch.cuda.memory_allocated() / 2**20:.0f}'),)
    return facts
