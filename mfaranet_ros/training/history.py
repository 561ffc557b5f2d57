# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a run writes down of each epoch: a line in a CSV file and a point of the curves."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.labels import LabelSet

Canvas = NDArray[np.uint8]


@dataclass(frozen=True)
class Row:
    """One epoch. The losses are means over its steps; scores are None where it was not validated.

    minutes: of training so far, without what a kill has cost. images_per_s: while training.
    iou: of each class, None for one that occurs nowhere.
    """

    epoch: int
    step: int
    minutes: float
    learning_rate: float
    loss: float
    fused: float
    segmentation: float
    boundary: float
    attention: float
    distillation: float
    images_per_s: float
    skipped: int
    mean_iou: float | None = None
    pixel_accuracy: float | None = None
    iou: tuple[float | None, ...] = ()


def to_csv(rows: Sequence[Row], label_set: LabelSet) -> bytes:
    """Return the rows as CSV with a header; empty cells are what was not measured."""
    plain = [field.name for field in fields(Row) if field.name != 'iou']
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow([*plain, *(f'iou {name}' for name in label_set.names)])
    for row in rows:
        iou = row.iou or (None,) * len(label_set)
        writer.writerow([_cell(getattr(row, name)) for name in plain] + [_cell(x) for x in iou])
    return text.getvalue().encode()


def _cell(value: float | None) -> str:
    return '' if value is None else f'{value:.6g}' if isinstance(value, float) else str(value)


# -- the curves ----------------------------------------------------------------------------------

SIZE = (420, 640)
"""Height and width of one panel in px."""

MARGIN = (40, 30, 40, 60)
"""Left out of a panel at its top, right, bottom and left, in px."""

_WHITE, _BLACK, _LIGHT = (255, 255, 255), (40, 40, 40), (225, 225, 225)
_COLORS = (
    (180, 90, 20),
    (30, 120, 230),
    (60, 160, 60),
    (150, 60, 150),
    (60, 60, 200),
    (20, 160, 160),
)

Points = list[tuple[float, float]]


def draw_curves(rows: Sequence[Row]) -> bytes:
    """Return a png: the loss and its parts on the left, the scores on the right, by epoch."""
    parts = ('loss', 'fused', 'segmentation', 'boundary', 'attention', 'distillation')
    losses = {part: [(float(r.epoch), float(getattr(r, part))) for r in rows] for part in parts}
    scores = {
        name: [(float(r.epoch), float(getattr(r, name))) for r in rows if r.mean_iou is not None]
        for name in ('mean_iou', 'pixel_accuracy')
    }
    top = max((y for points in losses.values() for _, y in points), default=1.0)
    panels = [_panel('loss', losses, top), _panel('validation', scores, 1.0)]
    _, data = cv2.imencode('.png', np.hstack(panels))
    return data.tobytes()


def _panel(title: str, curves: dict[str, Points], top: float) -> Canvas:
    """Draw curves from 0 to a top, with five grid lines and a legend."""
    canvas: Canvas = np.full((*SIZE, 3), _WHITE, np.uint8)
    last = max((x for points in curves.values() for x, _ in points), default=1.0)
    top = top or 1.0
    for line in range(6):
        y = _to_px(0.0, line / 5 * top, last, top)[1]
        cv2.line(canvas, (MARGIN[3], y), (SIZE[1] - MARGIN[1], y), _LIGHT)
        _text(canvas, f'{line / 5 * top:.3g}', (8, y + 4))
        x = _to_px(line / 5 * last, 0.0, last, top)[0]
        _text(canvas, f'{line / 5 * last:.3g}', (x - 8, SIZE[0] - MARGIN[2] + 18))
    _text(canvas, f'{title} by epoch', (MARGIN[3], 20))
    for number, (name, points) in enumerate(curves.items()):
        color = _COLORS[number % len(_COLORS)]
        pixels = [_to_px(x, y, last, top) for x, y in points]
        cv2.polylines(canvas, [np.array(pixels or [(0, 0)], np.int32)], False, color, 1, 16)
        for pixel in pixels[-1:]:
            cv2.circle(canvas, pixel, 3, color, -1, 16)
        value = f' {points[-1][1]:.4g}' if points else ''
        _text(canvas, name + value, (SIZE[1] - 210, MARGIN[0] + 14 + 18 * number), color)
    return canvas


def _to_px(x: float, y: float, last: float, top: float) -> tuple[int, int]:
    width = SIZE[1] - MARGIN[1] - MARGIN[3]
    height = SIZE[0] - MARGIN[0] - MARGIN[2]
    return (
        MARGIN[3] + round(width * x / max(last, 1.0)),
        SIZE[0] - MARGIN[2] - round(height * min(y / top, 1.0)),
    )


def _text(
    canvas: Canvas, text: str, place: tuple[int, int], color: tuple[int, int, int] = _BLACK
) -> None:
    cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, color, 1, 16)
