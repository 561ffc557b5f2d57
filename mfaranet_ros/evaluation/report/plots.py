# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The plots of the report as inline SVG, drawn by matplotlib; empty where nothing was measured.

matplotlib draws in placeholder colours that become CSS variables of the page, so that the plots
follow its light or dark theme. Letters stay text.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from mfaranet_ros.evaluation.metrics.metric import BANDS
from mfaranet_ros.evaluation.runs.parts import Part
from mfaranet_ros.monitoring.monitor import PROCESSING

WIDTH_PT, HEIGHT_PT = 400, 240
"""Size of a plot: as wide as a phone, so that letters keep their size there."""

BINS = 40

MOST_POINTS = 360
"""Number of points of a line; of the values between two points the largest is shown."""

MOST_NAMES = 25
"""Number of classes up to which the confusion matrix names them."""

LONGEST_NAME = 15

INK, FAINT, RULE, BAR, HIT, MISS, TRACK = (f'#00000{number}' for number in range(1, 8))
_VARIABLES = {
    INK: 'ink', FAINT: 'faint', RULE: 'rule', BAR: 'bar', HIT: 'hit', MISS: 'miss', TRACK: 'track',
}  # fmt: skip

_STYLE: Any = {
    'svg.fonttype': 'none', 'font.size': 11, 'axes.spines.top': False, 'axes.spines.right': False,
    'axes.spines.left': False, 'axes.edgecolor': RULE, 'axes.labelcolor': FAINT,
    'axes.axisbelow': True, 'xtick.color': FAINT, 'ytick.color': FAINT, 'ytick.left': False,
    'xtick.bottom': False, 'grid.color': RULE, 'text.color': INK,
    'axes.formatter.useoffset': False, 'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans'],
}  # fmt: skip


def class_bars(part: Part) -> str:
    """Return the IoU of every class that occurs, in the order of the ids."""
    if part.scores is None:
        return ''
    names, iou = part.label_set.names, part.scores.matrix.iou()
    values = [
        (name, float(value), f'{value:.3f}')
        for name, value in zip(names, iou, strict=True)
        if not math.isnan(value)
    ]
    return bars('IoU of each class', values)


def confusion(part: Part) -> str:
    """Return the confusion matrix, a true class in each row; the opacity is the share of it."""
    if part.scores is None:
        return ''
    matrix, names = part.scores.matrix, part.label_set.names
    full = np.column_stack((matrix.counts, matrix.unlabeled))
    seen = np.flatnonzero((full.sum(axis=1) > 0) | (matrix.counts.sum(axis=0) > 0))
    with _figure('Confusion matrix, rows are the ground truth', WIDTH_PT) as (axes, draw):
        for row, true in enumerate(seen):
            whole = full[true].sum()
            for column, label in enumerate(seen):
                share = float(full[true, label] / whole) if whole else 0.0
                cell = Rectangle(
                    (column, row), 0.92, 0.92, linewidth=0,
                    facecolor=HIT if true == label else MISS, alpha=max(0.04, math.sqrt(share)),
                )  # fmt: skip
                draw.tip(cell, f'{names[true]} predicted as {names[label]}: {share:.1%}')
                axes.add_patch(cell)
        ticks = np.arange(len(seen)) + 0.46
        labels = [names[index][:LONGEST_NAME] for index in seen]
        named = len(seen) <= MOST_NAMES
        axes.set_xticks(ticks if named else [], labels if named else [], rotation=90)
        axes.set_yticks(ticks if named else [], labels if named else [])
        axes.xaxis.tick_top()
        axes.spines['bottom'].set_visible(False)
        axes.set(xlim=(0, len(seen)), ylim=(len(seen), 0), aspect='equal')
    return draw.svg


