# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How long a process takes from its start to its first mask, and its memory, in fresh processes.

Each process imports what the node imports, ROS included where it is installed, builds, tests and
warms up the pipeline as the node does when it is configured, and segments one frame.
"""

from __future__ import annotations

import importlib
import json
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ProcessError
from mfaranet_ros.core.parsing import parse_json
from mfaranet_ros.core.stopwatch import Laps

_CHILD = """
import sys
if sys.argv[1] == 'without':
    sys.modules['torch'] = None
from mfaranet_ros.benchmark.start import be_child
be_child(sys.argv[2], sys.argv[3:])
"""

_LONGEST_S = 600.0


@dataclass(frozen=True)
class Start:
    """One start. All times in seconds; memory in MB, resident.

    imports_s: of the packages; build_s: until the network is loaded; test_s: self-test and warm
    up; frame_s: the first frame. total_s: from the start of the process to its labels, and so
    more than their sum. torch: whether it was imported.
    """

    total_s: float
    imports_s: float
    build_s: float
    test_s: float
    frame_s: float
    memory_mb: float
    memory_peak_mb: float
    backend: str
    precision: str
    torch: bool


def measure_start(
    config: PipelineConfig,
    *,
    imports: Sequence[str] = (),
    without_torch: bool = False,
    environment: Mapping[str, str] | None = None,
) -> Start:
    """Start a process with this configuration and return how long it took to its first mask.

    imports: modules that it imports first, as the node's. without_torch: as if torch were not
    installed. environment: of the process; None: this one's.
    Raises ProcessError with what the process said.
    """
    how = 'without' if without_torch else 'with'
    given = pickle.dumps(config).hex()
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, '-c', _CHILD, how, given, *imports],
            env=environment, capture_output=True, text=True, timeout=_LONGEST_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f'no mask within {_LONGEST_S:.0f} s of the start') from error
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or [f'exit code {done.returncode}']
        raise ProcessError(f'the process that was started gave no mask: {said[-1]}')
    answer = parse_json(done.stdout.splitlines()[-1].encode())
    return Start(**{**answer, 'total_s': answer['total_s'] - begun})


def be_child(given: str, imports: Sequence[str]) -> None:
    """Be the process that is measured; print the figures, total_s on the clock of the machine."""
    lap = Laps()
    for module in imports:
        importlib.import_module(module)
    from mfaranet_ros.backends.stored_frame import stored_frame
    from mfaranet_ros.pipeline.build import build_processor, prepare

    imports_s = lap() / 1e3
    processor = build_processor(pickle.loads(bytes.fromhex(given)))
    build_s = lap() / 1e3
    prepare(processor)
    test_s = lap() / 1e3
    processor(stored_frame())
    frame_s = lap() / 1e3
    total_s = time.monotonic()
    info = processor.backend.describe()
    with open('/proc/self/statm', encoding='ascii') as file:
        memory_mb = int(file.read().split()[1]) * resource.getpagesize() / 2**20
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    start = Start(
        total_s, imports_s, build_s, test_s, frame_s, memory_mb, peak_mb, info.name,
        info.precision, sys.modules.get('torch') is not None,
    )  # fmt: skip
    print(json.dumps(asdict(start)), flush=True)
