# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compare two reports of `mfaranet evaluate` on the same frames: better, or noise?

The interval of the difference is bootstrapped over frames, the same draws for both.
"""

from __future__ import annotations

import argparse
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
from mfaranet_ros.evaluation.report.tables import table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the two reports, how frames are drawn, and what is written."""
    parser.add_argument('first', type=Path, metavar='A.json', help='a report.json')
    parser.add_argument('second', type=Path, metavar='B.json', help='one of the same frames')
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
    found = compare(_read(args.first), _read(args.second), block=args.block, seed=args.seed)
    print(describe(found))
    if args.json:
        given = {'first': str(args.first), 'second': str(args.second)}
        write_json(args.json, {**given, **figures(found)})
    return 0


def _read(path: Path) -> Scored:
    try:
        content = parse_json(path.expanduser().read_bytes())
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
        interval = f'{each.low:+.4f} to {each.high:+.4f}'
        change = f'{each.change:+.4f}'
        mark = '' if each.is_noise else 'better' if each.change > 0 else 'worse'
        rows.append((each.name, f'{each.first:.4f}', f'{each.second:.4f}', change, interval, mark))
    drawn = 'frames' if found.block == 1 else f'blocks of {found.block} frames'
    lines = [table(rows, '<>>>><'), '', verdict(found.differences[0])]
    lines += [f'{found.frames} frames, {DRAWS} draws of {drawn}', '']
    differing = [f'  {name}: {a} / {b}' for name, (a, b) in found.settings.items()]
    lines += ['settings that differ', *differing] if differing else ['all settings are the same']
    return '\n'.join(lines)


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
