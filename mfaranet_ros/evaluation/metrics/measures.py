# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Scores from counts: flicker, confidence against what is right, and the spread of latencies."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from mfaranet_ros.evaluation.metrics.counts import CONFIDENCES, Ints

BINS = 15
"""Number of confidence bins of equal width, the customary one."""


@dataclass(frozen=True)
class Bin:
    """The pixels whose confidence is from low to high; nan where there are none.

    confidence: their mean confidence. accuracy: the share of them that is labeled right.
    """

    low: float
    high: float
    pixels: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Reliability:
    """Confidence calibration (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).

    ece: the mean distance between confidence and accuracy over the bins, weighted by their pixels;
    nan without pixels.
    """

    bins: tuple[Bin, ...]
    ece: float

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return sum(each.pixels for each in self.bins)


def reliability(calibration: Ints) -> Reliability:
    """Return the reliability of confidences counted as in one band of Counts.calibration."""
    value = np.arange(CONFIDENCES)
    place = np.minimum(value * BINS // (CONFIDENCES - 1), BINS - 1)
    bins = []
    for number in range(BINS):
        pixels, right = (int(column[place == number].sum()) for column in calibration.T)
        weight = int((calibration[:, 0] * value)[place == number].sum())
        bins.append(
            Bin(
                low=number / BINS,
                high=(number + 1) / BINS,
                pixels=pixels,
                confidence=_ratio(weight, pixels * (CONFIDENCES - 1)),
                accuracy=_ratio(right, pixels),
            )
        )
    filled = [each for each in bins if each.pixels]
    apart = math.fsum(each.pixels * abs(each.confidence - each.accuracy) for each in filled)
    pixels = sum(each.pixels for each in filled)
    return Reliability(tuple(bins), apart / pixels if pixels else math.nan)


@dataclass(frozen=True)
class Flicker:
    """The share of pixels whose label differs from the frame before; nan without any compared.

    still: of the pixels whose true class is the same in both. all: of the whole image.
    """

    still: float
    still_pixels: int
    all: float
    all_pixels: int


def flicker(counts: Ints) -> Flicker:
    """Return the flicker of what is counted as in one band of Counts.flicker."""
    (still, still_changed), (every, changed) = counts.tolist()
    return Flicker(_ratio(still_changed, still), still, _ratio(changed, every), every)


@dataclass(frozen=True)
class Spread:
    """Percentiles of one stage's time, in milliseconds."""

    frames: int
    p50: float
    p95: float
    p99: float
    max: float
    sum: float


def spread(values_ms: Iterable[float]) -> Spread:
    """Return the spread of one or more times."""
    values = np.fromiter(values_ms, np.float64)
    p50, p95, p99 = (float(p) for p in np.percentile(values, (50, 95, 99)))
    return Spread(len(values), p50, p95, p99, float(values.max()), float(values.sum()))


def spreads(frames: Iterable[Iterable[tuple[str, float]]]) -> dict[str, Spread]:
    """Return the spread of every stage that was measured, in the order in which they came.

    frames: name and milliseconds of the stages of each frame.
    """
    times: dict[str, list[float]] = {}
    for frame in frames:
        for stage, ms in frame:
            times.setdefault(stage, []).append(ms)
    return {stage: spread(values) for stage, values in times.items()}


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan
