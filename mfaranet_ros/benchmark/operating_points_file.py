# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The operating points measured on this machine, as a parameter file of the node."""

from __future__ import annotations

from collections.abc import Mapping

from mfaranet_ros.benchmark.run import Benchmark, Result
from mfaranet_ros.benchmark.subjects import REFERENCE
from mfaranet_ros.core.errors import ConfigError


def choose_operating_points(benchmark: Benchmark) -> list[Result]:
    """Return the operating points worth keeping, from the most costly to the cheapest.

    All run on one backend in one precision: those on which the most costly network is fastest. An
    operating point that is slower than another one and no more accurate is left out, where the
    accuracy is known. Raises ConfigError if nothing but the reference was measured.
    """
    ours = [result for result in benchmark.results if result.row.backend != REFERENCE]
    if not ours:
        raise ConfigError(
            'no operating point could be measured, so there are none to write: see above'
        )
    costly = max(ours, key=lambda result: (result.gmac or 0.0, _ms(result)))
    same = [r for r in ours if r.row.operating_point == costly.row.operating_point]
    quickest = min(same, key=_ms)
    kind = quickest.row.backend, quickest.row.precision
    operating_points = sorted(
        (r for r in ours if (r.row.backend, r.row.precision) == kind), key=_ms, reverse=True
    )
    return [
        result
        for number, result in enumerate(operating_points)
        if all(_iou(result) > _iou(quicker) for quicker in operating_points[number + 1 :])
        or result.mean_iou is None
    ]


def to_yaml(operating_points: list[Result], about: Mapping[str, str], model: str) -> str:
    """Return the text of the parameter file.

    about: of the machine, for the comment. model: the network of operating points that name none.
    """
    lines = ['# Measured here by `mfaranet benchmark`: camera bytes to labels.', '#']
    lines += [f'# {name}: {value}' for name, value in about.items()]
    lines.append('#')
    for result in operating_points:
        total = result.measured.ms.total
        accuracy = '' if result.mean_iou is None else f', mean IoU {result.mean_iou:.4f}'
        lines.append(
            f'# {result.row.operating_point}: p50 {total.p50:.1f} ms, p95 {total.p95:.1f} '
            f'ms{accuracy}'
        )
    row = operating_points[0].row
    listed = ', '.join(f"'{result.row.operating_point}'" for result in operating_points)
    lines += [
        '/**:',
        '  ros__parameters:',
        '    model:',
        f'      name: {model}',
        '    runtime:',
        f'      backend: {row.backend}',
        f'      precision: {row.precision}',
        '    latency:',
        '      adapt: true',
        f'      operating_points: [{listed}]',
    ]
    return '\n'.join(lines) + '\n'


def _ms(result: Result) -> float:
    return result.measured.ms.total.p50


def _iou(result: Result) -> float:
    return result.mean_iou or 0.0
