# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""All figures of an evaluation as plain values, as report.json holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mfaranet_ros.core.config import values_of
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.metrics.confusion import BinaryScores, Scores
from mfaranet_ros.evaluation.metrics.measures import Spread, flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS, MetricCounts
from mfaranet_ros.evaluation.report.tables import plain
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.jobs import RunConfig
from mfaranet_ros.evaluation.runs.method import Method
from mfaranet_ros.evaluation.runs.parts import FrameScores, Part, Results
from mfaranet_ros.evaluation.runs.run import Speed
from mfaranet_ros.evaluation.runs.specs import Spec
from mfaranet_ros.pipeline.processor import FrameProcessor

SCHEMA = 'mfaranet evaluation'
VERSION = 1
"""Raised when a key means something else than before; new keys alone do not raise it."""


@dataclass(frozen=True)
class About:
    """Model, settings, input and speed of an evaluation; the mappings hold JSON values.

    model: what `prepare` returned. given: the images or bags, and their hash. config: every
    setting. comparison: the label set in which predictions and ground truth are compared.
    """

    model: Mapping[str, str]
    method: Method
    given: Mapping[str, Any]
    versions: Mapping[str, str]
    config: Mapping[str, Any]
    speed: Speed
    budget_ms: float
    comparison: LabelComparison


def about(
    processor: FrameProcessor,
    model: Mapping[str, str],
    specs: Sequence[Spec],
    results: Results,
    speed: Speed,
    plan: RunConfig,
) -> About:
    """Return what a report says of an evaluation; model: what `prepare` returned."""
    summaries = results.together.summaries
    given = {
        **specs[0].given(),
        'images': len(results.together.frames),
        'sha256': summaries[0].sha256 if len(summaries) == 1 else None,
        'sources': {summary.name: summary.sha256 for summary in summaries},
    }
    config = processor.config
    budget_ms = config.latency.budget_ms
    comparison = plan.compared(processor)
    return About(
        model, plan.method, given, versions(), values_of(config), speed, budget_ms, comparison
    )


def report(about: About, results: Results) -> dict[str, Any]:
    """Return everything as JSON can hold it.

    All but `run`, `seconds`, `latency` and `ms` is the same for the same frames, network and
    settings on the same machine, to the last bit.
    """
    together, run = results.together, asdict(about.speed)
    return {
        'schema': {'name': SCHEMA, 'version': VERSION},
        'model': dict(about.model),
        'method': asdict(about.method),
        'comparison': {
            'label_set': about.comparison.label_set.name,
            'notes': list(about.comparison.notes),
        },
        'input': dict(about.given),
        'versions': dict(about.versions),
        'config': dict(about.config),
        'run': run,
        'seconds': round(run.pop('seconds'), 3),
        **_of(together, about.budget_ms),
        'parts': [
            {
                'name': part.name,
                'source': asdict(part.summaries[0]),
                **_of(part, about.budget_ms),
            }
            for part in results.parts
        ],
        'frames': [frame_figures(frame) for frame in together.frames],
        'skipped': [asdict(frame) for frame in together.skipped],
        'worst': [frame.name for frame in together.ranked()[:10]],
    }


def _of(part: Part, budget_ms: float) -> dict[str, Any]:
    found = measures(part, budget_ms)
    return {'scores': found.pop('scores'), 'measures': found}


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
    rows = []
    for band, (low_m, high_m) in enumerate(BANDS):
        matrix = part.counts.matrix(band)
        rows.append(
            {
                'from_m': low_m,
                'to_m': _plain(high_m),
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
        'ms': {stage: round(ms, 3) for stage, ms in frame.times.items()},
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


def figures(evaluation: Scores) -> dict[str, Any]:
    """Return all scores as plain values; None where there is nothing to divide by."""
    matrix, label_set = evaluation.matrix, evaluation.label_set
    classes = [
        {
            'id': entry.id,
            'name': entry.name,
            'role': entry.role.name.lower(),
            'pixels': int(matrix.counts[entry.id].sum() + matrix.unlabeled[entry.id]),
            **plain(asdict(scores)),
        }
        for entry, scores in zip(label_set.classes, class_scores(evaluation), strict=True)
    ]
    return {
        **plain({'mean_iou': matrix.mean_iou(), 'pixel_accuracy': matrix.pixel_accuracy()}),
        'drivable': plain(asdict(matrix.drivable(label_set))),
        'pixels': matrix.pixels,
        'classes': classes,
        'confusion': {
            'rows_are_ground_truth': matrix.counts.tolist(),
            'unlabeled': matrix.unlabeled.tolist(),
        },
        'partial_labels': _partial_labels(evaluation),
        'images': [plain(asdict(image)) for image in evaluation.images],
    }


def _partial_labels(evaluation: Scores) -> list[dict[str, Any]]:
    matrix, names = evaluation.matrix, evaluation.label_set.names
    rows = zip(matrix.members, matrix.partial, matrix.partial_unlabeled, strict=True)
    return [
        {
            'classes': [names[number] for number in np.flatnonzero(members)],
            'pixels': int(counts.sum() + unlabeled),
            'inside': int(counts[members].sum()),
        }
        for members, counts, unlabeled in rows
    ]


def class_scores(evaluation: Scores) -> list[BinaryScores]:
    """Return the scores of each class against all others, in the order of the ids."""
    classes = range(len(evaluation.label_set))
    return [evaluation.matrix.binary(np.arange(len(classes)) == number) for number in classes]


def metric_figures(counts: MetricCounts) -> dict[str, Any]:
    """Return all scores as plain values, by band and up to each distance; None for nan."""
    return {
        'bands': [_figures(counts, *band) for band in BANDS],
        'to_20_m': _figures(counts, 0.0, 20.0),
        'to_40_m': _figures(counts, 0.0, 40.0),
        'boundary_outside': counts.outside,
    }


def _figures(counts: MetricCounts, low_m: float, high_m: float) -> dict[str, Any]:
    scores = counts.between(low_m, high_m)
    return {
        'from_m': low_m,
        'to_m': _plain(high_m),
        'free_iou': _plain(scores.free_iou),
        'occluded_cells': scores.occluded,
        'occluded_cells_marked_free': scores.occluded_free,
        'obstacle_recall': _plain(scores.obstacle_recall),
        'obstacle_precision': _plain(scores.obstacle_precision),
        'boundary_vertices': scores.vertices,
        'boundary_error_m': {
            f'p{percent}': _plain(scores.boundary_error_m(percent)) for percent in (50, 95, 99)
        },
        'boundary_within_0.15_m': _plain(scores.boundary_within(0.15)),
        'boundary_within_0.5_m': _plain(scores.boundary_within(0.5)),
    }


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
