# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Chooses the INT8 file of a network: where it is asked for, or where it pays.

`WEIGHTS_int8.onnx` beside a weights file was made of it by `mfaranet quantise`; its specification
holds the sha256 of that file, and no other one is accepted.
"""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path

from mfaranet_ros.backends.device import cpu_flags
from mfaranet_ros.core.config import ModelConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, WeightsError
from mfaranet_ros.core.files import hash_files
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.core.specification_file import is_network_file, open_network_file
from mfaranet_ros.pipeline.trial import Build, why_not_faster

logger = logging.getLogger(__name__)

SUFFIX = '_int8.onnx'
"""What comes after the name of the weights file."""

LEAST_GAIN = 1.3
"""How many times as fast a frame in INT8 must be for `runtime.precision: auto` to take it."""

_MULTIPLIES = frozenset({'avx512_vnni', 'avx_vnni', 'amx_int8'})
"""Instruction sets that multiply in INT8; without any of them nothing is gained."""

_SHIPPED = Path(__file__).resolve().parents[1] / 'weights'


def choose_precision(config: PipelineConfig, build: Build) -> PipelineConfig:
    """Return the configuration with the INT8 file of its network where that is to run.

    precision int8: always. auto: on a CPU that multiplies in INT8, where the file passes the
    self-test and is `LEAST_GAIN` times as fast, as measured once for each machine; without torch,
    which the weights need, always.
    Raises ConfigError where INT8 is asked for and there is no file, WeightsError where the file
    was made of other weights.
    """
    runtime, asked = config.runtime, config.runtime.precision == 'int8'
    if is_network_file(config.model.name) or is_network_file(config.model.weights):
        return config
    if not asked and (runtime.precision != 'auto' or runtime.backend not in ('auto', 'openvino')):
        return config
    weights, file = _files_of(config.model)
    if file is None or not file.path.is_file():
        if asked:
            raise ConfigError(_missing(config.model, weights))
        return config
    network = _checked(file, weights)
    chosen = _with_file(config, network)
    if asked or find_spec('torch') is None:
        return chosen
    why_not = _why_not(config, network) or why_not_faster(
        replace(config, {'runtime.backend': 'openvino'}), chosen, least_gain=LEAST_GAIN,
        facts=(network.sha256, 'int8'), build=build,
    )  # fmt: skip
    if why_not:
        logger.info('runtime.precision auto: not int8, since %s', why_not)
        return config
    logger.info('runtime.precision auto: int8, by %s', network.path.name)
    return chosen


def int8_path(weights: Path) -> Path:
    """Return where the INT8 file of a weights file is."""
    return weights.with_name(f'{weights.stem}{SUFFIX}')


def _files_of(model: ModelConfig) -> tuple[Path | None, NetworkFile | None]:
    """Return the weights file and the INT8 file of a network; None for one that is not there."""
    if model.weights:
        weights = Path(model.weights).expanduser()
        if weights.name == model.weights and not weights.exists():
            weights = _SHIPPED / weights.name
        found = [weights]
    else:
        found = sorted(_SHIPPED.glob(f'{model.name}_*.safetensors'))
        if not found:  # a vehicle may have the INT8 files alone
            int8 = sorted(_SHIPPED.glob(f'{model.name}_*{SUFFIX}'))
            return None, open_network_file(int8[0]) if len(int8) == 1 else None
    path = int8_path(found[0]) if len(found) == 1 else None
    if path is None or not path.is_file():
        return found[0], None
    return found[0], open_network_file(path)


def _missing(model: ModelConfig, weights: Path | None) -> str:
    where = int8_path(weights).name if weights else f'{model.name}_*{SUFFIX}'
    return (
        f"runtime.precision = 'int8', but there is no {where} beside the weights of {model.name}: "
        'write one with `mfaranet quantise`, or set runtime.precision to auto'
    )


def _checked(file: NetworkFile, weights: Path | None) -> NetworkFile:
    export = file.specification.export
    if export is None or export.precision != 'int8':
        raise WeightsError(
            f'{file.path} is no INT8 file of `mfaranet quantise`: remove it or quantise again'
        )
    if weights is not None and weights.is_file():
        found = hash_files([weights])
        if export.weights_sha256 != found:
            raise WeightsError(
                f'{file.path} was made of other weights than {weights.name} (sha256 '
                f'{export.weights_sha256[:12]}, not {found[:12]}): quantise these with `mfaranet '
                'quantise`, or remove it'
            )
    return file


def _with_file(config: PipelineConfig, file: NetworkFile) -> PipelineConfig:
    backend = config.runtime.backend
    if backend == 'auto' and find_spec('openvino') is not None:
        backend = 'openvino'
    return replace(
        config,
        {
            'model.weights': str(file.path),
            'runtime.backend': backend,
            'runtime.precision': 'int8',
        },
    )


def _why_not(config: PipelineConfig, file: NetworkFile) -> str:
    export = file.specification.export
    assert export is not None
    if config.runtime.device not in ('auto', 'cpu'):
        return f'the device is {config.runtime.device}'
    if export.scales and tuple(sorted(config.model.scales)) != export.scales:
        return f'{file.path.name} has scales {list(export.scales)}'
    if not cpu_flags() & _MULTIPLIES:
        return 'this CPU does not multiply in it'
    if find_spec('openvino') is None:
        return 'openvino is not installed'
    return ''
