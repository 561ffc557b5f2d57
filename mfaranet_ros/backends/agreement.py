# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a self-test finds, and how much a backend must agree with the network."""

from __future__ import annotations

from dataclasses import dataclass

from mfaranet_ros.backends.protocol import Backend
from mfaranet_ros.core.errors import ConfigError

MIN_AGREEMENT = 0.98
"""Share of the pixels whose label must be that of plain float32."""

MAX_CLEARLY_WRONG = 0.0005
"""Share of the pixels that may be clearly wrong."""


@dataclass(frozen=True)
class SelfTestResult:
    """What the self-test found.

    agreement: share of the pixels with the label of plain float32; clearly_wrong: share of those
        whose label is not even nearly the best. Not a number where no network runs.
    warm_up_ms: the backend's first run, run_ms: its second one.
    """

    agreement: float
    clearly_wrong: float
    warm_up_ms: float
    run_ms: float


def failure(
    backend: Backend, found: str, advice: str = "or runtime.backend = 'torch'"
) -> ConfigError:
    """Return the error for a backend that does not give what the network gives."""
    info = backend.describe()
    return ConfigError(
        f'self-test of backend {info.name!r} in {info.precision} on {info.device}: {found}; '
        f"try runtime.precision = 'float32' {advice}"
    )
