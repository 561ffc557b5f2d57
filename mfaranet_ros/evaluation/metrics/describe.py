# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The measures of an evaluation as text for the terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

from mfaranet_ros.evaluation.metrics.measures import flicker, reliability
from mfaranet_ros.evaluation.metrics.metric import BANDS_M, describe_metric
from mfaranet_ros.evaluation.metrics.tables import table
from mfaranet_ros.evaluation.report.report import cell, describe
from mfaranet_ros.evaluation.report.report_file import About
from mfaranet_ros.evaluation.runs.parts import Part, Results
from mfaranet_ros.monitoring.monitor import PROCESSING


def heading(about: About, results: Results) -> str:
    """Return the model, its settings and the input, as the first lines of the output."""
    model, run = about.model, about.run
    return (
        f'{model["name"]}, scales {model["scales"]}, {model["label_set"]}, {model["precision"]} '
        f'on {model["device"]}\n{model["weights"]} (sha256 {model["weights_sha256"][:12]})\n'
        f'{len(results.together.frames)} images, {about.method}, '
        f'{run["frames_per_s"] or 0:.2f} images/s\n'
    )


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
    for band, text in enumerate(band_names()):
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
            rows.append((text, *map(cell, cells)))  # type: ignore[arg-type]
    return table(rows, '<>>>>>>')


def band_names() -> list[str]:
    """Return the names of the distance bands."""
    edges = (0.0, *BANDS_M)
    return [
        f'{low:g} to {high:g} m' if math.isfinite(high) else f'beyond {low:g} m'
        for low, high in itertools.pairwise(edges)
    ]


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
