# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Texts under each other, for the terminal."""

from __future__ import annotations

from collections.abc import Iterable


def table(rows: Iterable[Iterable[str]], align: str) -> str:
    """Return rows of texts in columns, all rows of one length; align: < or > for each column."""
    texts = [list(row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        cells = zip(row, align, widths, strict=True)
        lines.append('  '.join(f'{text:{side}{width}}' for text, side, width in cells).rstrip())
    return '\n'.join(lines)
