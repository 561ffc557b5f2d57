# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Record what the node publishes into a bag (mcap), and say what was lost.

It ends with Ctrl-C or after --duration; the file is whole then. The exit code is 3 where messages
were lost. What is recorded is computed: an output that nobody else wants costs time while it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from mfaranet_ros.cli.children import Child, Children, interrupted_by_signals
from mfaranet_ros.cli.dds import profile_to_set, with_profile
from mfaranet_ros.cli.report import write_json
from mfaranet_ros.core.config import Value
from mfaranet_ros.core.errors import ConfigError

FINISH_S = 60.0
"""How long it may take to write what waits when it is ended."""

LOST = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is recorded, how long, and where it goes."""
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder to make')
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='NAME',
        help='names below the node as mask, or full ones as /image; default: all it publishes',
    )  # fmt: skip
    parser.add_argument(
        '--inputs', action='store_true', help='record what the node listens to, too'
    )
    parser.add_argument(
        '--node', default='segmentation', metavar='NAME', help='default: segmentation'
    )
    parser.add_argument(
        '--duration', type=float, default=0.0, metavar='S',
        help='end so long after all topics have appeared; default: with Ctrl-C',
    )  # fmt: skip
    parser.add_argument(
        '--wait', type=float, default=30.0, metavar='S',
        help='how long the topics may take to appear; default: 30',
    )  # fmt: skip
    parser.add_argument(
        '--sim-time', action='store_true', help='log by /clock, for a replay that is recorded'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace a bag that is there')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Record until it is over and print what was written and lost; raises MfaranetError."""
    if args.duration < 0 or args.wait < 0:
        raise ConfigError(
            f'--duration {args.duration:g} --wait {args.wait:g}: must not be negative'
        )
    environment = dict(os.environ)
    profile = profile_to_set(environment)
    environment = environment if profile is None else with_profile(environment, profile)
    with Children(environment, on_trouble=_say) as children, interrupted_by_signals():
        recorder = children.start('recorder', 'bag_recorder', _settings(args), has_output=True)
        figures = _follow(recorder)
        code = recorder.process.wait()
        if code != LOST:
            children.check()
    if figures:
        print(table(figures))
    if args.json:
        write_json(args.json, figures)
    return code


def _settings(args: argparse.Namespace) -> dict[str, Value]:
    settings: dict[str, Value] = {
        'out': str(args.out.expanduser().absolute()),
        'node': args.node,
        'inputs': args.inputs,
        'duration_s': float(args.duration),
        'wait_s': float(args.wait),
        'overwrite': args.overwrite,
        'use_sim_time': args.sim_time,
    }
    if args.topics:
        settings['topics'] = tuple(args.topics)
    return settings


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _follow(recorder: Child) -> dict[str, Any]:
    """Show how it stands until it has ended; return the last it said. Ctrl-C asks it to end."""
    figures: dict[str, Any] = {}
    with recorder.output as stream:
        while True:
            try:
                for line in stream:
                    if line.startswith(b'{'):
                        figures = json.loads(line)
                        _show(figures)
                break
            except KeyboardInterrupt:
                recorder.ask_to_end()
    recorder.insist(FINISH_S)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return figures


def _show(figures: dict[str, Any]) -> None:
    if sys.stderr.isatty():
        print(f'\r{describe(figures):<60}', end='', file=sys.stderr, flush=True)


def describe(figures: dict[str, Any]) -> str:
    """Return how a recording stands in one line."""
    written, lost = _totals(figures)
    lost_text = f', {lost} lost' if lost else ''
    return f'{figures["state"]}: {len(figures["topics"])} topics, {written} messages{lost_text}'


def _totals(figures: dict[str, Any]) -> tuple[int, int]:
    topics = figures['topics'].values()
    written = sum(topic['written'] for topic in topics)
    lost = sum(topic['lost_on_the_way'] + topic['lost_by_overrun'] for topic in topics)
    return written, lost


def table(figures: dict[str, Any]) -> str:
    """Return what was written and lost, topic by topic."""
    width = max([len(name) for name in figures['topics']] + [5])
    rows = [f'{"topic":<{width}}{"written":>9}{"lost on the way":>17}{"by overrun":>12}']
    for name, topic in sorted(figures['topics'].items()):
        rows.append(
            f'{name:<{width}}{topic["written"]:>9}{topic["lost_on_the_way"]:>17}'
            f'{topic["lost_by_overrun"]:>12}'
        )
    rows += [
        f'{name} was not recorded: {type_name} is not installed'
        for name, type_name in figures.get('not_recorded', {}).items()
    ]
    written, lost = _totals(figures)
    whole = f'{lost} lost' if lost else 'complete'
    if not written:
        return '\n'.join([*rows, 'nothing came, so nothing was written'])
    return '\n'.join([*rows, f'{figures["path"]}: {written} messages, {whole}'])
