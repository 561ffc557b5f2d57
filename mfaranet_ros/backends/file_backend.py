# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The backends of network files: NumPy in, the file's own outputs out, no torch between."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.cache import cache_folder
from mfaranet_ros.backends.device import name_device, plain_device
from mfaranet_ros.backends.onnx_session import (
    available_providers,
    import_onnxruntime,
    open_session,
)
from mfaranet_ros.backends.onnx_session import first_line as first_line_of
from mfaranet_ros.backends.openvino_runtime import (
    PRECISION_HINTS,
    import_openvino,
    keep_positions,
    last_line_of,
    openvino_precision,
    openvino_target,
)
from mfaranet_ros.backends.protocol import BackendInfo, PlainDevice
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.specification import FileOutputs, NetworkFile

_log = logging.getLogger(__name__)


class OnnxFileBackend:
    """Runs an ONNX file in ONNX Runtime, on the device that was asked for.

    The precision is that of the file. Raises ConfigError where ONNX Runtime is missing or cannot
    run the file.
    """

    name = 'onnx'

    def __init__(self, config: RuntimeConfig, file: NetworkFile) -> None:
        self.device = plain_device(config.device)
        available_providers(import_onnxruntime(), self.device)
        held = precision_of(file)
        if config.precision not in ('auto', held):
            raise ConfigError(
                f'runtime.precision = {config.precision!r}, but {file.path} is in {held}: set it '
                'to auto'
            )
        self.dtype = np.dtype(file.specification.input.type)
        self._file = file
        engines = None
        if self.device.type == 'cuda':
            engines = cache_folder('engines') / file.sha256[:32]
        session = open_session(
            file.path, self.device, threads=config.threads, engines=engines,
            advice='check the file with `mfaranet inspect`',
        )  # fmt: skip
        self._session: Any = session.inference
        self._info = BackendInfo(
            self.name,
            name_device(self.device),
            held,
            f'{session.detail}, {file.path.name}, {config.threads or "its own choice of"} threads',
        )

    def __call__(self, tensor: NDArray[Any]) -> FileOutputs:
        """Return the outputs of a batch of inputs; one after the other where there are several."""
        if self._session is None:
            raise InferenceError('the backend is closed: make a new one')
        return FileOutputs.join([self._run(tensor[i : i + 1]) for i in range(len(tensor))])

    def _run(self, one: NDArray[Any]) -> FileOutputs:
        specification = self._file.specification
        names = list(specification.output_names)
        given = {specification.input.name: np.ascontiguousarray(one)}
        try:
            return batched(self._file, self._session.run(names, given))
        except Exception as error:  # ONNX Runtime's errors have no common base
            _log.debug('the network failed', exc_info=True)
            raise _explain(error, self._file, one) from error

    def describe(self) -> BackendInfo:
        """Return what runs."""
        return self._info

    def close(self) -> None:
        """Free the device."""
        self._session = None


class OpenVinoFileBackend:
    """Runs a network file, ONNX or OpenVINO's own, in OpenVINO.

    Raises ConfigError where OpenVINO is missing, has no such device or precision, or cannot
    build the file.
    """

    name = 'openvino'

    def __init__(self, config: RuntimeConfig, file: NetworkFile) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        target = openvino_target(core, config.device)
        held = precision_of(file)
        if config.precision == 'int8' and held != 'int8':
            raise ConfigError(
                f"runtime.precision = 'int8', but {file.path} is in {held}: quantise it with "
                '`mfaranet quantise`, or set runtime.precision to auto'
            )
        wanted = 'auto' if config.precision == 'int8' else config.precision
        precision = openvino_precision(wanted, target)
        self.device = PlainDevice('cpu')
        self.dtype = np.dtype(file.specification.input.type)
        self._file = file
        options: dict[str, Any] = {
            'CACHE_DIR': str(cache_folder('openvino')),
            'INFERENCE_PRECISION_HINT': PRECISION_HINTS[precision],
            'PERFORMANCE_HINT': 'LATENCY',
        }
        if target == 'CPU' and config.threads:
            options['INFERENCE_NUM_THREADS'] = config.threads
        try:
            model = core.read_model(str(file.path))
            self._outputs = _openvino_outputs(model, file)
            keep_positions(model)
            self._request: Any = core.compile_model(model, target, options).create_infer_request()
        except RuntimeError as error:
            raise ConfigError(
                f'OpenVINO cannot build {file.path} for {target}: '
                f'{last_line_of(error)}; check it with `mfaranet inspect`'
            ) from error
        chip = core.get_property(target, 'FULL_DEVICE_NAME')
        self._info = BackendInfo(
            self.name,
            name_device(self.device) if target == 'CPU' else f'{target.lower()} ({chip})',
            'int8' if held == 'int8' else precision,
            f'openvino {openvino.__version__.partition("-")[0]}, {file.path.name}, '
            f'{config.threads or "default number of"} threads',
        )

    def __call__(self, tensor: NDArray[Any]) -> FileOutputs:
        """Return the outputs of a batch of inputs; one after the other where there are several."""
        if self._request is None:
            raise InferenceError('the backend is closed: make a new one')
        return FileOutputs.join([self._run(tensor[i : i + 1]) for i in range(len(tensor))])

    def _run(self, one: NDArray[Any]) -> FileOutputs:
        try:
            given = self._request.infer([np.ascontiguousarray(one)], share_inputs=True)
        except RuntimeError as error:
            _log.debug('the network failed', exc_info=True)
            raise _explain(error, self._file, one) from error
        return batched(self._file, [np.array(given[number]) for number in self._outputs])

    def describe(self) -> BackendInfo:
        """Return what runs."""
        return self._info

    def close(self) -> None:
        """Free the device."""
        self._request = None


def _openvino_outputs(model: Any, file: NetworkFile) -> list[int]:
    """Return the numbers of the outputs that the specification names, in its order."""
    numbers: Mapping[str, int] = {
        name: number
        for number, output in enumerate(model.outputs)
        for name in (
            output.get_node().input_value(0).get_node().get_friendly_name(),
            *output.get_names(),
        )
    }
    missing = [name for name in file.specification.output_names if name not in numbers]
    if missing:
        raise ConfigError(
            f'{file.path}: OpenVINO finds no output {missing[0]!r}, but {", ".join(numbers)}'
        )
    return [numbers[name] for name in file.specification.output_names]


def batched(file: NetworkFile, arrays: list[NDArray[Any]]) -> FileOutputs:
    """Return the outputs of one image, each with the batch as its first axis.

    A layout without N has none: one is put before it, which `planes_of` takes away again.
    """
    specification = file.specification
    layouts = {head.name: head.layout for head in specification.outputs}
    return FileOutputs(
        tuple(
            array if layouts[name].startswith('N') else array[None]
            for name, array in zip(specification.output_names, arrays, strict=True)
        )
    )


def precision_of(file: NetworkFile) -> str:
    """Return the precision in which a file computes, as `runtime.precision` names it."""
    export = file.specification.export
    if export is not None:
        return export.precision
    return 'float16' if file.specification.input.type == 'float16' else 'float32'


def _explain(error: Exception, file: NetworkFile, one: NDArray[Any]) -> InferenceError:
    text = str(error).lower()
    if isinstance(error, MemoryError) or 'allocate' in text or 'out of memory' in text:
        return InferenceError('out of memory: make input.height and input.width smaller')
    shape = 'x'.join(map(str, one.shape))
    return InferenceError(
        f'{file.path} failed on an input of {shape} {one.dtype}: {first_line_of(error)}; check '
        'input.size, input.multiple and input.layout of its specification'
    )
