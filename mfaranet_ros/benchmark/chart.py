# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A benchmark as a plot: latency to the right, mean IoU upwards, one point for each row."""

from __future__ import annotations

import io
import re

from matplotlib.figure import Figure

from mfaranet_ros.benchmark.run import Benchmark, Result


def plot(benchmark: Benchmark) -> Figure:
    """Return the plot; latency is on a logarithmic scale.

    Rows without a mean IoU are plotted at the share of labels that equal the reference's, and the
    axis says so.
    """
    scored = all(result.mean_iou is not None for result in benchmark.results)
    figure = Figure(figsize=(8.6, 5.2), dpi=100, layout='constrained')
    axes = figure.subplots()
    for backend in dict.fromkeys(result.row.backend for result in benchmark.results):
        rows = [result for result in benchmark.results if result.row.backend == backend]
        points = [(row.measured.ms.total.p50, _accuracy(row, scored)) for row in rows]
        axes.scatter(*zip(*points, strict=True), label=backend)
        for row, point in zip(rows, points, strict=True):
            name = _short(row.row.operating_point)
            axes.annotate(name, point, (8, -4), textcoords='offset points')
    axes.set(
        xscale='log',
        xlabel='ms from camera bytes to labels, p50',
        ylabel='mean IoU' if scored else 'share of equal labels',
    )
    axes.grid(visible=True, which='both', alpha=0.3)
    axes.margins(0.15)
    figure.legend(loc='outside right upper')
    return figure


def to_png(figure: Figure) -> bytes:
    """Return a plot as the content of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return buffer.getvalue()


def _accuracy(result: Result, scored: bool) -> float:
    return result.mean_iou if scored and result.mean_iou is not None else result.agreement


def _short(operating_point: str) -> str:
    """Return an operating point without the size of its input and the file of its weights."""
    return re.sub(r'=[^@:]+', '', operating_point.partition('@')[0])
