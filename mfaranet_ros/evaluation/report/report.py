# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scores of an evaluation as figures for a file and as a table for the terminal."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from mfaranet_ros.evaluation.metrics.confusion import BinaryScores
from mfaranet_ros.evaluation.metrics.scores import Scores
from mfaranet_ros.evaluation.metrics.tables import table

WORST = 3
"""Number of the worst images that are named below the table."""


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
        'mean_iou': _number(matrix.mean_iou()),
        'pixel_accuracy': _number(matrix.pixel_accuracy()),
        'drivable': plain(asdict(matrix.drivable(label_set))),
        'pixels': matrix.pixels,
        'classes': classes,
        'confusion': {
            'rows_are_ground_truth': matrix.counts.tolist(),
            'unlabeled': matrix.unlabeled.tolist(),
        },
        'images': [plain(asdict(image)) for image in evaluation.images],
    }


def describe(evaluation: Scores) -> str:
    """Return the scores as a table, with the worst images under it."""
    matrix, label_set = evaluation.matrix, evaluation.label_set
    rows = [('class', 'IoU', 'precision', 'recall', 'share')]
    for entry, scores in zip(label_set.classes, class_scores(evaluation), strict=True):
        pixels = int(matrix.counts[entry.id].sum() + matrix.unlabeled[entry.id])
        share = f'{100 * pixels / matrix.pixels:.2f} %' if matrix.pixels else '-'
        rows.append((entry.name, *_cells(scores), share))
    rows.append(('drivable', *_cells(matrix.drivable(label_set)), ''))
    rows.append(('mean', cell(matrix.mean_iou()), '', '', ''))
    lines = [table(rows, '<>>>>')]
    lines.append(f'pixel accuracy {cell(matrix.pixel_accuracy())}')
    scored = [image for image in evaluation.images if not math.isnan(image.mean_iou)]
    worst = sorted(scored, key=lambda image: image.mean_iou)[:WORST]
    named = (f'{image.name} ({image.mean_iou:.3f})' for image in worst)
    return '\n'.join([*lines, f'lowest mean IoU: {", ".join(named) or "-"}'])


def class_scores(evaluation: Scores) -> list[BinaryScores]:
    """Return the scores of each class against all others, in the order of the ids."""
    classes = range(len(evaluation.label_set))
    return [evaluation.matrix.binary(np.arange(len(classes)) == number) for number in classes]


def _cells(scores: BinaryScores) -> tuple[str, str, str]:
    return cell(scores.iou), cell(scores.precision), cell(scores.recall)


def cell(value: float) -> str:
    """Return a score for a table, a dash for nan."""
    return '-' if math.isnan(value) else f'{value:.4f}'


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value


def plain(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values with None for nan, which JSON has no word for."""
    return {
        key: _number(value) if isinstance(value, float) else value for key, value in values.items()
    }
