# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Signs of a broken camera in the pixels of one frame."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from mfaranet_ros.core.frame import Frame

SAMPLES = 64
"""Rows and columns of the sample; a frame of any size costs the same."""


@dataclass(frozen=True)
class FrameHealth:
    """Statistics of a sample of a frame.

    brightness: mean of the sample, 0 to 255.
    saturated_share: share of the sample at 250 or more, 0 to 1.
    fingerprint: equal for equal samples; the noise of a working camera changes it.
    """

    brightness: float
    saturated_share: float
    fingerprint: int


def look_at(frame: Frame) -> FrameHealth:
    """Look at up to SAMPLES x SAMPLES pixels spread evenly over the frame."""
    height, width = frame.size
    colors = frame.pixels[:, :, :3]
    sample = np.ascontiguousarray(
        colors[:: max(1, height // SAMPLES), :: max(1, width // SAMPLES)]
    )
    return FrameHealth(
        brightness=float(sample.mean()),
        saturated_share=float((sample >= 250).mean()),
        fingerprint=zlib.crc32(sample.data),
    )
