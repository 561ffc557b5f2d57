# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The plots of the report, each from the measures it shows; empty where there are none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mfaranet_ros.evaluation.metrics.counts import NOWHERE
from mfaranet_ros.evaluation.metrics.describe import band_names
from mfaranet_ros.evaluation.metrics.metric import BANDS_M
from mfaranet_ros.evaluation.report.html.svg import WIDTH, Axes, Point, box, image, rows, text
from mfaranet_ros.evaluation.runs.parts import Part
from mfaranet_ros.monitoring.monitor import PROCESSING

BINS = 40
MOST_POINTS = 360
"""So many points a line has at most; of what lies between two of them the largest is shown."""

MOST_NAMES = 25
"""So many classes are named beside the matrix; with more there is no room for letters."""


def class_bars(part: Part) -> str:
    """IoU of every class that occurs, in the order of the ids."""
    if part.scores is None:
        return ''
    iou = part.scores.matrix.iou()
    found = [
        (name, float(value), f'{value:.3f}')
        for name, value in zip(part.label_set.names, iou, strict=True)
        if not math.isnan(value)
    ]
    return rows(found, 'IoU of each class')


def confusion(part: Part) -> str:
    """Each true class as a row; the darker a cell, the larger the share of its pixels."""
    if part.scores is None:
        return ''
    matrix = part.scores.matrix
    full = np.column_stack((matrix.counts, matrix.unlabeled))
    seen = np.flatnonzero((full.sum(axis=1) > 0) | (matrix.counts.sum(axis=0) > 0))
    names = part.label_set.names
    margin = 96.0 if len(seen) <= MOST_NAMES else 8.0
    cell = (WIDTH - margin) / max(len(seen), 1)
    parts = []
    for row, true in enumerate(seen):
        whole = full[true].sum()
        y = margin + row * cell
        if margin > 8:
            parts.append(text(margin - 6, y + cell / 2 + 4, names[true][:15], 'tick', 'end'))
            parts.append(_upright_text(margin + (row + 0.6) * cell, margin - 6, names[true][:15]))
        for column, label in enumerate(seen):
            share = float(full[true, label] / whole) if whole else 0.0
            says = f'{names[true]} labeled {names[label]}: {share:.1%}'
            kind = 'hit' if true == label else 'miss'
            place = margin + column * cell, y, cell - 1, cell - 1
            parts.append(box(*place, kind, says, max(0.04, math.sqrt(share))))
    return image(margin + len(seen) * cell, 'Confusion matrix, rows are the ground truth', parts)


def _upright_text(x: float, y: float, content: str) -> str:
    turned = text(0, 0, content, 'tick')
    return f'<g transform="translate({x:.1f} {y:.1f}) rotate(-90)">{turned}</g>'


def latency_histogram(part: Part, budget_ms: float) -> str:
    """How many frames took how long."""
    values = np.array([frame.ms[PROCESSING] for frame in part.frames])
    if not len(values):
        return ''
    top = max(float(np.percentile(values, 99)) * 1.25, float(np.median(values)) * 1.5)
    counts, edges = np.histogram(np.minimum(values, top), BINS, (0, top))
    axes = Axes(
        (0, top), (0, max(4.0, float(counts.max()) * 1.08)), 'processing time, ms', 'frames'
    )
    columns = [
        axes.column(low, high, count, 'bar', f'{low:.1f} to {high:.1f} ms: {count} frames')
        for count, low, high in zip(counts.tolist(), edges[:-1], edges[1:], strict=True)
        if count
    ]
    marks = [axes.upright(budget_ms, f'budget {budget_ms:g} ms')] if budget_ms < top else []
    return axes.draw('Histogram of the processing time', [*columns, *marks])


def latency_line(part: Part, budget_ms: float) -> str:
    """The time that each frame took, one after the other."""
    values = [frame.ms[PROCESSING] for frame in part.frames]
    if len(values) < 2:
        return ''
    points = _thinned(values)
    top = 1.1 * max(value for _, value in points)
    axes = Axes((0, len(values) - 1), (0, top), 'frame', 'processing time, ms')
    marks = [axes.level(budget_ms, f'budget {budget_ms:g} ms')] if budget_ms < top else []
    return axes.draw('Processing time of each frame', [axes.curve(points, 'line'), *marks])


def stage_bars(part: Part) -> str:
    """The median time of every stage."""
    spreads = {name: one for name, one in part.spreads.items() if name != PROCESSING}
    if not spreads:
        return ''
    most = max(one.p50 for one in spreads.values())
    found = [(name, one.p50, f'{one.p50:.1f}') for name, one in spreads.items()]
    return rows(found, 'Median time of each stage in ms', most=max(most, 1e-9))


def flicker_line(part: Part) -> str:
    """The share of pixels of each frame whose label differs from the frame before."""
    values = [100 * frame.flicker for frame in part.frames]
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return ''
    points = _thinned(values)
    axes = Axes(
        (0, len(values) - 1), (0, 1.1 * max(known) + 1e-3), 'frame', 'flicker, % of pixels'
    )
    return axes.draw('Flicker of each frame', [axes.curve(points, 'line')])


def reliability_diagram(part: Part) -> str:
    """How often pixels of a confidence are right; on the diagonal confidence can be believed."""
    found = part.reliability
    if not found.pixels:
        return ''
    axes = Axes((0, 1), (0, 1), 'confidence', 'share that is right')
    columns = [
        axes.column(
            each.low, each.high, each.accuracy, 'bar',
            f'confidence {each.confidence:.3f}: {each.accuracy:.3f} right, '
            f'{each.pixels / found.pixels:.2%} of the pixels',
        )
        for each in found.bins
        if each.pixels
    ]  # fmt: skip
    return axes.draw('Reliability diagram', [*columns, axes.curve([(0, 0), (1, 1)], 'mark')])


def distance_bars(part: Part) -> str:
    """IoU of the drivable area in the image, by the distance of the ground."""
    if part.scores is None or not part.has_distances:
        return ''
    matrices = [part.counts.matrix(band) for band in range(NOWHERE)]
    found = [
        (name, iou, f'{iou:.3f}')
        for name, matrix in zip(band_names(), matrices, strict=True)
        if not math.isnan(iou := matrix.drivable(part.label_set).iou)
    ]
    return rows(found, 'IoU of the drivable area by distance')


def boundary_bars(part: Part) -> str:
    """How far the end of the free space is off, by its distance."""
    found = []
    edges = (0.0, *BANDS_M)
    for name, low, high in zip(band_names(), edges[:-1], edges[1:], strict=True):
        scores = part.counts.metric.between(low, high)
        if scores.vertices:
            error_m = scores.boundary_error_m(95)
            found.append((name, min(error_m, 100.0), f'{error_m:.2f} m'))
    most = max((error_m for _, error_m, _ in found), default=1.0)
    return rows(found, '95 % of the boundary is within', most=most) if found else ''


def _thinned(values: Sequence[float]) -> list[Point]:
    """Return the values with their numbers; of many only the largest in each stretch."""
    step = max(1, -(-len(values) // MOST_POINTS))
    points = []
    for start in range(0, len(values), step):
        known = [value for value in values[start : start + step] if not math.isnan(value)]
        points.append((float(start), max(known) if known else math.nan))
    return points
