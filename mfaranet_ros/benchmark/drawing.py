# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How long the synthetic scene takes to draw a frame, beside decoding a JPEG of that size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

QUALITY = 90
"""Of the JPEGs whose decoding is the reference, of 100."""


@dataclass(frozen=True)
class DrawingTimes:
    """Processor time of one thread in milliseconds, median over the frames of one size."""

    height: int
    width: int
    frames: int
    draw_ms: float
    decode_ms: float

    @property
    def rate_hz(self) -> float:
        """Frames that one core draws in a second."""
        return 1000 / self.draw_ms

    @property
    def ratio(self) -> float:
        """How many JPEGs could be decoded in the time of drawing one frame."""
        return self.draw_ms / self.decode_ms


def measure_drawing(
    drive: SyntheticScene, frames: Iterable[int], on_frame: Callable[[], object] = lambda: None
) -> DrawingTimes:
    """Draw frames with image, labels and depth; what is made once per camera is not counted."""
    drive.frame(0)
    draw_ms, decode_ms = [], []
    for index in frames:
        begin_ns = time.thread_time_ns()
        rgb = drive.frame(index).rgb
        drawn_ns = time.thread_time_ns()
        _, jpeg = cv2.imencode('.jpg', rgb, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))
        encoded_ns = time.thread_time_ns()
        cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        decode_ms.append((time.thread_time_ns() - encoded_ns) / 1e6)
        draw_ms.append((drawn_ns - begin_ns) / 1e6)
        on_frame()
    camera = drive.camera
    medians = (float(np.median(values)) for values in (draw_ms, decode_ms))
    return DrawingTimes(camera.height, camera.width, len(draw_ms), *medians)
