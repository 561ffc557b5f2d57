# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A benchmark as an image: latency to the right, mean IoU upwards, one point for each row."""

from __future__ import annotations

import math
import re

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.benchmark.measure import TOTAL
from mfaranet_ros.benchmark.run import Benchmark, Result

Canvas = NDArray[np.uint8]

SIZE = (520, 860)
LEFT, RIGHT, TOP, BOTTOM = 70, 250, 40, 60

_WHITE, _BLACK, _LIGHT = (255, 255, 255), (40, 40, 40), (225, 225, 225)
_COLORS = ((40, 40, 40), (180, 90, 20), (30, 120, 230), (60, 160, 60), (150, 60, 150))


def draw(benchmark: Benchmark) -> Canvas:
    """Return the image, BGR; latency on a logarithmic scale.

    Rows without a mean IoU are drawn at the share of labels they have in common with the
    reference, and the axis says so.
    """
    scored = all(result.mean_iou is not None for result in benchmark.results)
    points = [(result, *_place(result, scored)) for result in benchmark.results]
    xs, ys = [x for _, x, _ in points], [y for _, _, y in points]
    x_range = math.floor(2 * min(xs)) / 2, math.ceil(2 * max(xs) + 1e-9) / 2 + 1e-9
    margin = max(0.005, 0.2 * (max(ys) - min(ys)))
    y_range = min(ys) - margin, max(ys) + margin
    canvas: Canvas = np.full((*SIZE, 3), _WHITE, np.uint8)
    _axes(canvas, x_range, y_range, 'mean IoU' if scored else 'share of equal labels')
    backends = list(dict.fromkeys(result.row.backend for result in benchmark.results))
    for result, x, y in points:
        color = _COLORS[backends.index(result.row.backend) % len(_COLORS)]
        place = _to_px(x, y, x_range, y_range)
        cv2.circle(canvas, place, 5, color, -1, cv2.LINE_AA)
        _text(canvas, _short(result.row.operating_point), (place[0] + 8, place[1] + 4), color)
    for number, backend in enumerate(backends):
        place = SIZE[1] - RIGHT + 40, TOP + 20 * number
        cv2.circle(canvas, place, 5, _COLORS[number % len(_COLORS)], -1, cv2.LINE_AA)
        _text(canvas, backend, (place[0] + 14, place[1] + 4))
    return canvas


def _short(operating_point: str) -> str:
    """Return an operating point without the size of its input and the file of its weights."""
    return re.sub(r'=[^@:]+', '', operating_point.partition('@')[0])


def _place(result: Result, scored: bool) -> tuple[float, float]:
    accuracy = result.mean_iou if scored and result.mean_iou is not None else result.agreement
    return math.log10(result.measured.ms[TOTAL].p50), accuracy


def _axes(
    canvas: Canvas, x_range: tuple[float, float], y_range: tuple[float, float], what: str
) -> None:
    for line in range(6):
        x = x_range[0] + line / 5 * (x_range[1] - x_range[0])
        y = y_range[0] + line / 5 * (y_range[1] - y_range[0])
        column, row = _to_px(x, y, x_range, y_range)
        cv2.line(canvas, (LEFT, row), (SIZE[1] - RIGHT, row), _LIGHT)
        cv2.line(canvas, (column, TOP), (column, SIZE[0] - BOTTOM), _LIGHT)
        _text(canvas, f'{y:.3f}', (LEFT - 52, row + 4))
        _text(canvas, f'{10**x:.3g}', (column - 14, SIZE[0] - BOTTOM + 20))
    _text(canvas, what, (LEFT - 52, TOP - 16))
    _text(canvas, 'ms from camera bytes to labels, p50', (LEFT, SIZE[0] - 16))


def _to_px(
    x: float, y: float, x_range: tuple[float, float], y_range: tuple[float, float]
) -> tuple[int, int]:
    across = (x - x_range[0]) / (x_range[1] - x_range[0])
    up = (y - y_range[0]) / (y_range[1] - y_range[0])
    return (
        LEFT + round(across * (SIZE[1] - RIGHT - LEFT)),
        SIZE[0] - BOTTOM - round(up * (SIZE[0] - BOTTOM - TOP)),
    )


def _text(
    canvas: Canvas, text: str, place: tuple[int, int], color: tuple[int, int, int] = _BLACK
) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, color, 1, cv2.LINE_AA)
