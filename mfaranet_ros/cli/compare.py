# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compare two evaluations of the same frames, or a slice of them: better, or noise?

Each is a report.json, a frames.parquet, or the folder that `mfaranet evaluate --out` wrote. The
interval of the difference is bootstrapped over frames, the same draws for both.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.evaluation.report.compare import (
    CONFIDENCE,
    DRAWS,
    SEED,
    Comparison,
    Difference,
    Scored,
    compare,
    read_scored,
)
from mfaranet_ros.evaluation.report.scored_table import (
    read_frames,
    scored_of,
    select,
    values_of,
    with_value,
)
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.evaluation.runs.run import FRAME_TABLE, REPORT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two reports, how frames are drawn, and what is written."""
    parser.add_argument('first', type=Path, metavar='A', help='report.json, frames.parquet or DIR')
    parser.add_argument('second', type=Path, metavar='B', help='one of the same frames')
    parser.add_argument(
        '--where', default='', metavar='CONDITION',
        help='only these frames, by the columns of frames.parquet: "brightness < 60"',
    )  # fmt: skip
    parser.add_argument(
        '--by', default='', metavar='COLUMN',
        help='a line for each value of a column, such as source for each bag',
    )  # fmt: skip
    parser.add_argument(
        '--columns', type=Path, metavar='FILE',
        help='parquet with stamp_ns and more columns, such as speed_mps, for --where and --by',
    )  # fmt: skip
    parser.add_argument(
        '--block', type=int, default=1, metavar='N',
        help='draw this many consecutive frames together, for images of a drive that resemble '
        'each other; default: 1',
    )  # fmt: skip
    parser.add_argument('--seed', type=int, default=SEED, metavar='N', help=f'default: {SEED}')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Read both, compare, print the table and write what is asked for."""
    if args.block < 1 or args.seed < 0:
        raise ConfigError(
            f'--block {args.block}, --seed {args.seed}: must be 1 or more, 0 or more'
        )
    if args.by or args.where or args.columns:
        first, second = (read_frames(_table(path), args.columns) for path in _paths(args))
        first, second = select(first, args.where), select(second, args.where)
        if args.by:
            return _compare_by(args, first, second)
        both = [
            scored_of(str(path), frames, _settings(path))
            for path, frames in zip(_paths(args), (first, second), strict=True)
        ]
    else:
        both = [_read(path) for path in _paths(args)]
    found = compare(*both, block=args.block, seed=args.seed)
    print(describe(found))
    if args.json:
        write_json(args.json, {**_given(args), **figures(found)})
    return 0


def _given(args: argparse.Namespace) -> dict[str, str]:
    given = {'first': str(args.first), 'second': str(args.second)}
    return {**given, 'where': args.where} if args.where else given


def _paths(args: argparse.Namespace) -> tuple[Path, Path]:
    return args.first.expanduser(), args.second.expanduser()


def _compare_by(args: argparse.Namespace, first: Any, second: Any) -> int:
    """Compare the frames of each value of a column, and print a line for each."""
    slices = {}
    rows = [(args.by, 'frames', 'A', 'B', 'B - A', f'{CONFIDENCE:.0%} interval', '')]
    for value in values_of(first, args.by):
        both = [
            scored_of(str(path), with_value(frames, args.by, value), {})
            for path, frames in zip(_paths(args), (first, second), strict=True)
        ]
        found = compare(*both, block=args.block, seed=args.seed)
        mean = found.differences[0]
        rows.append((str(value), str(found.frames), *_cells(mean)))
        slices[str(value)] = figures(found)
    print(f'{rows[0][0]}: mean IoU\n' + table(rows, '<>>>>><'))
    if args.json:
        write_json(args.json, {**_given(args), 'by': args.by, 'slices': slices})
    return 0


def _table(path: Path) -> Path:
    """Return the table of frames of an evaluation."""
    if path.is_dir():
        return path / FRAME_TABLE
    return path.with_name(FRAME_TABLE) if path.suffix == '.json' else path


def _settings(path: Path) -> Mapping[str, str]:
    """Return the settings in the report beside a table; none where there is no report."""
    report = path / REPORT if path.is_dir() else path.with_name(REPORT)
    return _read(report).settings if report.is_file() else {}


def _read(path: Path) -> Scored:
    if path.suffix == '.parquet':
        return scored_of(str(path), read_frames(path), _settings(path))
    path = path / REPORT if path.is_dir() else path
    try:
        content = parse_json(path.read_bytes())
    except OSError as error:
        raise SourceError(
            f'{path} cannot be read: {error.strerror}; give a report.json'
        ) from error
    except ValueError as error:
        raise SourceError(f'{path} is not JSON ({error}): give a report.json') from error
    return read_scored(str(path), content)


def describe(found: Comparison) -> str:
    """Return the table, the verdict, and the settings that differ."""
    rows = [('', 'A', 'B', 'B - A', f'{CONFIDENCE:.0%} interval', '')]
    for each in found.differences:
        rows.append((each.name, *_cells(each)))
    drawn = 'frames' if found.block == 1 else f'blocks of {found.block} frames'
    lines = [table(rows, '<>>>><'), '', verdict(found.differences[0])]
    lines += [f'{found.frames} frames, {DRAWS} draws of {drawn}', '']
    differing = [f'  {name}: {a} / {b}' for name, (a, b) in found.settings.items()]
    lines += ['settings that differ', *differing] if differing else ['all settings are the same']
    return '\n'.join(lines)


def _cells(each: Difference) -> tuple[str, str, str, str, str]:
    interval = f'{each.low:+.4f} to {each.high:+.4f}'
    mark = '' if each.is_noise else 'better' if each.change > 0 else 'worse'
    return f'{each.first:.4f}', f'{each.second:.4f}', f'{each.change:+.4f}', interval, mark


def verdict(mean: Difference) -> str:
    """Return what the interval of one score means."""
    interval = f'{CONFIDENCE:.0%} interval of the difference: {mean.low:+.4f} to {mean.high:+.4f}'
    if mean.low == mean.high == 0:
        return f'The {mean.name} of both is the same on every draw.'
    if mean.is_noise:
        return f'No more than noise: both may have the same {mean.name} ({interval}).'
    which = 'better' if mean.change > 0 else 'worse'
    return f'More than noise: B is {which} in {mean.name} by {abs(mean.change):.4f} ({interval}).'


def figures(found: Comparison) -> dict[str, Any]:
    """Return everything as JSON can hold it."""
    return {
        'frames': found.frames,
        'block': found.block,
        'draws': DRAWS,
        'confidence': CONFIDENCE,
        'differences': [
            {**asdict(each), 'change': each.change, 'noise': each.is_noise}
            for each in found.differences
        ],
        'settings': {name: list(both) for name, both in found.settings.items()},
        'verdict': verdict(found.differences[0]),
    }