def latency_histogram(part: Part, budget_ms: float) -> str:
    """Return how many frames took how long."""
    values = np.array([frame.times.processing_ms for frame in part.frames])
    if not len(values):
        return ''
    top = max(float(np.percentile(values, 99)) * 1.25, float(np.median(values)) * 1.5)
    counts, edges = np.histogram(np.minimum(values, top), BINS, (0, top))
    with _figure('Histogram of the processing time') as (axes, draw):
        axes.grid(axis='y')
        bars = axes.bar(edges[:-1], counts, np.diff(edges) * 0.9, align='edge', color=BAR)
        for bar, count, low, high in zip(bars, counts, edges[:-1], edges[1:], strict=True):
            draw.tip(bar, f'{low:.1f} to {high:.1f} ms: {count} frames')
        axes.set(xlim=(0, top), ylim=(0, max(4.0, float(counts.max()) * 1.1)))
        axes.set(xlabel='processing time, ms', ylabel='frames')
        axes.yaxis.get_major_locator().set_params(integer=True)
        if budget_ms < top:
            axes.axvline(budget_ms, color=MISS, linestyle='--', linewidth=1)
            axes.annotate(
                f'budget {budget_ms:g} ms', (budget_ms, axes.get_ylim()[1]), (4, -10),
                textcoords='offset points', color=FAINT,
            )  # fmt: skip
    return draw.svg


def latency_line(part: Part, budget_ms: float) -> str:
    """Return the time that each frame took, one after the other."""
    values = [frame.times.processing_ms for frame in part.frames]
    if len(values) < 2:
        return ''
    with _figure('Processing time of each frame') as (axes, draw):
        _curve(axes, values)
        top = 1.1 * max(values)
        axes.set(ylim=(0, top), xlabel='frame', ylabel='processing time, ms')
        if budget_ms < top:
            axes.axhline(budget_ms, color=MISS, linestyle='--', linewidth=1)
            axes.annotate(
                f'budget {budget_ms:g} ms', (axes.get_xlim()[1], budget_ms), (-2, 3),
                textcoords='offset points', ha='right', color=FAINT,
            )  # fmt: skip
    return draw.svg


def stage_bars(part: Part) -> str:
    """Return the median time of every stage."""
    spreads = {name: one for name, one in part.spreads.items() if name != PROCESSING}
    values = [(name, one.p50, f'{one.p50:.1f}') for name, one in spreads.items()]
    most = max((one.p50 for one in spreads.values()), default=0.0)
    return bars('Median time of each stage in ms', values, max(most, 1e-9))


def flicker_line(part: Part) -> str:
    """Return the share of pixels of each frame whose label differs from the frame before."""
    values = [100 * frame.flicker for frame in part.frames]
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 2:
        return ''
    with _figure('Flicker of each frame') as (axes, draw):
        _curve(axes, values)
        axes.set(ylim=(0, 1.1 * max(known) + 1e-3), xlabel='frame', ylabel='flicker, % of pixels')
    return draw.svg


def reliability_diagram(part: Part) -> str:
    """Return the share of correct pixels by confidence; a calibrated one is on the diagonal."""
    calibration = part.reliability
    if not calibration.pixels:
        return ''
    with _figure('Reliability diagram') as (axes, draw):
        axes.grid(axis='y')
        for each in calibration.bins:
            if each.pixels:
                (bar,) = axes.bar(
                    each.low, each.accuracy, (each.high - each.low) * 0.94, align='edge', color=BAR
                )
                draw.tip(
                    bar,
                    f'confidence {each.confidence:.3f}: {each.accuracy:.3f} correct, '
                    f'{each.pixels / calibration.pixels:.2%} of the pixels',
                )
        axes.plot([0, 1], [0, 1], color=MISS, linestyle='--', linewidth=1, zorder=3)
        axes.set(xlim=(0, 1), ylim=(0, 1), xlabel='confidence', ylabel='share that is correct')
    return draw.svg


def distance_bars(part: Part) -> str:
    """Return the IoU of the drivable area in the image, by the distance of the ground."""
    if part.scores is None or not part.has_distances:
        return ''
    values = [
        (str(name), iou, f'{iou:.3f}')
        for band, name in enumerate(BANDS)
        if not math.isnan(iou := part.counts.matrix(band).drivable(part.label_set).iou)
    ]
    return bars('IoU of the drivable area by distance', values)


