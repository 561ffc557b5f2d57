# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How many camera images get from one process to another, with our DDS profile and without.

The two processes are mfaranet_ros/ros/transport_node.py, started here as a live system would be.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mfaranet_ros.cli.dds import find_shared, with_profile
from mfaranet_ros.cli.report import write_json
from mfaranet_ros.core.errors import ConfigError, ProcessError

READY_S = 30.0
"""How long the two ends may take to start, and a first probe to arrive."""

UNDERWAY_S = 1.0
"""How long after the last image was sent the others may still arrive."""


@dataclass(frozen=True)
class Load:
    """What is sent: rgb8 images at a rate, best effort."""

    height: int
    width: int
    rate_hz: float
    frames: int


@dataclass(frozen=True)
class Transport:
    """What arrived with one profile; ages are from just before the publishing to the callback."""

    profile: str
    rmw: str
    sent: int
    received: int
    median_age_ms: float | None
    p95_age_ms: float | None


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
    total = load.frames * len(profiles)
    with tqdm(total=total, unit='frame', leave=False, disable=None) as progress:
        results = [
            measure(name, path, load, on_sent=progress.update) for name, path in profiles.items()
        ]
    print(table(load, results))
    if args.json:
        machine = (
            f'{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}'
        )
        figures = {'load': asdict(load), 'results': [asdict(result) for result in results]}
        write_json(args.json, {'machine': machine, **figures})
    return 0


def measure(
    name: str, profile: Path | None, load: Load, on_sent: Callable[[], object] = lambda: None
) -> Transport:
    """Send and receive with one profile (None: the defaults); raises ProcessError."""
    environment = with_profile(os.environ, profile)
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    with _start('subscribe', load, environment) as subscriber:
        with _start('publish', load, environment) as publisher:
            _begin_when_ready(subscriber, publisher)
            sent = _result('publisher', publisher, on_sent)
        if sent['sent'] < load.frames:
            raise ProcessError(f'{name} profile: nothing gets from publisher to subscriber')
        with suppress(subprocess.TimeoutExpired):
            subscriber.wait(UNDERWAY_S)
        _close_input(subscriber)
        received = _result('subscriber', subscriber)
    return summarise(name, received['rmw'], sent['sent'], received['ages_ms'])


@contextmanager
def _start(
    end: str, load: Load, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Start one end, which is ended with the block at the latest.

    It has a session of its own, so that Ctrl-C reaches us and not it.
    """
    command = [sys.executable, '-m', 'mfaranet_ros.ros.transport_node', end]
    command += [f'--height={load.height}', f'--width={load.width}']
    command += [f'--rate={load.rate_hz}', f'--frames={load.frames}']
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdin=pipe, stdout=pipe, text=True, env=environment, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def _begin_when_ready(subscriber: subprocess.Popen[str], publisher: subprocess.Popen[str]) -> None:
    """Tell the publisher to begin once one of its probes has arrived, or to end if none does."""
    stop = threading.Timer(READY_S, _close_input, (subscriber,))
    stop.start()
    is_ready = any(line == 'ready\n' for line in subscriber.stdout or ())
    stop.cancel()
    if not is_ready or publisher.stdin is None:
        return _close_input(publisher)
    try:
        publisher.stdin.write('begin\n')
        publisher.stdin.flush()
    except BrokenPipeError:  # it has died, which its result will say
        with suppress(BrokenPipeError):
            publisher.stdin.close()
    return None


def _close_input(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _result(
    who: str, process: subprocess.Popen[str], on_sent: Callable[[], object] = lambda: None
) -> dict[str, Any]:
    """Return the line of JSON an end prints when it is through; the middleware may print, too."""
    result: dict[str, Any] = {}
    for line in process.stdout or ():
        if line.startswith('{'):
            result = json.loads(line)
        elif line == '.\n':
            on_sent()
    if process.wait() != 0 or not result:
        raise ProcessError(f'the {who} ended with code {process.returncode}, see above')
    return result


def summarise(profile: str, rmw: str, sent: int, ages_ms: Sequence[float]) -> Transport:
    """Return the figures of one run; the ages are None where nothing arrived."""
    median, p95 = np.percentile(ages_ms, (50, 95)).tolist() if ages_ms else (None, None)
    return Transport(profile, rmw, sent, len(ages_ms), median, p95)


def table(load: Load, results: Sequence[Transport]) -> str:
    """Return the figures in words."""
    what = f'{load.width}x{load.height} rgb8, {load.rate_hz:g} Hz, best effort'
    rows = [f'{what}, between two processes ({results[0].rmw})']
    rows.append(f'{"profile":<10}{"received":>10}{"median age":>13}{"p95 age":>13}')
    for result in results:
        ages = (result.median_age_ms, result.p95_age_ms)
        cells = ['n/a' if age is None else f'{age:.1f} ms' for age in ages]
        received = f'{result.received}/{result.sent}'
        rows.append(f'{result.profile:<10}{received:>10}{cells[0]:>13}{cells[1]:>13}')
    return '\n'.join(rows)
