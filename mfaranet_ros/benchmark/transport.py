# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Camera images from one process to another over DDS: how many arrive, and how old they are.

The two processes are mfaranet_ros/ros/transport_node.py, started here as a live system would be.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mfaranet_ros.core.dds import with_profile
from mfaranet_ros.core.errors import ProcessError
from mfaranet_ros.core.processes import Child, Children

READY_S = 30.0
"""Time limit for both processes to start and for a first probe to arrive."""

UNDERWAY_S = 1.0
"""Time after the last image was sent in which the others may still arrive."""

END_S = 10.0


@dataclass(frozen=True)
class Load:
    """What is sent: rgb8 images of that size in px at a rate, best effort."""

    height: int
    width: int
    rate_hz: float
    frames: int


@dataclass(frozen=True)
class Transport:
    """What arrived with one profile; ages are from just before publishing to the callback."""

    profile: str
    rmw: str
    sent: int
    received: int
    median_age_ms: float | None
    p95_age_ms: float | None


def measure_transport(
    profile: str, path: Path | None, load: Load, on_sent: Callable[[], object] = lambda: None
) -> Transport:
    """Send and receive with one Fast DDS profile.

    profile: its name in the result. path: its file, None for Fast DDS's defaults. on_sent(): is
    called after each image. Raises ProcessError where nothing gets through or a process fails.
    """
    environment = with_profile(os.environ, path)
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    with Children(environment) as children:
        subscriber, publisher = (
            children.start(f'the {name}', _command(end, load), piped=True)
            for name, end in (('subscriber', 'subscribe'), ('publisher', 'publish'))
        )
        if _is_ready(subscriber):
            publisher.tell('begin')
        else:
            publisher.close_input()
        sent = _result(publisher, on_sent)
        if sent['sent'] < load.frames:
            raise ProcessError(f'{profile} profile: nothing gets from publisher to subscriber')
        subscriber.wait(UNDERWAY_S)
        subscriber.close_input()
        received = _result(subscriber)
    return summarise(profile, received['rmw'], sent['sent'], received['ages_ms'])


def _command(end: str, load: Load) -> list[str]:
    return [
        sys.executable, '-m', 'mfaranet_ros.ros.transport_node', end,
        f'--height={load.height}', f'--width={load.width}',
        f'--rate={load.rate_hz}', f'--frames={load.frames}',
    ]  # fmt: skip


def _is_ready(subscriber: Child) -> bool:
    """Wait until a probe has arrived; False where none does in time."""
    stop = threading.Timer(READY_S, subscriber.close_input)
    stop.start()
    ready = any(line == 'ready\n' for line in subscriber.output)
    stop.cancel()
    return ready


def _result(child: Child, on_sent: Callable[[], object] = lambda: None) -> dict[str, Any]:
    """Return the line of JSON that it prints at its end; the middleware may print, too."""
    result: dict[str, Any] = {}
    for line in child.output:
        if line.startswith('{'):
            result = json.loads(line)
        elif line == '.\n':
            on_sent()
    child.wait(END_S)
    child.check()
    if not result:
        raise ProcessError(f'{child.name} ended without a result')
    return result


def summarise(profile: str, rmw: str, sent: int, ages_ms: Sequence[float]) -> Transport:
    """Return the figures of one run; the ages are None where nothing arrived."""
    median, p95 = np.percentile(ages_ms, (50, 95)).tolist() if ages_ms else (None, None)
    return Transport(profile, rmw, sent, len(ages_ms), median, p95)
