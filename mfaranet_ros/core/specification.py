# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a network file needs from its surroundings: its input, its outputs, and its classes.

A graph does not say in which order it takes the colours, how they are scaled, how an image is
brought to its size, or what its numbers mean. These values say it; they are read from and written
to `NAME.yaml` beside the network by specification_file.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet

VERSION = 1
"""The version of the specification files that this package writes and reads."""

KEEP = -1
"""In `Head.classes`: this id leaves what the heads before have decided."""

MAX_SIDE = 8192
"""Largest height and width of a network's input in pixels."""

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True)
class InputForm:
    """How a network takes an image.

    name: of the file's input; empty: its only one. layout: NCHW or NHWC. type: float32, float16
    or uint8. channels: rgb, bgr or gray. range: the values of black and of white.
    mean, std: what is subtracted and divided by after that, in the order of the channels.
    size: height and width; None: any, that of the settings or of the camera.
    dynamic: the settings may choose another size. multiple: both sides are multiples of it.
    resize: stretch (to the size), letterbox (to fit into the size, keeping the aspect ratio) or
        pad (not scaled at all). align: where the image stands in its padding, top_left or center.
    padding: the value of the padding, 0 to 255 as in the image; None: the mean.
    interpolation: linear, antialias (linear, with a filter as wide as the reduction), area, cubic
        or nearest.
    """

    name: str = ''
    layout: str = 'NCHW'
    type: str = 'float32'
    channels: str = 'rgb'
    range: tuple[float, float] = (0.0, 1.0)
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    size: Size | None = None
    dynamic: bool = False
    multiple: int = 1
    resize: str = 'stretch'
    align: str = 'top_left'
    padding: float | None = None
    interpolation: str = 'linear'

    def __post_init__(self) -> None:
        planes = 1 if self.channels == 'gray' else 3
        for name, values in (('mean', self.mean), ('std', self.std)):
            if len(values) != planes:
                raise WeightsError(
                    f'input.{name}: {len(values)} values, but channels: {self.channels} needs '
                    f'{planes}'
                )
        if any(value <= 0 for value in self.std):
            raise WeightsError(f'input.std: {list(self.std)}, but each must be above 0')
        if self.range[0] == self.range[1]:
            raise WeightsError(f'input.range: {list(self.range)}, but black and white must differ')
        if self.size and any(side % self.multiple for side in self.size):
            raise WeightsError(
                f'input.size: {list(self.size)}, but both must be multiples of {self.multiple}, '
                'as input.multiple says'
            )
        if self.type == 'uint8' and not self.is_plain:
            raise WeightsError(
                f'input.type: uint8 takes the image as it is: give range: [0, 255], not '
                f'{list(self.range)}, mean 0 and std 1'
            )

    @property
    def is_plain(self) -> bool:
        """Whether the values are those of the image, 0 to 255."""
        return self.range == (0.0, 255.0) and not any(self.mean) and set(self.std) == {1.0}


@dataclass(frozen=True)
class Head:
    """One output of a network, or one channel of it, and what its numbers mean.

    name: of the file's output; empty: its only one. kind: logits, probabilities or labels.
    layout: NCHW, NHWC, CHW or HWC; NHW or HW where there is no axis of channels.
    stride: pixels of the input per pixel of the output; None: as the sizes say.
    interpolation: what lies between the output's pixels: bilinear (edges of the image in place),
        align_corners (centres of the corners in place) or nearest.
    channel: take this channel alone; None: all.
    threshold: a probability above it is a yes, where there is one channel.
    classes: the label of each id of the network, or KEEP, or UNLABELED; one channel has two ids,
        no and yes. Empty: the ids are the labels.
    """

    name: str = ''
    kind: str = 'logits'
    layout: str = 'NCHW'
    stride: int | None = None
    interpolation: str = 'bilinear'
    channel: int | None = None
    threshold: float = 0.5
    classes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind == 'labels' and self.channel is not None:
            raise WeightsError('channel: labels have no channels: leave it out')
        if self.kind == 'labels' and self.interpolation == 'align_corners':
            raise WeightsError(
                'interpolation: align_corners, but labels cannot be interpolated: give nearest'
            )


@dataclass(frozen=True)
class ExportFacts:
    """Where a file that `mfaranet export` or `quantise` wrote comes from.

    precision: float32, float16 or int8. outputs: logits or labels. weights: the name of their
    file. versions: of what made it, by name.
    """

    model: str
    scales: tuple[int, ...]
    precision: str
    outputs: str
    opset: int
    weights: str
    weights_sha256: str
    versions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Specification:
    """All that is known of one network file.

    name: of the network, for people. label_set: what the pixels of the masks mean.
    outputs: the heads in the order in which they decide; a later one overrules an earlier one.
    sha256: of the network file, empty: not checked. source, licence: for people.
    """

    name: str
    label_set: LabelSet
    input: InputForm = field(default_factory=InputForm)
    outputs: tuple[Head, ...] = (Head(),)
    sha256: str = ''
    source: str = ''
    licence: str = ''
    export: ExportFacts | None = None

    def __post_init__(self) -> None:
        if not self.outputs:
            raise WeightsError('outputs: none, but at least one is needed')
        if KEEP in self.outputs[0].classes:
            raise WeightsError(
                'outputs[0].classes: the first output has nothing to keep: give each id a class '
                'or unlabeled'
            )

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the file's outputs that are used, each once."""
        return tuple(dict.fromkeys(head.name for head in self.outputs))

    @property
    def has_confidence(self) -> bool:
        """Whether the outputs say how likely a label is."""
        return all(head.kind != 'labels' for head in self.outputs)


@dataclass(frozen=True)
class NetworkFile:
    """A network file with its specification; torch is not needed to run it.

    path: an .onnx file or the .xml of OpenVINO. sha256: of the file, of OpenVINO's with its .bin.
    """

    path: Path
    specification: Specification
    sha256: str

    @property
    def name(self) -> str:
        """What it is called in diagnostics."""
        return self.specification.name

    @property
    def classes(self) -> int:
        """How many classes the masks have."""
        return len(self.specification.label_set)


@dataclass(frozen=True, eq=False)
class FileOutputs:
    """What a file gave for a batch: arrays in the order of `Specification.output_names`.

    The first axis of each is the batch; a slice of this is a slice of that axis.
    """

    arrays: tuple[NDArray[Any], ...]

    def __getitem__(self, rows: slice) -> FileOutputs:
        return FileOutputs(tuple(array[rows] for array in self.arrays))

    @staticmethod
    def join(parts: Iterable[FileOutputs]) -> FileOutputs:
        """Return the outputs of several batches as those of one."""
        columns = zip(*(part.arrays for part in parts), strict=True)
        return FileOutputs(tuple(np.concatenate(column) for column in columns))


def id_count(head: Head, channels: int) -> int:
    """Return how many ids a head tells apart; one channel says no or yes."""
    return 2 if head.channel is not None or channels == 1 else channels


def label_table(head: Head, ids: int) -> NDArray[np.int16]:
    """Return the label of each id of a head, int16, KEEP or UNLABELED among them."""
    if head.classes:
        return np.asarray(head.classes, np.int16)
    return np.arange(min(ids, UNLABELED), dtype=np.int16)
