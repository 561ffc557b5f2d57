# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one node against one node for each camera, in alternating runs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mfaranet_ros.core.dds import find_shared, with_profile
from mfaranet_ros.core.errors import ProcessError
from mfaranet_ros.core.processes import Child, Children

ONE, MANY = 'one process', 'one process each'
"""The two arrangements that are compared."""


@dataclass(frozen=True)
class RigLoad:
    """What is run: cameras with rgb8 images of a size in px at a rate, for so many seconds.

    parameters: of the nodes, as NAME:=VALUE.
    """

    cameras: int
    height: int
    width: int
    rate_hz: float
    seconds: float
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class RigRun:
    """One run: masks per second of each camera, their median ages, and the memory of the nodes.

    memory_mb: proportional set size, in which shared pages count once in all.
    """

    arrangement: str
    rates_hz: tuple[float, ...]
    ages_ms: tuple[float, ...]
    memory_mb: float

    @property
    def rate_hz(self) -> float:
        """Masks per second of all cameras together."""
        return sum(self.rates_hz)


def measure_rig(
    load: RigLoad, runs: int, on_run: Callable[[], object] = lambda: None
) -> Iterator[RigRun]:
    """Yield the runs, the two arrangements in turn; raises ProcessError where one fails."""
    for _ in range(runs):
        for arrangement in (ONE, MANY):
            yield _measure(load, arrangement)
            on_run()


def _measure(load: RigLoad, arrangement: str) -> RigRun:
    environment = with_profile(os.environ, find_shared('config/fastdds.xml'))
    environment['ROS_DOMAIN_ID'] = str(1 + os.getpid() % 100)
    environment['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    names = [f'cam{number}' for number in range(load.cameras)]
    with Children(environment) as children:
        if arrangement == ONE:
            nodes = [children.start('the rig', _rig(names, load.parameters))]
            masks = [f'/rig/{name}/mask' for name in names]
        else:
            nodes = [
                children.start(f'the node of {n}', _single(n, load.parameters)) for n in names
            ]
            masks = [f'/{name}/segmentation/mask' for name in names]
        consumer = children.start('the cameras', _cameras(load, masks), piped=True)
        result = _result(consumer, nodes)
        memory_mb = sum(_memory_mb(node.pid) for node in nodes)
    ages_ms, seconds = result['ages_ms'], result['seconds']
    return RigRun(
        arrangement,
        tuple(len(ages) / seconds for ages in ages_ms),
        tuple(float(np.median(ages)) if ages else float('nan') for ages in ages_ms),
        memory_mb,
    )


def _node(name: str, arguments: Sequence[str]) -> list[str]:
    return [sys.executable, '-m', 'mfaranet_ros.ros', name, '--ros-args', *arguments]


def _rig(names: Sequence[str], parameters: Sequence[str]) -> list[str]:
    cameras = f'cameras:=[{", ".join(names)}]'
    return _node('rig_node', [part for each in (cameras, *parameters) for part in ('-p', each)])


def _single(name: str, parameters: Sequence[str]) -> list[str]:
    given = [part for each in parameters for part in ('-p', each)]
    return _node('segmentation_node', ['-r', f'__ns:=/{name}', *given])


def _cameras(load: RigLoad, masks: Sequence[str]) -> list[str]:
    return [
        sys.executable, '-m', 'mfaranet_ros.ros.rig_load', '--masks', *masks,
        f'--height={load.height}', f'--width={load.width}', f'--rate={load.rate_hz}',
        f'--seconds={load.seconds}',
    ]  # fmt: skip


def _result(consumer: Child, nodes: Sequence[Child]) -> dict[str, Any]:
    for line in consumer.output:
        if line.startswith('{'):
            result = json.loads(line)
            if result['ready']:
                return dict(result)
            for node in nodes:
                node.check()
            raise ProcessError('a camera has had no mask in time: see the log of its node')
    consumer.check()
    raise ProcessError('the cameras ended without a result')


def _memory_mb(pid: int) -> float:
    text = Path(f'/proc/{pid}/smaps_rollup').read_text(encoding='ascii')
    lines = (line.split() for line in text.splitlines() if line.startswith('Pss:'))
    return sum(int(words[1]) for words in lines) / 1024
