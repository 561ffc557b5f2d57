"""What is running: the facts that every diagnostics message and every report carries."""

from __future__ import annotations

import resource

import torch

from mfaranet_ros.pipeline.backends import BackendInfo
from mfaranet_ros.pipeline.config import ModelConfig
from mfaranet_ros.pipeline.network import Network
from mfaranet_ros.pipeline.selftest import SelfTestResult

Facts = tuple[tuple[str, str], ...]


def describe(
    config: ModelConfig, network: Network, backend: BackendInfo, tested: SelfTestResult
) -> Facts:
    """Return name and value of everything that decides about the results."""
    weights = network.weights
    return (
        ('name', config.name if weights else 'none: the mock draws bands, no network runs'),
        ('scales', ','.join(map(str, config.scales))),
        ('precision', backend.precision),
        ('backend', backend.name),
        ('device', backend.device),
        ('weights', str(weights.path) if weights else 'none'),
        ('weights_sha256', weights.sha256 if weights else 'none'),
        ('label_set', network.label_set.name),
        ('classes', str(len(network.label_set))),
        ('self_test_agreement', f'{tested.agreement:.4f}'),
        ('warm_up_ms', f'{tested.warm_up_ms:.1f}'),
        ('torch', torch.__version__),
    )


def memory() -> Facts:
    """Return the memory in use now, in MB: of the process, and of the device where it has its own.

    The process figure is the peak of its resident set.
    """
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    facts: Facts = (('memory_peak_mb', f'{peak_mb:.0f}'),)
    if torch.cuda.is_available():
        facts += (('device_memory_mb', f'{torch.cuda.memory_allocated() / 2**20:.0f}'),)
    return facts
