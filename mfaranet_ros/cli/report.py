# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Put several evaluations on one page: a row for each bag, the worst first.

The folders are those that `mfaranet evaluate --out` wrote, on this machine or on others. The page
is one file that can be sorted by a click; each row links to the report of its evaluation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mfaranet_ros.core.errors import OutputError, SourceError
from mfaranet_ros.core.files import write_text
from mfaranet_ros.evaluation.report.fleet_page import render_fleet


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the evaluations and the page."""
    parser.add_argument(
        'evaluations', type=Path, nargs='+', metavar='DIR', help='--out of an evaluation'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('fleet.html'), metavar='FILE', help='default: fleet.html'
    )
    parser.add_argument('--overwrite', action='store_true', help='--out may be there already')


def main(args: argparse.Namespace) -> int:
    """Read all evaluations, write the page and return 0."""
    folders = [folder.expanduser() for folder in args.evaluations]
    resolved = [folder.resolve() for folder in folders]
    twice = {str(f) for f, r in zip(folders, resolved, strict=True) if resolved.count(r) > 1}
    if twice:
        raise SourceError(f'{", ".join(sorted(twice))}: give each evaluation once')
    out = args.out.expanduser()
    if out.exists() and not args.overwrite:
        raise OutputError(f'{out} exists: give another --out, or --overwrite')
    write_text(out, render_fleet(folders, out))
    print(f'report written to {out}')
    return 0
