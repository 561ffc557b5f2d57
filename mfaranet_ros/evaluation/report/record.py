# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What an evaluation keeps of each frame, as a value and as one line of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfaranet_ros.evaluation.metrics.counts import Counts, from_plain, to_plain


@dataclass(frozen=True, eq=False)
class FrameRecord:
    """One frame that was run.

    source: the name of the bag or folder. number: its place in there. name: what reports call it.
    size: height and width in pixels. ground truth: whether it was compared with one.
    ms: the time of each stage.
    """

    source: str
    number: int
    name: str
    stamp_ns: int
    size: tuple[int, int]
    ground_truth: bool
    counts: Counts
    ms: Mapping[str, float]


@dataclass(frozen=True)
class Skipped:
    """One frame that could not be decoded, and why."""

    source: str
    number: int
    name: str
    why: str


Record = FrameRecord | Skipped


def to_line(record: Record) -> str:
    """Return a record as one line of JSON."""
    plain: dict[str, Any] = {
        'source': record.source,
        'number': record.number,
        'name': record.name,
    }
    if isinstance(record, Skipped):
        plain['why'] = record.why
    else:
        plain |= {
            'stamp_ns': record.stamp_ns,
            'size': list(record.size),
            'ground_truth': record.ground_truth,
            'counts': to_plain(record.counts),
            'ms': {stage: round(ms, 4) for stage, ms in record.ms.items()},
        }
    return json.dumps(plain, separators=(',', ':'))


def from_line(line: str, classes: int) -> Record:
    """Return the record of a line; raises ValueError, KeyError or TypeError for anything else."""
    plain = json.loads(line)
    place = str(plain['source']), int(plain['number']), str(plain['name'])
    if 'why' in plain:
        return Skipped(*place, str(plain['why']))
    height, width = plain['size']
    return FrameRecord(
        *place,
        int(plain['stamp_ns']),
        (int(height), int(width)),
        bool(plain['ground_truth']),
        from_plain(plain['counts'], classes),
        {str(stage): float(ms) for stage, ms in plain['ms'].items()},
    )
