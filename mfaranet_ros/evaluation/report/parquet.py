# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Results as tables in parquet: a row per frame, and a row per bag; docs/fleet.md lists columns.

What is not known is null, never 0 or nan.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import ConfigError, OutputError
from mfaranet_ros.core.files import printable
from mfaranet_ros.evaluation.metrics.metric import BANDS, Band
from mfaranet_ros.evaluation.runs.parts import FrameScores, Part, Results
from mfaranet_ros.evaluation.runs.run import BAG_TABLE, FRAME_TABLE
from mfaranet_ros.monitoring.monitor import PROCESSING

INSTALL = "pip install 'mfaranet_ros[parquet]'"

CLASSES = b'classes'
"""Where the schema of the table of frames names the classes, as a list in JSON."""


def _name(band: Band) -> str:
    return str(band).replace(' ', '_')


FRAME_COLUMNS = {
    'source': ('string', 'name of the bag or folder'),
    'number': ('int64', 'place of the image in it, from 0'),
    'name': ('string', 'name of the image: its file, or its stamp in seconds'),
    'stamp_ns': ('int64', 'stamp of the header in nanoseconds'),
    'height': ('int32', 'height of the image in pixels'),
    'width': ('int32', 'width of the image in pixels'),
    'mean_iou': ('double', 'mean IoU over the classes of the image, 0 to 1'),
    'pixel_accuracy': ('double', 'share of the labeled pixels with the right class, 0 to 1'),
    'drivable_iou': ('double', 'IoU of the drivable area, 0 to 1'),
    'flicker': ('double', 'share of pixels whose label differs from the frame before, 0 to 1'),
    'processing_ms': ('double', 'time from the encoded image to its labels'),
    'inference_ms': ('double', 'time of the network'),
    'brightness': ('double', 'mean of a sample of its pixels, 0 to 255: low at night'),
    'saturated_share': ('double', 'share of the sample that is white, 0 to 1'),
    **{
        f'drivable_iou_{_name(band)}': ('double', f'IoU of the drivable area {band} ahead, 0 to 1')
        for band in BANDS
    },
    'hit_pixels': ('list<int64>', 'pixels of each class that were found'),
    'true_pixels': ('list<int64>', 'pixels of each class in the ground truth'),
    'found_pixels': ('list<int64>', 'labeled pixels that were found as each class'),
    'drivable_pixels': ('list<int64>', 'of the drivable area: hit, true and found pixels'),
    'skipped': ('string', 'why the image was not evaluated'),
}
"""The columns of the table of frames: type of Arrow, and meaning."""

BAG_COLUMNS = {
    'source': ('string', 'name of the bag or folder'),
    'files': ('list<string>', 'its files, or its URL'),
    'sha256': ('string', 'of all of them'),
    'images': ('int64', 'the images in it'),
    'frames': ('int64', 'the images that were evaluated'),
    'skipped': ('int64', 'the images that could not be decoded'),
    'mean_iou': ('double', 'over all pixels of the bag, 0 to 1'),
    'pixel_accuracy': ('double', '0 to 1'),
    'drivable_iou': ('double', 'IoU of the drivable area, 0 to 1'),
    'flicker': ('double', 'share of the compared pixels whose label changed, 0 to 1'),
    'processing_ms_p50': ('double', 'median time from the encoded image to its labels'),
    'processing_ms_p99': ('double', '99th percentile of it'),
    'problem': ('string', 'what is missing of the bag, or why it is not evaluated'),
}
"""The columns of the table of bags."""


def write_tables(results: Results, folder: Path) -> None:
    """Write both tables into a folder that exists; raises OutputError, and ConfigError."""
    frames = [row for part in results.parts for row in _frame_rows(part)]
    classes = json.dumps(results.together.label_set.names).encode()
    _write(folder / FRAME_TABLE, frames, FRAME_COLUMNS, {CLASSES: classes})
    _write(folder / BAG_TABLE, [_bag_row(part) for part in results.parts], BAG_COLUMNS, {})


def has_parquet() -> bool:
    """Say whether pyarrow is installed."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        return False
    return True


def _write(
    path: Path,
    rows: Sequence[dict[str, Any]],
    columns: dict[str, tuple[str, str]],
    about: dict[bytes, bytes],
) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError(f'{path} needs pyarrow: {INSTALL}') from error
    types = {
        'string': pa.string(), 'int64': pa.int64(), 'int32': pa.int32(), 'double': pa.float64(),
        'list<string>': pa.list_(pa.string()), 'list<int64>': pa.list_(pa.int64()),
    }  # fmt: skip
    schema = pa.schema(
        [
            pa.field(name, types[kind], metadata={'meaning': meaning})
            for name, (kind, meaning) in columns.items()
        ],
        metadata=about,
    )
    try:
        with path.open('wb') as file:  # Arrow itself only opens paths that are text
            pq.write_table(pa.Table.from_pylist([_encodable(row) for row in rows], schema), file)
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error}; free some space') from error


def _encodable(value: Any) -> Any:
    """Return a row or a value of it with valid UTF-8, whatever bytes the names of files hold."""
    if isinstance(value, dict):
        return {name: _encodable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_encodable(each) for each in value]
    return printable(value) if isinstance(value, str) else value


def _frame_rows(part: Part) -> list[dict[str, Any]]:
    rows = [_frame_row(frame) for frame in part.frames]
    rows += [
        {'source': each.source, 'number': each.number, 'name': each.name, 'skipped': each.why}
        for each in part.skipped
    ]
    return sorted(rows, key=lambda row: int(row['number']))


def _frame_row(frame: FrameScores) -> dict[str, Any]:
    score = frame.score
    height, width = frame.size
    return {
        'source': frame.source,
        'number': frame.number,
        'name': frame.name,
        'stamp_ns': frame.stamp_ns,
        'height': height,
        'width': width,
        'mean_iou': _known(frame.mean_iou),
        'pixel_accuracy': _known(score.pixel_accuracy) if score else None,
        'drivable_iou': _known(score.drivable_iou) if score else None,
        'flicker': _known(frame.flicker),
        'processing_ms': frame.times.processing_ms,
        'inference_ms': frame.times.pipeline.inference_ms,
        'brightness': frame.health.brightness,
        'saturated_share': frame.health.saturated_share,
        **{
            f'drivable_iou_{_name(band)}': _known(iou) if score else None
            for band, iou in zip(BANDS, frame.drivable_iou_by_distance, strict=True)
        },
        **_pixels(frame),
    }


def _pixels(frame: FrameScores) -> dict[str, Any]:
    names = ('hit_pixels', 'true_pixels', 'found_pixels', 'drivable_pixels')
    if frame.score is None:
        return dict.fromkeys(names)
    return dict(zip(names, map(list, (*frame.classes, frame.drivable)), strict=True))


def _bag_row(part: Part) -> dict[str, Any]:
    (summary,) = part.summaries
    scores = part.scores
    times = part.spreads.get(PROCESSING)
    return {
        'source': part.name,
        'files': list(summary.files),
        'sha256': summary.sha256 or None,
        'images': summary.frames,
        'frames': len(part.frames),
        'skipped': len(part.skipped),
        'mean_iou': _known(scores.matrix.mean_iou()) if scores else None,
        'pixel_accuracy': _known(scores.matrix.pixel_accuracy()) if scores else None,
        'drivable_iou': _known(scores.matrix.drivable(part.label_set).iou) if scores else None,
        'flicker': _known(part.flicker.all),
        'processing_ms_p50': times.p50 if times else None,
        'processing_ms_p99': times.p99 if times else None,
        'problem': summary.truncated or None,
    }


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
