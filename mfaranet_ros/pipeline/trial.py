# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decides between two ways to run a network by trying both on this machine, once."""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from mfaranet_ros.backends.cache import CACHE_ADVICE, cache_folder
from mfaranet_ros.backends.device import cpu_name
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.core.frame import Timings

Build = Callable[[PipelineConfig], Any]
"""Makes the processor of exactly this configuration."""

_RUNS = 7
_NO_OWN = {'input.ego_mask': '', 'input.ego_polygon': ''}


def why_not_faster(
    usual: PipelineConfig,
    candidate: PipelineConfig,
    *,
    least_gain: float,
    facts: Sequence[str],
    build: Build,
) -> str:
    """Return why the candidate, a network file in OpenVINO, is not worth it here; '' if it is.

    It must pass the self-test, and a frame must be `least_gain` times as fast from pixels to
    labels. Measured once for each machine, input size, number of threads and version of OpenVINO.

    facts: what else the answer holds for, such as the sha256 of the file.
    Raises what the usual one raises where it cannot run; nothing is remembered of that.
    """
    size = usual.input.height, usual.input.width
    key = (
        *facts, f'{least_gain:g}', cpu_name(), version('openvino'), str(size),
        str(usual.runtime.threads),
    )  # fmt: skip
    digest = hashlib.sha256('\0'.join(key).encode()).hexdigest()[:32]
    path = cache_folder('trials') / f'{digest}.json'
    try:
        answer: str = json.loads(path.read_text(encoding='utf-8'))['why_not']
    except (OSError, ValueError, KeyError, TypeError):
        answer = _measured(usual, candidate, least_gain, build)
        write_file(path, json.dumps({'why_not': answer}), advice=CACHE_ADVICE)
    return answer


def _frame_ms(timings: Timings) -> float:
    """Return the time from pixels to labels; what stands around the network differs, too."""
    stages = timings.preprocess_ms, timings.inference_ms, timings.postprocess_ms
    return sum(stage for stage in stages if stage is not None)


def _measured(
    usual: PipelineConfig, candidate: PipelineConfig, least_gain: float, build: Build
) -> str:
    from mfaranet_ros.backends.file_selftest import run_file_self_test

    # The stored frame is of another camera, which does not see the own vehicle.
    usual, candidate = (replace(config, _NO_OWN) for config in (usual, candidate))
    times: list[list[float]] = [[], []]
    built = [build(usual)]
    try:
        built[0](stored_frame())
    except MfaranetError:
        built[0].close()
        raise
    try:
        built.append(build(candidate))
        run_file_self_test(built[1].backend, built[1].network.model, built[1])
        for _ in range(_RUNS):
            for processor, taken in zip(built, times, strict=True):
                taken.append(_frame_ms(processor(stored_frame()).timings))
    except MfaranetError as error:
        return str(error)
    finally:
        for processor in built:
            processor.close()
    gain = statistics.median(times[0]) / statistics.median(times[1])
    if gain < least_gain:
        return f'it is {gain:.2f} times as fast here, and {least_gain:g} are needed'
    return ''
