# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How many camera images get from one process to another, with our DDS profile and without."""

from __future__ import annotations

import argparse
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mfaranet_ros.benchmark.transport import Load, Transport, measure_transport
from mfaranet_ros.core.dds import find_shared
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the load, whose default is a 2 megapixel camera at 20 Hz for 5 seconds."""
    parser.add_argument('--height', type=int, default=1024, help='of the images, in px')
    parser.add_argument('--width', type=int, default=2048, help='of the images, in px')
    parser.add_argument('--rate', type=float, default=20.0, help='images per second')
    parser.add_argument('--frames', type=int, default=100, help='images to send')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Measure with the shipped profile and with Fast DDS's own, and print both."""
    load = Load(args.height, args.width, args.rate, args.frames)
    if not all(0 < value < math.inf for value in asdict(load).values()):
        raise ConfigError(f'{load}: height, width, rate and frames must be above 0')
    profiles = {'shipped': find_shared('config/fastdds.xml'), 'default': None}
    with Progress(load.frames * len(profiles), 'frame') as progress:
        results = [
            measure_transport(name, path, load, on_sent=progress.update)
            for name, path in profiles.items()
        ]
    print(table(load, results))
    if args.json:
        machine = (
            f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}'
        )
        figures = {'load': asdict(load), 'results': [asdict(result) for result in results]}
        write_json(args.json, {'machine': machine, **figures})
    return 0


def table(load: Load, results: Sequence[Transport]) -> str:
    """Return the figures as a table."""
    what = f'{load.width}x{load.height} rgb8, {load.rate_hz:g} Hz, best effort'
    rows = [f'{what}, between two processes ({results[0].rmw})']
    rows.append(f'{"profile":<10}{"received":>10}{"median age":>13}{"p95 age":>13}')
    for result in results:
        ages = (result.median_age_ms, result.p95_age_ms)
        cells = ['n/a' if age is None else f'{age:.1f} ms' for age in ages]
        received = f'{result.received}/{result.sent}'
        rows.append(f'{result.profile:<10}{received:>10}{cells[0]:>13}{cells[1]:>13}')
    return '\n'.join(rows)
