# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The demo's drawings: sizes, and that things are where one expects them."""

from __future__ import annotations

import numpy as np
import pytest

from mfaranet_ros.core.frame import GroundGrid
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.evaluation.report.contact_sheet import (
    CELL_COLORS,
    PANEL_WIDTH_PX,
    VIEW_HEIGHT_PX,
    Legend,
    View,
    draw_grid,
    draw_grid_beside,
    draw_view,
)

CAMVID = get_label_set('camvid')
LEGEND = Legend(CAMVID.names, CAMVID.palette)


def make_grid(cells=None, resolution_m=0.5, x_min_m=0.0, y_min_m=-10.0):
    if cells is None:
        cells = np.full((40, 80), -1, np.int8)
    return GroundGrid(cells, resolution_m, x_min_m, y_min_m)


def where(image, name):
    """Return the mean row and column of a colour, from 0 at the top and left to 1."""
    rows, columns = np.nonzero((image == CELL_COLORS[name]).all(axis=2))
    assert rows.size, f'nothing is {name}'
    return rows.mean() / image.shape[0], columns.mean() / image.shape[1]


def test_ahead_is_up_and_left_is_left():
    cells = np.full((40, 80), -1, np.int8)
    cells[30:, 60:] = 0  # far ahead, to the left
    cells[:10, :20] = 100  # near, to the right
    image = draw_grid(make_grid(cells), 600, 400, '')
    (free_row, free_column), (blocked_row, blocked_column) = (
        where(image, name) for name in ('free', 'blocked')
    )
    assert free_row < 0.4 < 0.6 < blocked_row
    assert free_column < blocked_column


@pytest.mark.parametrize('shape', [(1, 1), (3, 200), (200, 3), (40, 80)])
def test_any_grid_fits(shape):
    grid = make_grid(np.zeros(shape, np.int8), x_min_m=-5.0)
    image = draw_grid(grid, 300, 200, 'two\nlines')
    assert image.shape == (300, 200, 3)
    assert where(image, 'free')


def test_no_grid_is_said():
    assert draw_grid(None, 300, 200, '').max() > 100


@pytest.mark.parametrize('size', [(360, 480), (97, 131), (1024, 2048), (2, 2)])
@pytest.mark.parametrize('complete', [True, False])
def test_a_view_has_even_sides_and_shows_the_overlay(size, complete):
    overlay = np.zeros((*size, 3), np.uint8)
    overlay[:, :, 0] = 255  # red
    labels = np.full(size, 3, np.uint8) if complete else None
    view = View(overlay, labels, make_grid() if complete else None)
    image = draw_view(view, LEGEND if complete else None, ['one', 'two'], 'nominal')
    assert image.dtype == np.uint8
    assert image.shape[0] % 2 == image.shape[1] % 2 == 0
    main = image[:VIEW_HEIGHT_PX, :-PANEL_WIDTH_PX]
    assert main.shape[1] / VIEW_HEIGHT_PX == pytest.approx(size[1] / size[0], rel=0.02)
    assert tuple(main[300, 100]) == (0, 0, 255)
    road_bgr = CAMVID.palette[3][::-1]
    in_legend = (image[:VIEW_HEIGHT_PX, -PANEL_WIDTH_PX:] == road_bgr).all(axis=2).any()
    assert in_legend == complete


def test_the_layout_does_not_jump_with_the_classes_in_a_frame():
    overlay = np.zeros((36, 48, 3), np.uint8)
    cells = np.zeros((40, 80), np.int8)
    few, many = np.zeros((36, 48), np.uint8), np.arange(36 * 48).reshape(36, 48) % 11
    places = [
        where(draw_view(View(overlay, labels, make_grid(cells)), LEGEND, [], ''), 'free')
        for labels in (few, many.astype(np.uint8))
    ]
    assert places[0] == places[1]


def test_the_large_grid_stands_beside_its_overlay():
    overlay = np.full((36, 48, 3), 200, np.uint8)
    image = draw_grid_beside(View(overlay, None, make_grid(np.zeros((4, 8), np.int8))), 'note')
    assert image.shape[0] == VIEW_HEIGHT_PX
    assert (image[:, :900] == 200).all()
    assert where(image, 'free')[1] > 0.6
