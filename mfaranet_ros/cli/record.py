# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Record what the node publishes into a bag (mcap) and count what was lost.

It ends with Ctrl-C or after --duration, with a complete file. The exit code is 3 if messages were
lost. The node computes an output while it is subscribed to, so recording one costs time.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from mfaranet_ros.core.config import Value
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.processes import (
    Child,
    Children,
    interrupted_by_signals,
    ros_environment,
)
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.data.bags.recorder import RecordingStatus

FINISH_S = 60.0
"""Time limit for writing what waits once the recording is ended."""

LOST = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is recorded, how long, and where it goes."""
    parser.add_argument('--out', type=Path, required=True, metavar='BAG', help='folder to create')
    parser.add_argument(
        '--topics', nargs='+', default=[], metavar='NAME',
        help='names under the node such as mask, or full ones such as /image; default: all that '
        'it publishes',
    )  # fmt: skip
    parser.add_argument(
        '--inputs', action='store_true', help='also record what the node subscribes to'
    )
    parser.add_argument(
        '--node', default='segmentation', metavar='NAME', help='default: segmentation'
    )
    parser.add_argument(
        '--duration', type=float, default=0.0, metavar='S',
        help='end this long after all topics have appeared; default: with Ctrl-C',
    )  # fmt: skip
    parser.add_argument(
        '--wait', type=float, default=30.0, metavar='S',
        help='time limit for the topics to appear; default: 30',
    )  # fmt: skip
    parser.add_argument(
        '--sim-time', action='store_true', help='log by /clock, for recording a replay'
    )
    parser.add_argument('--overwrite', action='store_true', help='replace an existing bag')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Record until it is over and print what was written and lost; raises MfaranetError."""
    if args.duration < 0 or args.wait < 0:
        raise ConfigError(
            f'--duration {args.duration:g} --wait {args.wait:g}: must not be negative'
        )
    with (
        Progress(0, 'message') as progress,
        Children(ros_environment(), on_warning=progress.say) as children,
        interrupted_by_signals(),
    ):
        recorder = children.start_node('recorder', 'bag_recorder', _settings(args), piped=True)
        status = _follow(recorder, progress)
        code = recorder.wait(FINISH_S)
        if code != LOST:
            children.check()
    if status is not None:
        print(table(status))
        if args.json:
            write_json(args.json, asdict(status))
    return code or 0


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


def _follow(recorder: Child, progress: Progress) -> RecordingStatus | None:
    """Show the status until it has ended and return the last one; Ctrl-C asks it to end."""
    status = None
    while True:
        try:
            for line in recorder.output:
                if line.startswith('{'):
                    status = RecordingStatus.from_json(line)
                    progress.describe(describe(status))
            return status
        except KeyboardInterrupt:
            recorder.terminate()


def describe(status: RecordingStatus) -> str:
    """Return how a recording stands in one line."""
    lost = f', {status.lost} lost' if status.lost else ''
    return f'{status.state}: {len(status.topics)} topics, {status.written} messages{lost}'


def table(status: RecordingStatus) -> str:
    """Return what was written and lost, topic by topic."""
    width = max([len(name) for name in status.topics] + [5])
    rows = [f'{"topic":<{width}}{"written":>9}{"lost on the way":>17}{"by overrun":>12}']
    for name, topic in sorted(status.topics.items()):
        rows.append(
            f'{name:<{width}}{topic.written:>9}{topic.lost_on_the_way:>17}'
            f'{topic.lost_by_overrun:>12}'
        )
    rows += [
        f'{name} was not recorded: {type_name} is not installed'
        for name, type_name in status.not_recorded.items()
    ]
    if not status.written:
        return '\n'.join([*rows, 'no message arrived, so nothing was written'])
    whole = f'{status.lost} lost' if status.lost else 'complete'
    return '\n'.join([*rows, f'{status.path}: {status.written} messages, {whole}'])
