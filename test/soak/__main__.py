# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Run the node for a long time under random use and faults, and check that it keeps its promises.

`./dev soak --minutes 120` writes samples.csv, violations.log and summary.txt into a folder and
exits with 1 if a promise was broken. The actions follow from the seed.
"""

import argparse
import sys
from pathlib import Path

from mfaranet_ros.core.processes import Children, interrupted_by_signals, ros_environment
from soak import samples

ROUNDS = 50
SHORTEST_ROUND_S = 10.0
DOMAIN = 101
"""The ROS domain, where none is set: none of those that the tests use."""

PARAMETERS = {
    'ground.z': 1.4,
    'ground.pitch': 0.0,
    'ground.yaw': 0.0,
    'latency.budget_ms': 100.0,
    'latency.max_age_ms': 1000.0,
    'drivable.min_confidence': 0.5,
    'drivable.boundary_bearings': 180,
    'diagnostics.input_timeout_ms': 1000.0,
    'diagnostics.expected_rate_hz': 2.0,
    'output.overlay_alpha': 0.3,
    'output.palette': 'classes',
}
"""The live parameters at the start, which each round restores."""


def parse(argv):
    """Return the arguments."""
    parser = argparse.ArgumentParser(prog='./dev soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=120.0, help='how long (default 120)')
    parser.add_argument('--seed', type=int, default=0, help='of the random actions (default 0)')
    parser.add_argument(
        '--rounds', type=int, default=ROUNDS,
        help=f'configure cycles; fewer if they would be under {SHORTEST_ROUND_S:g} s long '
        f'(default {ROUNDS})',
    )  # fmt: skip
    parser.add_argument('--rate', type=float, default=2.0, help='images a second (default 2)')
    parser.add_argument('--model', default='eseg_lite_s', help='network (default eseg_lite_s)')
    parser.add_argument('--backend', default='auto', help='runtime.backend (default auto)')
    parser.add_argument(
        '--out', type=Path, default=Path('out/soak'), help='folder of the results (out/soak)'
    )
    parser.add_argument(
        '--report', action='store_true', help='only summarise what is in --out, from any run'
    )
    arguments = parser.parse_args(argv)
    if arguments.minutes <= 0 or arguments.rate <= 0 or arguments.rounds < 1:
        parser.error('--minutes and --rate must be above 0, --rounds at least 1')
    return arguments


def main(argv=None):
    """Run, or summarise a run; return the exit code."""
    arguments = parse(argv)
    if not arguments.report:
        arguments.out.mkdir(parents=True, exist_ok=True)
        with interrupted_by_signals():
            try:
                _soak(arguments)
            except KeyboardInterrupt:
                print('interrupted: this is the summary so far', file=sys.stderr)
    return summarise(arguments.out)


def summarise(folder):
    """Print and write the summary of a run, also of one cut short; return 1 if it failed."""
    path, log = folder / 'samples.csv', folder / 'violations.log'
    if not path.exists():
        print(f'error: {path} does not exist: give the --out of a run', file=sys.stderr)
        return 2
    rows = samples.read_samples(path)
    problems = samples.judge(rows)
    judged = samples.is_memory_judged(rows)
    unjudged = [] if judged else ['memory is not judged: the run was too short for it']
    text = log.read_text(encoding='utf-8') if log.exists() else ''
    violations = [line for line in text.splitlines() if line.startswith('violation: ')]
    lines = [
        *samples.curve(rows),
        _totals(rows[-1]) if rows else 'no samples',
        *(f'problem: {problem}' for problem in problems),
        *unjudged,
        f'{len(violations)} violations',
        *violations[:20],
    ]  # fmt: skip
    failed = bool(problems or violations or not rows)
    lines.append('FAILED' if failed else 'passed')
    (folder / 'summary.txt').write_text('\n'.join(lines) + '\n', encoding='utf-8')
    print('\n'.join(lines))
    return int(failed)


def _totals(last):
    return (
        f'{last.elapsed_s / 60:.1f} minutes, {last.configures} configures, {last.actions} '
        f'actions, {last.sent} images sent, {last.outputs} outputs checked'
    )


def _soak(arguments):
    import os

    import rclpy

    os.environ.setdefault('ROS_DOMAIN_ID', str(DOMAIN))
    os.environ.update(ros_environment(isolated=True))
    from soak.run import NodeEnded, Run

    given = {
        'use_sim_time': True,
        'model.name': arguments.model,
        'runtime.backend': arguments.backend,
        'runtime.threads': 1,
        'ground.extrinsics': 'parameters',
        **PARAMETERS,
    }
    sheet = samples.SampleFile(arguments.out / 'samples.csv')
    log = (arguments.out / 'violations.log').open('w', encoding='utf-8')

    def violated(violation, history):
        text = f'violation: {violation.kind}: {violation.text}'
        print(text, file=sys.stderr, flush=True)
        past = ''.join(f'    {line}\n' for line in history)
        log.write(f'{text}\n  seed {arguments.seed}, before it:\n{past}')
        log.flush()

    def warned(text):
        node_log.write(f'{text}\n')
        node_log.flush()

    rclpy.init(args=[])
    with (
        log,
        (arguments.out / 'node.log').open('w', encoding='utf-8') as node_log,
        Children(os.environ, warned) as children,
    ):
        child = children.start_node('the node', 'segmentation_node', given)
        run = Run(child, arguments.seed, arguments.rate, PARAMETERS, sheet.add, violated)
        try:
            _rounds(run, arguments)
        except NodeEnded:
            pass
        finally:
            run.close()
            sheet.close()


def _rounds(run, arguments):
    total_s = 60 * arguments.minutes
    round_s = max(SHORTEST_ROUND_S, total_s / arguments.rounds)
    run.start()
    total_s += run.elapsed_s  # what the start took is no part of it
    while (left_s := total_s - run.elapsed_s) > 0:
        planned = max(1, round(left_s / round_s))
        overhead_s = min(8.0, round_s / 3)
        run.round(max(2.0, left_s / planned - overhead_s))


if __name__ == '__main__':
    sys.exit(main())
