# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Scores as cells and columns of text, and as values for JSON."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any


def table(rows: Iterable[Iterable[str]], align: str) -> str:
    """Return rows of texts in columns, all rows of one length; align: < or > for each column."""
    texts = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        cells = zip(row, align, widths, strict=True)
        lines.append('  '.join(f'{text:{side}{width}}' for text, side, width in cells).rstrip())
    return '\n'.join(lines)


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
