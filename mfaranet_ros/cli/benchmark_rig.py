# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Measure several cameras on one node against one node for each camera."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from mfaranet_ros.benchmark.rig import MANY, ONE, RigLoad, RigRun, measure_rig
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the load, whose default are four cameras of 480x360 at 30 Hz for 10 seconds."""
    parser.add_argument('--cameras', type=int, default=4, help='number of cameras')
    parser.add_argument('--height', type=int, default=360, help='of the images, in px')
    parser.add_argument('--width', type=int, default=480, help='of the images, in px')
    parser.add_argument('--rate', type=float, default=30.0, help='images per second and camera')
    parser.add_argument('--seconds', type=float, default=10.0, help='time of one run')
    parser.add_argument('--runs', type=int, default=3, help='runs of each arrangement')
    parser.add_argument(
        '--parameter', action='append', metavar='NAME:=VALUE', default=[],
        help='parameter of the nodes; default: model.name:=eseg_lite_s',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Measure both arrangements in turn, and print the medians of their runs."""
    parameters = tuple(args.parameter) or ('model.name:=eseg_lite_s',)
    load = RigLoad(args.cameras, args.height, args.width, args.rate, args.seconds, parameters)
    numbers = (load.cameras, load.height, load.width, load.rate_hz, load.seconds, args.runs)
    if not all(0 < value < math.inf for value in numbers):
        raise ConfigError(f'{load}, {args.runs} runs: all numbers must be above 0')
    with Progress(2 * args.runs, 'run') as progress:
        runs = list(measure_rig(load, args.runs, progress.update))
    print(table(load, runs))
    if args.json:
        write_json(args.json, {'load': asdict(load), 'runs': [asdict(run) for run in runs]})
    return 0


def table(load: RigLoad, runs: Sequence[RigRun]) -> str:
    """Return the medians of the runs as a table, and the ratios of the two arrangements."""
    rows = [
        f'{load.cameras} cameras of {load.width}x{load.height} at {load.rate_hz:g} Hz, '
        f'{load.seconds:g} s a run',
        f'{"":<18}{"masks/s":>9}{"slowest":>9}{"ages":>18}{"memory":>10}',
    ]
    figures = {}
    for name in (ONE, MANY):
        own = [run for run in runs if run.arrangement == name]
        rate, memory = _median(run.rate_hz for run in own), _median(run.memory_mb for run in own)
        slowest = _median(min(run.rates_hz) for run in own)
        young = _median(min(run.ages_ms) for run in own)
        old = _median(max(run.ages_ms) for run in own)
        figures[name] = rate, memory
        ages = f'{young:.0f} to {old:.0f} ms'
        rows.append(f'{name:<18}{rate:>9.1f}{slowest:>9.1f}{ages:>18}{memory:>7.0f} MB')
    (rate, memory), (other_rate, other_memory) = figures[ONE], figures[MANY]
    rows.append(
        f'one process: {rate / max(other_rate, 1e-9):.2f} times the masks, '
        f'{100 * memory / max(other_memory, 1e-9):.0f} % of the memory'
    )
    return '\n'.join(rows)


def _median(values: Iterable[float]) -> float:
    return float(np.median(list(values)))
