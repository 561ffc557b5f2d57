# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels as they are published, turned to the ids of a label set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import UNLABELED, Frame
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import read_frame

Pixels = NDArray[np.uint8]

ReadGroundTruth = Callable[[Path, tuple[int, int]], Pixels]
"""Returns the ids uint8 (H, W) of a file; given is also the image's (height, width). Raises
SourceError, which names the file, if it is broken, of another size, or holds other values."""

_TO_RGB = {
    'bgr8': cv2.COLOR_BGR2RGB,
    'bgra8': cv2.COLOR_BGRA2RGB,
    'rgba8': cv2.COLOR_RGBA2RGB,
    'mono8': cv2.COLOR_GRAY2RGB,
}

CAMVID_COLORS: dict[str, tuple[tuple[int, int, int], ...]] = {
    'Sky': ((128, 128, 128),),
    # building, archway, bridge, tunnel, wall
    'Building': ((128, 0, 0), (192, 0, 128), (0, 128, 64), (64, 0, 64), (64, 192, 0)),
    # column or pole, traffic cone
    'Pole': ((192, 192, 128), (0, 0, 64)),
    # road, lane markings of drivable and of other lanes
    'Road': ((128, 64, 128), (128, 0, 192), (192, 0, 64)),
    # sidewalk, parking block, road shoulder
    'Pavement': ((0, 0, 192), (64, 192, 128), (128, 128, 192)),
    # tree, other vegetation
    'Tree': ((128, 128, 0), (192, 192, 0)),
    # sign or symbol, other text, traffic light
    'SignSymbol': ((192, 128, 128), (128, 128, 64), (0, 64, 64)),
    'Fence': ((64, 64, 128),),
    # car, pickup, truck or bus, train, other that moves
    'Car': ((64, 0, 128), (64, 128, 192), (192, 128, 192), (192, 64, 128), (128, 64, 64)),
    # pedestrian, child, pram or cart, animal
    'Pedestrian': ((64, 64, 0), (192, 128, 64), (64, 0, 192), (64, 128, 64)),
    # bicyclist, motorcycle or scooter
    'Bicyclist': ((0, 128, 192), (192, 0, 192)),
}
"""The colours of CamVid's 31 classes by the 11 they are customarily taken together to; the 32nd,
void, is black (Brostow, Fauqueur and Cipolla, Semantic Object Classes in Video, 2009)."""

_NO_COLOR = 254


def to_rgb(frame: Frame) -> Pixels:
    """Return the pixels of a frame as RGB, uint8 (H, W, 3)."""
    if frame.encoding == 'rgb8':
        return frame.pixels
    converted: Pixels = np.asarray(cv2.cvtColor(frame.pixels, _TO_RGB[frame.encoding]), np.uint8)
    return converted


class PlainGroundTruth:
    """Reads 8-bit gray png whose values are the ids plus `first`; what is below is no class."""

    def __init__(self, label_set: LabelSet, first: int) -> None:
        self._name = label_set.name
        self._largest = first + len(label_set) - 1
        self._ids = np.full(256, UNLABELED, np.uint8)
        self._ids[first : self._largest + 1] = range(len(label_set))

    def __call__(self, path: Path, size: tuple[int, int]) -> Pixels:
        """Return the ids of a file, see ReadTruth."""
        frame = _read_sized(path, size)
        if frame.encoding != 'mono8':
            raise SourceError(f'{path} must be an 8-bit gray png of class ids: convert it')
        values = frame.pixels[..., 0]
        largest = int(np.where(values == UNLABELED, 0, values).max())
        if largest > self._largest:
            raise SourceError(
                f'{path} holds the value {largest}, but the largest of {self._name} is '
                f'{self._largest}: convert it'
            )
        ids: Pixels = self._ids[values]
        return ids


def read_color_ground_truth(path: Path, size: tuple[int, int]) -> Pixels:
    """Return the ids of a file in CamVid's colours, see ReadTruth."""
    colors = to_rgb(_read_sized(path, size))
    ids: Pixels = _COLOR_IDS[_color_codes(colors)]
    wrong = (ids == _NO_COLOR) | ((colors & 63).any(axis=2))
    if wrong.any():
        color = tuple(map(int, colors[wrong][0]))
        raise SourceError(f'{path} holds the colour {color}, which is none of CamVid: correct it')
    return ids


def _read_sized(path: Path, size: tuple[int, int]) -> Frame:
    frame = read_frame(path)
    if frame.size != size:
        (height, width), (wanted_height, wanted_width) = frame.size, size
        raise SourceError(
            f'{path} is {width}x{height} px, its image {wanted_width}x{wanted_height} px'
        )
    return frame


def _color_codes(colors: Pixels) -> Pixels:
    """Return a number below 64 for each colour; CamVid's are multiples of 64."""
    red, green, blue = np.moveaxis(colors >> 6, -1, 0)
    codes: Pixels = red << 4 | green << 2 | blue
    return codes


def _color_ids() -> Pixels:
    ids = np.full(64, _NO_COLOR, np.uint8)
    ids[0] = UNLABELED
    for number, colors in enumerate(CAMVID_COLORS.values()):
        ids[_color_codes(np.array(colors, np.uint8))] = number
    return ids


_COLOR_IDS = _color_ids()
