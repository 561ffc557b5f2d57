# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Search for input that breaks a reader: `./dev fuzz --minutes 30`.

Each finding is printed and its file written below --out. The exit code is 1 if there is one.
"""

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path

from fuzz.campaign import try_files
from fuzz.targets import TARGETS

ROUND = 100


def parse(argv):
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog='./dev fuzz', description=__doc__)
    parser.add_argument('--minutes', type=float, default=10.0, help='how long (default 10)')
    parser.add_argument('--seed', type=int, default=0, help='of the changes (default 0)')
    parser.add_argument(
        '--target', choices=TARGETS, action='append', help='a reader; may be repeated'
    )
    parser.add_argument('--out', type=Path, default=Path('out/fuzz'), help='folder for findings')
    arguments = parser.parse_args(argv)
    if arguments.minutes <= 0:
        parser.error('--minutes must be above 0')
    return arguments


def main(argv=None):
    """Search until the time is over; return the exit code."""
    arguments = parse(argv)
    names = arguments.target or list(TARGETS)
    end = time.monotonic() + 60 * arguments.minutes
    seen, tried = {}, 0
    for start, name in ((start, name) for start in itertools.count(0, ROUND) for name in names):
        if time.monotonic() > end:
            break
        with tempfile.TemporaryDirectory() as scratch:
            numbers, folder = range(start, start + ROUND), Path(scratch)
            for finding in try_files(name, TARGETS[name], folder, numbers, arguments.seed):
                _keep(finding, seen, arguments.out)
        tried += ROUND
    print(f'{tried} files, {len(seen)} kinds of findings', file=sys.stderr)
    return int(bool(seen))


def _keep(finding, seen, out):
    """Write the first finding of each kind."""
    kind = (finding.target, finding.what[:60])
    if kind in seen:
        return
    seen[kind] = finding
    out.mkdir(parents=True, exist_ok=True)
    path = out / f'{finding.target}_{finding.number}'
    path.write_bytes(finding.content)
    print(f'{finding.target} {finding.number}: {finding.what} ({path})', flush=True)


if __name__ == '__main__':
    sys.exit(main())