def boundary_bars(part: Part) -> str:
    """Return the 95th percentile of the boundary's error, by its distance."""
    values = []
    for band in BANDS:
        scores = part.counts.metric.between(*band)
        if scores.vertices:
            error_m = scores.boundary_error_m(95)
            values.append((str(band), min(error_m, 100.0), f'{error_m:.2f} m'))
    most = max((error_m for _, error_m, _ in values), default=1.0)
    return bars('95th percentile of the boundary error', values, max(most, 1e-9))


def bars(label: str, values: Sequence[tuple[str, float, str]], most: float = 1.0) -> str:
    """Return horizontal bars, each with its name on the left and its value on the right."""
    if not values:
        return ''
    with _figure(label, 20 * len(values) + 12) as (axes, draw):
        places = np.arange(len(values))
        axes.barh(places, [most] * len(values), 0.7, color=TRACK)
        drawn = axes.barh(places, [min(value, most) for _, value, _ in values], 0.7, color=BAR)
        for place, bar, (name, _, text) in zip(places, drawn, values, strict=True):
            draw.tip(bar, f'{name}: {text}')
            axes.text(most * 1.02, place, text, va='center')
        names = [name if len(name) <= 17 else f'{name[:16]}…' for name, _, _ in values]
        axes.set_yticks(places, names, color=INK)
        axes.set_xticks([])
        axes.spines['bottom'].set_visible(False)
        axes.set(xlim=(0, most * 1.18), ylim=(len(values) - 0.4, -0.6))
    return draw.svg


def _curve(axes: Any, values: Sequence[float]) -> None:
    """Draw values over their numbers; of many only the largest of each stretch."""
    step = max(1, -(-len(values) // MOST_POINTS))
    starts = range(0, len(values), step)
    peaks = [
        max(
            (value for value in values[start : start + step] if not math.isnan(value)),
            default=math.nan,
        )
        for start in starts
    ]
    axes.grid(axis='y')
    axes.plot([*starts], peaks, color=BAR, linewidth=1.5)
    axes.set_xlim(0, len(values) - 1)


class _Drawing:
    """A plot while it is drawn. label: its text for screen readers; svg: the finished plot."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.svg = ''
        self._tips: list[str] = []

    def tip(self, artist: Any, text: str) -> None:
        """Show a text when the pointer rests on an artist."""
        artist.set_gid(f'tip{len(self._tips)}')
        self._tips.append(text)

    def finish(self, figure: Figure) -> None:
        for artist in figure.findobj():
            artist.set_clip_on(False)
        stream = io.StringIO()
        figure.savefig(stream, format='svg', transparent=True, metadata={'Date': None})
        text = stream.getvalue()
        text = text[text.index('<svg') :]
        text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.S)
        text = re.sub(r'<!--.*?-->\s*', '', text, flags=re.S)
        size = re.search(r'viewBox="([^"]+)"', text)
        head = f'<svg viewBox="{size[1] if size else ""}" role="img" '
        text = re.sub(r'<svg[^>]*>', f'{head}aria-label="{escape(self.label)}">', text, count=1)
        text = text.replace('xlink:href', 'href')
        for color, name in _VARIABLES.items():
            text = text.replace(color, f'var(--{name})')
        text = re.sub(r'<g id="tip(\d+)">', self._title, text)
        # Names of elements are local to a plot; several plots stand in one page.
        self.svg = re.sub(r' id="(?!m|D)[^"]*"', '', text)

    def _title(self, found: re.Match[str]) -> str:
        return f'<g><title>{escape(self._tips[int(found[1])])}</title>'


@contextmanager
def _figure(label: str, height_pt: float = HEIGHT_PT) -> Iterator[tuple[Any, _Drawing]]:
    """Give axes to draw in and the drawing, which is finished at the end."""
    drawing = _Drawing(label)
    with mpl.rc_context(_STYLE | {'svg.hashsalt': label}):
        figure = Figure(figsize=(WIDTH_PT / 72, height_pt / 72), layout='constrained')
        FigureCanvasSVG(figure)
        yield figure.add_subplot(), drawing
        drawing.finish(figure)
