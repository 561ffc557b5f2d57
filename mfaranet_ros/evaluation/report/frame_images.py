# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The worst and the median frames as images for the report, each beside its ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.frame import Result, Timings
from mfaranet_ros.evaluation.metrics.counts import Labels
from mfaranet_ros.evaluation.runs.jobs import RunConfig
from mfaranet_ros.evaluation.runs.parts import FrameScores, Part
from mfaranet_ros.evaluation.runs.score import Scorer
from mfaranet_ros.evaluation.runs.sources import Sample
from mfaranet_ros.evaluation.runs.specs import Spec
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style

WORST, MEDIAN = 'worst', 'median'
EACH = 3
"""Number of frames of each kind that are shown."""

WIDTH_PX = 640
JPEG_QUALITY = 82


@dataclass(frozen=True, eq=False)
class Shown:
    """One frame of the report, as two JPEGs.

    kind: WORST or MEDIAN. The ground truth is the bare image where none is known.
    """

    kind: str
    frame: FrameScores
    found: bytes
    ground_truth: bytes


def choose(part: Part) -> list[tuple[str, FrameScores]]:
    """Return the frames to show: the worst, and others around the median."""
    ranked = part.ranked()
    middle = max(EACH, (len(ranked) - EACH + 1) // 2)
    worst = [(WORST, frame) for frame in ranked[:EACH]]
    return worst + [(MEDIAN, frame) for frame in ranked[middle : middle + EACH]]


def show(
    chosen: Sequence[tuple[str, FrameScores]],
    specs: Iterable[Spec],
    pipeline: FrameProcessor,
    plan: RunConfig,
) -> list[Shown]:
    """Run the chosen frames once more and draw them, in the order given."""
    drawn: dict[tuple[str, int], tuple[bytes, bytes]] = {}
    for spec in specs:
        numbers = {frame.number for _, frame in chosen if frame.source == spec.name}
        if numbers:
            found = _draw_source(spec, numbers, pipeline, plan)
            drawn |= {(spec.name, number): pair for number, pair in found.items()}
    return [
        Shown(kind, frame, *drawn[frame.source, frame.number])
        for kind, frame in chosen
        if (frame.source, frame.number) in drawn
    ]


def _draw_source(
    spec: Spec, numbers: set[int], pipeline: FrameProcessor, plan: RunConfig
) -> Mapping[int, tuple[bytes, bytes]]:
    drawn = {}
    config, comparison = pipeline.config.output, plan.compared(pipeline)
    scorer = Scorer.of(pipeline, plan.method)
    style = Style(comparison.label_set, None, config.palette, config.overlay_alpha)
    source = spec.open(pipeline, comparison)
    try:
        for entry in source.entries(min(numbers)):
            if entry.number in numbers:
                sample = entry.load()
                result = scorer.run(sample)
                result = replace(result, labels=comparison.convert(result.labels))
                drawn[entry.number] = draw_pair(sample, result, style)
            if len(drawn) == len(numbers):
                break
    finally:
        source.close()
    return drawn


def draw_pair(sample: Sample, result: Result, style: Style) -> tuple[bytes, bytes]:
    """Return a frame under its labels and under its ground truth, as JPEG.

    Without ground truth the second one is the bare frame.
    """
    frame = result.frame
    ground_truth = sample.ground_truth
    if ground_truth is None:
        bare = Style(style.label_set, None, style.palette, 0.0)
        return _jpeg(overlay(result, style)), _jpeg(overlay(result, bare))
    labeled = Result(frame, ground_truth, None, result.drivable, Timings())
    return _jpeg(overlay(result, style)), _jpeg(_without_void(labeled, style))


def overlay(result: Result, style: Style) -> NDArray[np.uint8]:
    """Return a frame under its labels, uint8 (H, W, 3) RGB."""
    message = encode.overlay(result, style)
    return message.data.reshape(message.height, message.width, 3)


def _without_void(labeled: Result, style: Style) -> NDArray[np.uint8]:
    """Return a frame under its ground truth; where that says nothing it stays as it is."""
    bare = Style(style.label_set, None, style.palette, 0.0)
    known: Labels = (labeled.labels < len(style.label_set)).astype(np.uint8)
    image = overlay(labeled, bare)
    cv2.copyTo(overlay(labeled, style), known, image)
    return image


def _jpeg(rgb: NDArray[np.uint8]) -> bytes:
    height, width = rgb.shape[:2]
    if width > WIDTH_PX:
        size = WIDTH_PX, max(1, round(height * WIDTH_PX / width))
        rgb = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise OutputError(f'an image of {width}x{height} px cannot be written as jpeg')
    return bytes(data)
