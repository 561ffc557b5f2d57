# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scores of an evaluation as text for the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mfaranet_ros.evaluation.metrics.confusion import BinaryScores, Scores
from mfaranet_ros.evaluation.metrics.measures import flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS, Band, MetricCounts
from mfaranet_ros.evaluation.report.figures import About, class_scores
from mfaranet_ros.evaluation.report.tables import cell, table
from mfaranet_ros.evaluation.runs.parts import Part, Results
from mfaranet_ros.monitoring.monitor import PROCESSING

WORST = 3
"""Number of the worst images that are named below the table."""


def heading(about: About, results: Results) -> str:
    """Return the model, its settings and the input, as the first lines of the output."""
    model = about.model
    return (
        f'{model["name"]}, scales {model["scales"]}, {model["label_set"]}, {model["precision"]} '
        f'on {model["device"]}\n{model["weights"]} (sha256 {model["weights_sha256"][:12]})\n'
        f'{len(results.together.frames)} images, {about.method}, '
        f'{about.speed.frames_per_s or 0:.2f} images/s\n{_comparison(about)}'
    )


def _comparison(about: About) -> str:
    """Return what was merged and what is partial; empty where neither is."""
    compared = about.comparison
    lines = [f'compared in {compared.label_set.name}', *compared.notes] if compared.notes else []
    if compared.codes.sets:
        lines.append('a prediction inside a partial label counts as right for the pixel accuracy')
    return ''.join(f'{line}\n' for line in lines)


def describe_results(results: Results, budget_ms: float) -> str:
    """Return the scores, what else was measured, and what is odd about the sources."""
    together = results.together
    blocks = [describe(together.scores)] if together.scores else []
    blocks += [_distances(together), _metric(together)]
    if len(results.parts) > 1:
        blocks.append(_parts(results, budget_ms))
    blocks.append('\n'.join(_lines(together, budget_ms)))
    notes = [f'{summary.name}: {note}' for summary in together.summaries for note in summary.notes]
    notes += [f'{frame.source}, {frame.name}: {frame.why}' for frame in together.skipped[:3]]
    return '\n\n'.join(filter(None, [*blocks, '\n'.join(notes)]))


def _lines(part: Part, budget_ms: float) -> Iterable[str]:
    found = part.flicker
    if found.still_pixels:
        yield f'flicker {found.still:.3%} of the pixels whose true class stays'
    if found.all_pixels:
        yield f'flicker {found.all:.3%} of all pixels'
    calibration = part.reliability
    if calibration.pixels:
        yield f'confidence calibration: expected calibration error {calibration.ece:.4f}'
    if part.frames:
        spread = part.spreads[PROCESSING]
        yield (
            f'processing time p50 {spread.p50:.1f} ms, p95 {spread.p95:.1f} ms, '
            f'p99 {spread.p99:.1f} ms, max {spread.max:.1f} ms; '
            f'{part.over(budget_ms)} of {spread.frames} frames over {budget_ms:g} ms'
        )


def _distances(part: Part) -> str:
    """Return the scores in the image by distance; empty where there are none."""
    if not part.has_distances:
        return ''
    rows = [('ground at', 'drivable IoU', 'precision', 'recall', 'mean IoU', 'flicker', 'ECE')]
    for band, name in enumerate(BANDS):
        matrix = part.counts.matrix(band)
        scores = matrix.drivable(part.label_set)
        cells = (
            scores.iou,
            scores.precision,
            scores.recall,
            matrix.mean_iou(),
            flicker(part.counts.flicker[band]).all,
            reliability(part.counts.calibration[band]).ece,
        )
        if part.counts.pixels[band].any():
            rows.append((str(name), *map(cell, cells)))  # type: ignore[arg-type]
    return table(rows, '<>>>>>>')


def _metric(part: Part) -> str:
    return describe_metric(part.counts.metric) if part.is_metric else ''


def _parts(results: Results, budget_ms: float) -> str:
    rows = [('of', 'frames', 'mean IoU', 'drivable IoU', 'flicker', 'p50 ms', 'over budget')]
    for part in results.parts:
        matrix = part.counts.matrix()
        p50 = part.spreads[PROCESSING].p50 if part.frames else math.nan
        rows.append(
            (
                part.name,
                str(len(part.frames)),
                cell(matrix.mean_iou()),
                cell(matrix.drivable(part.label_set).iou),
                cell(part.flicker.all),
                f'{p50:.1f}',
                str(part.over(budget_ms)),
            )
        )
    return table(rows, '<>>>>>>')


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


def _cells(scores: BinaryScores) -> tuple[str, str, str]:
    return cell(scores.iou), cell(scores.precision), cell(scores.recall)


def describe_metric(counts: MetricCounts) -> str:
    """Return the scores as a table, one row for each band that has cells or vertices."""
    rows = [
        ('distance', 'free IoU', 'occluded marked free', 'obstacle recall', 'boundary p50', 'p95',
         'within 0.15 m', 'within 0.5 m'),
    ]  # fmt: skip
    for band in (*BANDS, Band(0.0, 20.0), Band(20.0, 40.0), Band(0.0, 40.0)):
        scores = counts.between(*band)
        if not (scores.vertices or scores.occluded or not math.isnan(scores.free_iou)):
            continue
        rows.append(
            (
                str(band),
                cell(scores.free_iou),
                f'{scores.occluded_free} of {scores.occluded}',
                cell(scores.obstacle_recall),
                _metres(scores.boundary_error_m(50)),
                _metres(scores.boundary_error_m(95)),
                cell(scores.boundary_within(0.15)),
                cell(scores.boundary_within(0.5)),
            )
        )
    return table(rows, '<>>>>>>>')


def _metres(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.2f} m'
