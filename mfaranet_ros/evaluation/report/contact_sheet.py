# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Draws what the demo shows: the overlay with its figures, the legend, and the metric grid.

Images are uint8 (H, W, 3) in BGR, as OpenCV writes them, unless a name says rgb.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import GroundGrid

Pixels = NDArray[np.uint8]
Color = tuple[int, int, int]

VIEW_HEIGHT_PX = 720
"""Height of the camera image; all sizes of letters and margins belong to it."""

PANEL_WIDTH_PX = 360
GRID_WIDTH_PX = 480
BAR_HEIGHT_PX = 64
MARGIN_PX = 14
LINE_PX = 22
LEGEND_ROWS = 12
GRID_EVERY_M = 5

BACKGROUND: Color = (30, 28, 26)
TEXT: Color = (235, 235, 235)
FAINT: Color = (150, 150, 150)
RULE: Color = (92, 88, 84)
WARNING: Color = (80, 190, 255)
VEHICLE: Color = (255, 200, 90)

CELL_COLORS = {'free': (80, 160, 60), 'blocked': (60, 60, 220), 'unseen': (58, 55, 52)}
"""Of 0, 100 and -1 in the grid; anything between is drawn as blocked."""


@dataclass(frozen=True, eq=False)
class Legend:
    """What the values of a mask mean: their names, and colours uint8 (256, 3) in RGB."""

    names: tuple[str, ...]
    palette: Pixels


@dataclass(frozen=True, eq=False)
class View:
    """What belongs to one frame: overlay_rgb uint8 (H, W, 3), labels uint8 (H, W) or None."""

    overlay_rgb: Pixels
    labels: Pixels | None
    grid: GroundGrid | None


def draw_view(view: View, legend: Legend | None, lines: Sequence[str], grid_note: str) -> Pixels:
    """Draw the overlay, beside it grid and legend, below it the lines; sides are even numbers."""
    main = _to_height(cv2.cvtColor(view.overlay_rgb, cv2.COLOR_RGB2BGR), VIEW_HEIGHT_PX)
    panel = _canvas(VIEW_HEIGHT_PX, PANEL_WIDTH_PX)
    grid_px = VIEW_HEIGHT_PX - LINE_PX * LEGEND_ROWS - MARGIN_PX
    panel[:grid_px] = draw_grid(view.grid, grid_px, PANEL_WIDTH_PX, grid_note)
    _draw_legend(panel, _entries(view.labels, legend), grid_px)
    bar = _canvas(BAR_HEIGHT_PX, main.shape[1] + PANEL_WIDTH_PX)
    for row, line in enumerate(lines):
        _write(bar, line, (MARGIN_PX, 26 + row * LINE_PX), TEXT if row == 0 else FAINT)
    return np.vstack([np.hstack([main, panel]), bar])


def draw_grid(
    grid: GroundGrid | None, height: int, width: int, note: str, title: str = 'drivable grid [m]'
) -> Pixels:
    """Draw a grid seen from above, x up and y to the left, with lines every 5 metres."""
    image = _canvas(height, width)
    _write(image, title, (MARGIN_PX, 26), TEXT)
    for row, line in enumerate(filter(None, note.split('\n'))):
        _write(image, line, (MARGIN_PX, 26 + (row + 1) * 18), WARNING, size=0.42)
    top = 26 + 18 * (1 + note.count('\n')) + MARGIN_PX
    if grid is None:
        _write(image, 'none was published', (MARGIN_PX, top + LINE_PX), FAINT)
        return image
    plan = _plan(grid, top, height - 34, 40, width - MARGIN_PX)
    cells = _color_cells(grid)
    image[plan.top : plan.bottom, plan.left : plan.right] = cv2.resize(
        cells,
        (plan.right - plan.left, plan.bottom - plan.top),
        interpolation=cv2.INTER_NEAREST,
    )
    _draw_rules(image, plan)
    _draw_vehicle(image, plan)
    return image


def draw_grid_beside(view: View, note: str, ground_truth: GroundGrid | None = None) -> Pixels:
    """Draw the grid as large as it fits, beside the overlay it belongs to; then the true one."""
    main = _to_height(cv2.cvtColor(view.overlay_rgb, cv2.COLOR_RGB2BGR), VIEW_HEIGHT_PX)
    parts = [main, draw_grid(view.grid, VIEW_HEIGHT_PX, GRID_WIDTH_PX, note)]
    if ground_truth is not None:
        parts.append(
            draw_grid(ground_truth, VIEW_HEIGHT_PX, GRID_WIDTH_PX, note, 'ground truth [m]')
        )
    return np.hstack(parts)


