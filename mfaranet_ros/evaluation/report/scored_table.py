# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scores of frames from a table in parquet, all of them or a slice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.evaluation.report.compare import Scored, keys_of
from mfaranet_ros.evaluation.report.parquet import CLASSES, FRAME_COLUMNS, INSTALL
from mfaranet_ros.evaluation.report.where import parse_where

NEEDED = ('source', 'number', 'name', 'stamp_ns', *(n for n in FRAME_COLUMNS if 'pixels' in n))
MOST_VALUES = 1000
"""The slices that one table shows."""

NEAREST_NS = 100_000_000
"""How far a row of another table may be from a frame to belong to it."""


def read_frames(path: Path, beside: Path | None = None) -> Any:
    """Return a table of frames, with the columns of another one beside its own.

    beside: parquet with stamp_ns, such as the speed of the vehicle; each frame gets the row whose
    stamp is nearest, null where none is within 0.1 s.
    Raises SourceError for files that are no such tables, ConfigError without pyarrow.
    """
    table = _read(path)
    missing = [name for name in NEEDED if name not in table.column_names]
    if missing or CLASSES not in (table.schema.metadata or {}):
        raise SourceError(
            f'{path} is no table of frames of this version ({", ".join(missing) or "classes"} '
            'missing): evaluate again with --out and give its frames.parquet'
        )
    return table if beside is None else _with_nearest(table, _read(beside), beside)


def _read(path: Path) -> Any:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(f'{path} needs pyarrow: {INSTALL}') from error
    try:
        with path.open('rb') as file:
            return pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        reason = getattr(error, 'strerror', None) or str(error).splitlines()[0]
        raise SourceError(
            f'{path} cannot be read: {reason}; evaluate with --out where pyarrow is installed '
            f'({INSTALL})'
        ) from error


def _with_nearest(table: Any, other: Any, path: Path) -> Any:
    import pyarrow as pa

    new = [name for name in other.column_names if name not in table.column_names]
    if 'stamp_ns' not in other.column_names or not new or not other.num_rows:
        raise SourceError(f'{path} needs stamp_ns and a column that frames do not have')
    other = other.sort_by('stamp_ns')
    times = np.asarray(other['stamp_ns'].to_numpy(), np.int64)
    stamps = np.asarray(table['stamp_ns'].fill_null(-(2**62)).to_numpy(), np.int64)
    right = np.searchsorted(times, stamps).clip(0, len(times) - 1)
    left = (right - 1).clip(0)
    nearest = np.where(abs(times[left] - stamps) <= abs(times[right] - stamps), left, right)
    far = abs(times[nearest] - stamps) > NEAREST_NS
    rows = other.take(pa.array(nearest, mask=far))
    for name in new:
        table = table.append_column(name, rows[name])
    return table


def select(table: Any, where: str) -> Any:
    """Return the rows that meet a condition; raises ConfigError for one that cannot be met."""
    import pyarrow as pa

    if not where:
        return table
    try:
        return table.filter(parse_where(where, table.column_names))
    except pa.ArrowException as error:
        raise ConfigError(f'--where {where}: {str(error).splitlines()[0]}') from error


def values_of(table: Any, column: str) -> list[Any]:
    """Return the different values of a column in order; raises ConfigError for too many."""
    if column not in table.column_names:
        raise ConfigError(f'--by {column}: choose from {", ".join(table.column_names)}')
    # Lists cannot be in a set, and are no values to compare by.
    every = table[column].to_pylist()
    if any(isinstance(value, list) for value in every):
        raise ConfigError(f'--by {column}: it holds lists, choose another column')
    values = [value for value in set(every) if value is not None]
    if not 1 <= len(values) <= MOST_VALUES:
        raise ConfigError(
            f'--by {column}: it has {len(values)} values, between 1 and {MOST_VALUES} can be '
            'compared; use --where for ranges'
        )
    return sorted(values)


def with_value(table: Any, column: str, value: Any) -> Any:
    """Return the rows with this value in a column."""
    import pyarrow.compute as pc

    return table.filter(pc.field(column) == value)


def scored_of(path: str, table: Any, settings: Mapping[str, str]) -> Scored:
    """Return the scores of the rows that have ground truth; raises SourceError without any.

    settings: of the evaluation, as `compare` shows them.
    """
    columns = [*NEEDED]
    rows = [row for row in table.select(columns).to_pylist() if row['true_pixels'] is not None]
    if not rows:
        raise SourceError(f'{path} has no frame with ground truth in this slice: choose another')
    counts = [
        np.vstack(
            (
                np.array([row['hit_pixels'], row['true_pixels'], row['found_pixels']]).T,
                row['drivable_pixels'],
            )
        )
        for row in rows
    ]
    classes = tuple(json.loads(table.schema.metadata[CLASSES]))
    return Scored(path, keys_of(rows), np.array(counts, np.int64), classes, settings)
