# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is measured: a pipeline as the node runs it, and the network as its authors give it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.adaptive.operating_points import OperatingPoint
from mfaranet_ros.backends.network import Network, load_network
from mfaranet_ros.backends.protocol import Device
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.pipeline.build import build_processor, prepare

if TYPE_CHECKING:
    from mfaranet_ros.models import SegmentationModel

Labels = NDArray[np.uint8]

REFERENCE = 'reference'
"""The backend, among the rows, of the network that all are compared with."""


@dataclass(frozen=True)
class Row:
    """What was asked for, named as in the settings; backend and precision may be auto."""

    model: str
    operating_point: str
    precision: str
    backend: str

    @property
    def name(self) -> str:
        """All of it in one line."""
        return f'{self.operating_point} {self.backend} {self.precision}'


class Subject(Protocol):
    """Turns frames into labels, camera bytes on the host into labels on the host."""

    @property
    def row(self) -> Row:
        """What is measured, as a row of the table."""

    @property
    def detail(self) -> str:
        """What else decides about speed, in words."""
        ...

    @property
    def device(self) -> Device:
        """Device that the network runs on."""

    @property
    def network(self) -> SegmentationModel | None:
        """The network under test; None for a network file."""

    @property
    def label_set(self) -> LabelSet:
        """Label set of the network."""

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        ...

    def __call__(self, frame: Frame) -> tuple[Labels, Timings]:
        """Return labels, uint8 (H, W), and the times of preprocess, inference and postprocess."""
        ...

    def close(self) -> None:
        """Free the device."""


class Pipeline:
    """A pipeline, tested and warm.

    config: with the height and width of the input set. operating_point: its name. Raises
    ConfigError, UnknownNameError or WeightsError for what does not fit, and InferenceError where
    it does not run.
    """

    def __init__(self, config: PipelineConfig, operating_point: str) -> None:
        self._pipeline = build_processor(config, label=operating_point)
        try:
            prepare(self._pipeline)
        except BaseException:
            self._pipeline.close()
            raise
        info = self._pipeline.backend.describe()
        self.row = Row(config.model.name, operating_point, info.precision, info.name)
        self.detail = info.detail
        self.device = self._pipeline.backend.device
        self.network = _torch_network(self._pipeline.network)
        self.label_set = self._pipeline.label_set
        self.input_size = config.input.height, config.input.width

    def __call__(self, frame: Frame) -> tuple[Labels, Timings]:
        """Run what the node runs when only the mask is wanted."""
        result = self._pipeline(frame)
        return result.labels, result.timings

    def close(self) -> None:
        """Free the device."""
        self._pipeline.close()


def make_reference(config: PipelineConfig, size: tuple[int, int]) -> Subject:
    """Return what all rows are compared with, for images of a height and width.

    It is the network as published, or a network file in ONNX Runtime on the CPU.
    Raises ConfigError, WeightsError or InferenceError for what does not fit or run.
    """
    network = load_network(config.model)
    if isinstance(network.model, NetworkFile):
        return FileReference(config, network.model)
    from mfaranet_ros.benchmark.published import Reference

    return Reference(config, network, size)


class FileReference(Pipeline):
    """A network file on the CPU: ONNX in ONNX Runtime in its own precision, IR in OpenVINO.

    IR runs in float32.
    """

    def __init__(self, config: PipelineConfig, file: NetworkFile) -> None:
        onnx = file.path.suffix == '.onnx'
        values = {
            'runtime.backend': 'onnx' if onnx else 'openvino',
            'runtime.precision': 'auto' if onnx else 'float32',
            'runtime.device': 'cpu',
        }
        config = replace(config, values)
        super().__init__(config, str(OperatingPoint.of(config)))
        self.detail = f'the file itself: {self.detail}'
        self.row = dataclasses.replace(self.row, backend=REFERENCE)


def _torch_network(network: Network) -> SegmentationModel | None:
    if isinstance(network.model, NetworkFile):
        return None
    return cast('SegmentationModel', network.model)
