# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How long a process takes from its start to its first mask, and its memory.

A network file (ONNX, or INT8 of `mfaranet quantise`) runs without torch; weights need it. Every
start is a fresh process that does what the node does. Engines are taken from the cache, as after
`mfaranet prepare`; --cold gives the first start an empty one.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from mfaranet_ros.benchmark.start import Start, measure_start
from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.versions import versions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the network, how often, and whether torch may be imported."""
    add_model_arguments(parser)
    parser.add_argument('--runs', type=int, default=3, metavar='N', help='starts; default: 3')
    parser.add_argument(
        '--without-torch', action='store_true', help='as if torch were not installed'
    )
    parser.add_argument('--cold', action='store_true', help='begin with an empty cache')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Start the processes one after the other, print the times; return 0."""
    if args.runs < 1:
        raise ConfigError(f'--runs {args.runs}: must be 1 or more')
    config = model_config(args)
    imports = ['mfaranet_ros.ros.segmentation_node'] if find_spec('rclpy') else []
    starts = []
    with tempfile.TemporaryDirectory() as folder, Progress(args.runs, 'start') as progress:
        environment = os.environ | ({'XDG_CACHE_HOME': folder} if args.cold else {})
        for _ in range(args.runs):
            start = measure_start(
                config,
                imports=imports,
                without_torch=args.without_torch,
                environment=environment,
            )
            starts.append(start)
            progress.update()
    print(describe(starts))
    if args.json:
        write_json(
            args.json, {'starts': [asdict(start) for start in starts], 'versions': versions()}
        )
    return 0


def describe(starts: Sequence[Start]) -> str:
    """Return the times of each start and the median of the whole as lines."""
    first = starts[0]
    torch = 'with torch' if first.torch else 'without torch'
    lines = [f'{first.backend} in {first.precision}, {torch}; seconds, and MB of memory']
    lines.append(
        f'{"total":>8}{"imports":>9}{"build":>8}{"test":>8}{"frame":>8}{"MB":>7}{"peak":>7}'
    )
    for one in starts:
        lines.append(
            f'{one.total_s:>8.2f}{one.imports_s:>9.2f}{one.build_s:>8.2f}{one.test_s:>8.2f}'
            f'{one.frame_s:>8.2f}{one.memory_mb:>7.0f}{one.memory_peak_mb:>7.0f}'
        )
    middle = statistics.median(one.total_s for one in starts)
    return '\n'.join([*lines, f'first mask after {middle:.2f} s (median of {len(starts)})'])
