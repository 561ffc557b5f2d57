# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The measures of an evaluation as plain values, as report.json holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from mfaranet_ros.evaluation.metrics.counts import NOWHERE
from mfaranet_ros.evaluation.metrics.measures import Spread, flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS_M, metric_figures
from mfaranet_ros.evaluation.report.report import figures, plain
from mfaranet_ros.evaluation.runs.parts import FrameScores, Part


def measures(part: Part, budget_ms: float) -> dict[str, Any]:
    """Return all measures of the frames of a part; None where there is nothing to measure."""
    counts = part.counts
    return {
        'frames': len(part.frames),
        'scores': figures(part.scores) if part.scores else None,
        'distance': distances(part),
        'metric': metric_figures(counts.metric) if part.is_metric else None,
        'flicker': plain(asdict(part.flicker)),
        'confidence_calibration': _confidence_calibration(part),
        'predicted_pixels': _predicted_pixels(part),
        'latency': latency(part, budget_ms),
    }


def distances(part: Part) -> list[dict[str, Any]] | None:
    """Return what is measured in the image by distance; None without distances."""
    if not part.has_distances:
        return None
    edges = (0.0, *BANDS_M)
    rows = []
    for band in range(NOWHERE):
        matrix = part.counts.matrix(band)
        rows.append(
            {
                'from_m': edges[band],
                'to_m': edges[band + 1] if math.isfinite(edges[band + 1]) else None,
                'pixels': matrix.pixels,
                **plain({'mean_iou': matrix.mean_iou()}),
                'drivable': plain(asdict(matrix.drivable(part.label_set))),
                'flicker': plain(asdict(flicker(part.counts.flicker[band]))),
                **plain({'ece': reliability(part.counts.calibration[band]).ece}),
            }
        )
    return rows


def latency(part: Part, budget_ms: float) -> dict[str, Any]:
    """Return the spread of every stage, and how many frames were over the budget."""
    return {
        'budget_ms': budget_ms,
        'over_budget': part.over(budget_ms),
        'frames': len(part.frames),
        'stages': {stage: _spread(spread) for stage, spread in part.spreads.items()},
    }


def frame_figures(frame: FrameScores) -> dict[str, Any]:
    """Return one frame; `classes` and `drivable` are rows of pixels as in FrameScores."""
    result: dict[str, Any] = {
        'source': frame.source,
        'number': frame.number,
        'name': frame.name,
        'stamp_ns': frame.stamp_ns,
        'size': list(frame.size),
        'ms': {stage: round(ms, 3) for stage, ms in frame.ms.items()},
        **plain({'flicker': frame.flicker}),
    }
    if frame.score is not None:
        result |= {
            **plain({'mean_iou': frame.mean_iou}),
            'classes': [list(row) for row in frame.classes],
            'drivable': list(frame.drivable),
        }
    return result


def _confidence_calibration(part: Part) -> dict[str, Any] | None:
    calibration = part.reliability
    if not calibration.pixels:
        return None
    return {
        'ece': calibration.ece,
        'pixels': calibration.pixels,
        'bins': [plain(asdict(each)) for each in calibration.bins],
    }


def _predicted_pixels(part: Part) -> Mapping[str, int]:
    names = (*part.label_set.names, 'unlabeled')
    return dict(zip(names, part.counts.found.tolist(), strict=True))


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        name: value if isinstance(value, int) else round(value, 3)
        for name, value in asdict(spread).items()
    }
