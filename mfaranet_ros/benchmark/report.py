# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A benchmark as a table for the terminal and as figures for a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from mfaranet_ros.benchmark.run import Benchmark, Failure, Result
from mfaranet_ros.evaluation.report.tables import table

HEADINGS = (
    'operating point', 'backend', 'precision', 'p50', 'p95', 'p99', 'network', 'outside', 'fps',
    'ratio', 'net ratio', 'same', 'mIoU', 'GMAC', 'floor', 'MB', 'J',
)  # fmt: skip

LEGEND = """\
times in ms, of whole frames from camera bytes to labels; network: its own p50; outside: the share
of the rest; ratio: times as fast as the reference, alternately in this run, net ratio: of the
networks alone; same: share of pixels with the reference's label; floor: what the network's GMAC
(10^9 multiply-accumulates) take at the pace of a large matrix product here; MB: in use; J:
joules of the CPU packages for one frame, where the machine counts them"""


def describe(benchmark: Benchmark, *, markdown: bool = False) -> str:
    """Return the table, one row for each result, and a line for each row that failed.

    markdown: write the table as Markdown.
    """
    rows = [HEADINGS, *map(_cells, benchmark.results)]
    plain = table(rows, '<<<' + '>' * (len(HEADINGS) - 3))
    lines = [_markdown(rows) if markdown else plain, '', LEGEND]
    lines += ['', *map(_line, benchmark.failures)] if benchmark.failures else []
    return '\n'.join(lines)


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    lines = [f'| {" | ".join(row)} |' for row in rows]
    return '\n'.join([lines[0], '| --- ' * len(rows[0]) + '|', *lines[1:]])


def _cells(result: Result) -> tuple[str, ...]:
    row, measured = result.row, result.measured
    total = measured.ms.total
    return (
        row.operating_point,
        row.backend,
        row.precision,
        *(f'{value:.1f}' for value in (total.p50, total.p95, total.p99)),
        f'{measured.ms.inference.p50:.1f}',
        f'{measured.outside_share:.1%}',
        f'{1000 / total.p50:.1f}',
        f'{result.ratio:.2f}',
        f'{result.network_ratio:.2f}',
        f'{result.agreement:.2%}',
        '' if result.mean_iou is None else f'{result.mean_iou:.4f}',
        '' if result.gmac is None else f'{result.gmac:.1f}',
        '' if result.floor_ms is None else f'{result.floor_ms:.1f}',
        f'{measured.memory_mb:.0f}',
        '' if measured.joules is None else f'{measured.joules:.1f}',
    )


def _line(failure: Failure) -> str:
    return f'not measured: {failure.row.name}: {failure.why}'


def figures(benchmark: Benchmark) -> dict[str, Any]:
    """Return everything as JSON can hold it."""
    return {
        'results': [_figures(result) for result in benchmark.results],
        'failures': [{**asdict(f.row), 'why': f.why} for f in benchmark.failures],
    }


def _figures(result: Result) -> dict[str, Any]:
    measured = result.measured
    return {
        **asdict(result.row),
        'detail': result.detail,
        'frames': measured.frames,
        'ms': asdict(measured.ms),
        'outside_share': measured.outside_share,
        'fps': 1000 / measured.ms.total.p50,
        'ratio': result.ratio,
        'network_ratio': result.network_ratio,
        'agreement': result.agreement,
        'mean_iou': result.mean_iou,
        'gmac': result.gmac,
        'floor_ms': result.floor_ms,
        'memory_mb': measured.memory_mb,
        'joules': measured.joules,
    }