@dataclass(frozen=True)
class Plan:
    """Where the metres of a grid lie in an image."""

    top: int
    bottom: int
    left: int
    right: int
    x_min_m: float
    x_max_m: float
    y_min_m: float
    y_max_m: float

    def row(self, x_m: float) -> int:
        """Return the pixel row of a distance ahead."""
        share = (self.x_max_m - x_m) / (self.x_max_m - self.x_min_m)
        return round(self.top + share * (self.bottom - self.top))

    def column(self, y_m: float) -> int:
        """Return the pixel column of a distance to the left."""
        share = (self.y_max_m - y_m) / (self.y_max_m - self.y_min_m)
        return round(self.left + share * (self.right - self.left))


def _plan(grid: GroundGrid, top: int, bottom: int, left: int, right: int) -> Plan:
    """Place the grid as large as it fits, not distorted."""
    length_m = grid.cells.shape[1] * grid.resolution_m
    breadth_m = grid.cells.shape[0] * grid.resolution_m
    px_per_m = max(1e-9, min((bottom - top) / length_m, (right - left) / breadth_m))
    height, width = max(1, int(length_m * px_per_m)), max(1, int(breadth_m * px_per_m))
    left += (right - left - width) // 2
    return Plan(
        top, top + height, left, left + width,
        grid.x_min_m, grid.x_min_m + length_m, grid.y_min_m, grid.y_min_m + breadth_m,
    )  # fmt: skip


def _color_cells(grid: GroundGrid) -> Pixels:
    # Rows lie along y and columns along x; in the image x points up and y to the left.
    cells = grid.cells.T[::-1, ::-1]
    colors = np.empty((*cells.shape, 3), np.uint8)
    colors[:] = CELL_COLORS['blocked']
    colors[cells == 0] = CELL_COLORS['free']
    colors[cells < 0] = CELL_COLORS['unseen']
    return colors


def _draw_rules(image: Pixels, plan: Plan) -> None:
    for x_m in _ticks(plan.x_min_m, plan.x_max_m):
        row = plan.row(x_m)
        cv2.line(image, (plan.left, row), (plan.right, row), RULE, 1)
        _write(image, f'{x_m:g}', (plan.left - 30, row + 5), FAINT, size=0.42)
    for y_m in _ticks(plan.y_min_m, plan.y_max_m):
        column = plan.column(y_m)
        cv2.line(image, (column, plan.top), (column, plan.bottom), RULE, 1)
        _write(image, f'{y_m:g}', (column - 8, plan.bottom + 18), FAINT, size=0.42)


def _ticks(low_m: float, high_m: float) -> list[float]:
    first = int(np.ceil(low_m / GRID_EVERY_M))
    last = int(np.floor(high_m / GRID_EVERY_M + 1e-9))
    step = max(1, (last - first) // 10)
    return [float(tick * GRID_EVERY_M) for tick in range(first, last + 1, step)]


def _draw_vehicle(image: Pixels, plan: Plan) -> None:
    """Mark the origin of the base frame, where the grid reaches it."""
    inside = plan.x_min_m <= 0 <= plan.x_max_m and plan.y_min_m <= 0 <= plan.y_max_m
    if inside:
        row, column = plan.row(0.0), plan.column(0.0)
        corners = np.array([(column, row - 12), (column - 8, row + 6), (column + 8, row + 6)])
        cv2.fillPoly(image, [corners.astype(np.int32)], VEHICLE, cv2.LINE_AA)


def _entries(labels: Pixels | None, legend: Legend | None) -> list[tuple[str, Color]]:
    """Return text and colour of the classes in this frame, the largest first."""
    if labels is None or legend is None:
        return []
    shares = np.bincount(labels.ravel(), minlength=256)[: len(legend.names)] / labels.size
    order = [int(i) for i in np.argsort(-shares, kind='stable') if shares[i] > 0][:LEGEND_ROWS]
    entries = []
    for i in order:
        red, green, blue = (int(part) for part in legend.palette[i])
        entries.append((f'{legend.names[i]}  {100 * shares[i]:.1f} %', (blue, green, red)))
    return entries


def _draw_legend(image: Pixels, entries: list[tuple[str, Color]], top: int) -> None:
    for row, (text, color) in enumerate(entries):
        y = top + row * LINE_PX
        cv2.rectangle(image, (MARGIN_PX, y + 3), (MARGIN_PX + 22, y + 17), color, cv2.FILLED)
        _write(image, text, (MARGIN_PX + 34, y + 15), TEXT, size=0.46)


def _to_height(image: Any, height: int) -> Pixels:
    """Scale to this height and an even width."""
    width = max(2, round(image.shape[1] * height / image.shape[0] / 2) * 2)
    how = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=how), np.uint8)


def _canvas(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), BACKGROUND, np.uint8)


def _write(
    image: Pixels, text: str, at: tuple[int, int], color: Color, size: float = 0.52
) -> None:
    cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, size, color, 1, cv2.LINE_AA)
