# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Makes a FrameProcessor of a configuration, proves it, and says what it is made of."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from mfaranet_ros.backends import Backend, check_runtime, create_backend
from mfaranet_ros.backends.agreement import SelfTestResult
from mfaranet_ros.backends.network import Network, load_network, mock_network
from mfaranet_ros.core.config import ModelConfig, PipelineConfig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.core.specification_file import is_network_file
from mfaranet_ros.core.versions import versions
from mfaranet_ros.geometry.ground_source import GroundLookup
from mfaranet_ros.pipeline.ego_mask import load_ego_mask
from mfaranet_ros.pipeline.file_choice import choose_file_backend
from mfaranet_ros.pipeline.file_postprocess import FilePostprocess
from mfaranet_ros.pipeline.file_preprocess import FilePreprocess
from mfaranet_ros.pipeline.int8 import choose_precision
from mfaranet_ros.pipeline.prepared import warn_if_stale
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
    mock = config.runtime.backend == 'mock' or backend is not None
    if not mock:
        config = choose_precision(config, build_as_given)
        config = choose_file_backend(config, build_as_given)
    return build_as_given(config, backend=backend, label=label, ground=ground, now_ns=now_ns)


def build_as_given(
    config: PipelineConfig,
    *,
    backend: Backend | None = None,
    label: str = '',
    ground: GroundLookup | None = None,
    now_ns: Callable[[], int] | None = None,
) -> FrameProcessor:
    """Do as `build_processor`, with no other file than the one that is configured."""
    size, ego_mask = (config.input.height, config.input.width), load_ego_mask(config.input)
    mock = config.runtime.backend == 'mock' or backend is not None
    check_runtime(config.runtime, is_file=is_file(config.model) and not mock)
    network = mock_network(config.model) if mock else load_network(config.model)
    check_confidence(network, config)
    if backend is None and network.weights is not None:
        warn_if_stale(config, network.weights.sha256)
    backend = backend or create_backend(
        config.runtime, network.model, classes=len(network.label_set), size=size
    )
    preprocess, postprocess = _stages(network, backend, size)
    return FrameProcessor(
        network,
        backend,
        preprocess,
        postprocess,
        config,
        label,
        ground,
        now_ns,
        ego_mask=ego_mask,
    )


def is_file(model: ModelConfig) -> bool:
    """Return whether the network is a network file, which runs without torch."""
    return is_network_file(model.name) or is_network_file(model.weights)


NO_CONFIDENCE = 'none: the network gives labels only'


def check_confidence(network: Network, config: PipelineConfig) -> None:
    """Raise ConfigError where the settings ask for a confidence that the network does not have."""
    least = config.drivable.min_confidence
    if least > 0 and not network.has_confidence:
        raise ConfigError(
            f'drivable.min_confidence = {least:g}, but {network.name} gives labels only and '
            'nothing says how sure they are: set it to 0'
        )


def _stages(network: Network, backend: Any, size: tuple[int, int]) -> tuple[Any, Any]:
    """Return what stands before and after the backend."""
    if isinstance(network.model, NetworkFile):
        specification = network.model.specification
        return FilePreprocess(specification.input, size), FilePostprocess(specification)
    from mfaranet_ros.pipeline.postprocess import postprocess
    from mfaranet_ros.pipeline.preprocess import Preprocess

    return (
        Preprocess(network.mean, network.std, size, backend.device, backend.dtype),
        postprocess,
    )


def prepare(processor: FrameProcessor) -> Facts:
    """Test and warm up the backend of a processor; return what is running.

    Raises ConfigError or InferenceError if the backend does not do what the network does.
    """
    tested = _self_test(processor)
    height, width = processor.config.input.height, processor.config.input.width
    if height and width:
        blank = Frame(np.zeros((height, width, 3), np.uint8), 'rgb8', 0, '')
        processor.backend(processor.preprocess(blank)[0])
    return _describe(processor, tested)


def _self_test(processor: FrameProcessor) -> SelfTestResult:
    model, preprocess = processor.network.model, processor.preprocess
    if isinstance(model, NetworkFile):
        from mfaranet_ros.backends.file_selftest import run_file_self_test

        return run_file_self_test(processor.backend, model, processor)
    from mfaranet_ros.backends.selftest import run_self_test

    of_torch: Any = preprocess  # has mean, std and device
    return run_self_test(
        processor.backend,
        model,
        of_torch,
        processor.postprocess,
        classes=len(processor.label_set),
    )


def _describe(processor: FrameProcessor, tested: SelfTestResult) -> Facts:
    config, network = processor.config, processor.network
    weights, backend = network.weights, processor.backend.describe()
    return (
        ('name', network.name),
        ('operating_point', processor.label),
        ('scales', _scales(network, config.model)),
        ('input_size', _input_size(processor)),
        ('precision', backend.precision),
        ('backend', backend.name),
        ('backend_detail', backend.detail),
        ('device', backend.device),
        ('weights', str(weights.path) if weights else 'none'),
        ('weights_sha256', weights.sha256 if weights else 'none'),
        ('label_set', network.label_set.name),
        ('classes', str(len(network.label_set))),
        ('confidence', 'probability' if network.has_confidence else NO_CONFIDENCE),
        ('self_test_agreement', f'{tested.agreement:.4f}'),
        ('warm_up_ms', f'{tested.warm_up_ms:.1f}'),
        ('torch', versions()['torch']),
    )


def _scales(network: Network, given: ModelConfig) -> str:
    """Return the kept scales; a network that cannot leave any out has all."""
    if isinstance(network.model, NetworkFile):
        export = network.model.specification.export
        return ','.join(map(str, export.scales)) if export and export.scales else 'all'
    from mfaranet_ros.models import get_model_entry, list_models

    partial = given.name not in list_models() or get_model_entry(given.name).has_scales
    return ','.join(map(str, given.scales)) if partial else 'all'


def _input_size(processor: FrameProcessor) -> str:
    """Return height and width of the network input; a side that is 0 follows the camera's."""
    given = processor.config.input
    height, width = given.height, given.width
    if isinstance(processor.preprocess, FilePreprocess):
        height, width = processor.preprocess.size
    if not (height or width):
        return 'camera'
    return f'{height or "camera"}x{width or "camera"}'


def memory_facts() -> Facts:
    """Return the memory in use now, in MB: of the process, and of a GPU where there is one.

    The process figure is the peak of its resident set.
    """
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts: Facts = (('memory_peak_mb', f'{peak_mb:.0f}'),)
    torch = sys.modules.get('torch')  # a network file needs none
    if torch is not None and torch.cuda.is_available():
        facts += (('device_memory_mb', f'{torch.cuda.memory_allocated() / 2**20:.0f}'),)
    return facts
