# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is running: the facts that every diagnostics message and every report carries."""

from __future__ import annotations

import resource

import torch

from mfaranet_ros.adaptive.operating_points import OperatingPoint, has_scales
from mfaranet_ros.backends import BackendInfo
from mfaranet_ros.backends.network import Network
from mfaranet_ros.backends.selftest import SelfTestResult
from mfaranet_ros.core.config import InputConfig, ModelConfig, PipelineConfig

Facts = tuple[tuple[str, str], ...]


def describe(
    config: PipelineConfig,
    operating_point: OperatingPoint,
    network: Network,
    backend: BackendInfo,
    tested: SelfTestResult,
) -> Facts:
    """Return name and value of everything that decides about the results."""
    weights = network.weights
    return (
        ('name', config.model.name if weights else 'none: the mock draws bands, no network runs'),
        ('operating_point', str(operating_point)),
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
    """Return the kept scales; a network that cannot be built without some of its own has all."""
    return ','.join(map(str, given.scales)) if has_scales(given.name) else 'all'


def _input_size(given: InputConfig) -> str:
    """Return height and width of the network input; a side that is not given follows the camera's
    image."""
    if not (given.height or given.width):
        return 'camera'
    return f'{given.height or "camera"}x{given.width or "camera"}'


def memory() -> Facts:
    """Return the memory in use now, in MB: of the process, and of the device where it has its own.

    The process figure is the peak of its resident set.
    """
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts: Facts = (('memory_peak_mb', f'{peak_mb:.0f}'),)
    if torch.cuda.is_available():
        facts += (('device_memory_mb', f'{torch.cuda.memory_allocated() / 2**20:.0f}'),)
    return facts
