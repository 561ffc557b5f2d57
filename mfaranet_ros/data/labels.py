# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Label images: read as class ids from every kind of PNG, and the numberings of data sets."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import Layout, decode_bytes, read_bytes, to_rgb

Pixels = NDArray[np.uint8]

ReadGroundTruth = Callable[[Path, tuple[int, int]], Pixels]
"""Returns the class ids uint8 (H, W) of a file; given is also the image's (height, width). Raises
SourceError, which names the file, if it is broken, of another size, or holds other values."""

VOID_IDS = {'camvid': (11,)}
"""The ids besides 255 that the common files of a label set give to pixels of no class."""

CITYSCAPES_LABEL_IDS = (
    7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33,
)  # fmt: skip
"""The label id of each train id of Cityscapes: networks use train ids, its server and its
`_labelIds` files label ids (Cordts et al., CVPR 2016)."""

CITYSCAPES_LARGEST_LABEL_ID = 33

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
"""The colours of CamVid's 31 classes by the 11 they are customarily merged into; the 32nd, void,
is black (Brostow, Fauqueur and Cipolla, Semantic Object Classes in Video, 2009)."""

SHOWN_VALUES = 10
"""The values that one error lists."""

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
GRAY, PALETTE = 0, 3
_KEPT_CHUNKS = (b'IHDR', b'IDAT', b'IEND')
_NO_COLOR = 254


def read_label_values(path: Path) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Read the values of a gray or palette PNG exactly as they are stored, (H, W).

    Of a palette image these are the indices, of 1, 2, 4 and 8 bits uint8, of 16 bits uint16.
    Raises SourceError, which names the file, if it is broken or no such PNG.
    """
    data = read_bytes(path)
    pixels = decode_bytes(path, data).pixels
    # The name may lie; a PNG has its bit depth and colour type in the header.
    depth, color_type = data[24:26] if data.startswith(PNG_SIGNATURE) else (0, -1)
    if color_type not in (GRAY, PALETTE):
        raise SourceError(f'{path} must be a gray or palette PNG of class ids: convert it')
    if (depth, color_type) == (8, GRAY):
        return pixels[..., 0]
    gray = np.frombuffer(b''.join(_as_gray(data)), np.uint8)
    values = np.asarray(cv2.imdecode(gray, cv2.IMREAD_UNCHANGED))
    # libpng scales values of fewer bits to the range of 8.
    return values if depth >= 8 else values // (255 // (2**depth - 1))


def _as_gray(data: bytes) -> Iterator[bytes]:
    """Yield a PNG whose palette indices are called gray values, for no decoder to replace them."""
    yield PNG_SIGNATURE
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(data):
        length, name = struct.unpack_from('>I4s', data, position)
        chunk = data[position + 4 : position + 8 + length]
        if name == b'IHDR':
            chunk = chunk[:13] + bytes([GRAY]) + chunk[14:]
        if name in _KEPT_CHUNKS:
            yield struct.pack('>I', length) + chunk + struct.pack('>I', zlib.crc32(chunk))
        position += 12 + length


class LabelReader:
    """Reads label images through a table; it may be called from several threads.

    name: what errors call the ids. ids: uint8 (256,), what each value becomes. allowed: bool
    (256,), the values that may occur. refused: what errors say of others.
    """

    def __init__(
        self, name: str, ids: Pixels, allowed: NDArray[np.bool_], refused: str = ''
    ) -> None:
        self._advice = refused or f'are not of {name}: convert them, or have them ignored'
        self._ids = ids
        self._allowed = allowed
        self._refused = (~allowed).astype(np.uint8)

    def __call__(self, path: Path, size: tuple[int, int]) -> Pixels:
        """Return uint8 (H, W) class ids; size: height and width of the image.

        Raises SourceError, which names the file, if it is no gray or palette PNG, of another
        size, or holds other values.
        """
        return self.ids_of(str(path), read_label_values(path), size)

    def ids_of(
        self,
        where: str,
        values: NDArray[np.uint8] | NDArray[np.uint16],
        size: tuple[int, int],
    ) -> Pixels:
        """Return values (H, W) of a label image as class ids; where: what errors call it.

        Raises SourceError if it is of another size than the image, or holds other values.
        """
        _check_size(where, values.shape, size)
        if values.dtype != np.uint8:
            if values.max() > UNLABELED:
                raise self._foreign(where, values)
            values = values.astype(np.uint8)
        if cv2.LUT(values, self._refused).any():
            raise self._foreign(where, values)
        return np.asarray(cv2.LUT(values, self._ids), np.uint8)

    def _foreign(self, where: str, values: NDArray[np.uint8] | NDArray[np.uint16]) -> SourceError:
        outside = [
            str(value)
            for value in np.unique(values)
            if value > UNLABELED or not self._allowed[value]
        ]
        more = ', ...' if len(outside) > SHOWN_VALUES else ''
        return SourceError(
            f'{where} holds the values {", ".join(outside[:SHOWN_VALUES])}{more}, which '
            f'{self._advice}'
        )


ANY_IDS = LabelReader('8 bits', np.arange(256, dtype=np.uint8), np.ones(256, bool))
"""Reads the ids of any label set as they are."""


class GroundTruthReader(LabelReader):
    """Reads ground truth as class ids of a label set, 255 where a pixel is of no class.

    ignored: further ids that mean no class; 255 and those of VOID_IDS always do. first: the value
    of the first class, where values below it mean no class.
    Raises ConfigError where the layout's ids are not of this label set.
    """

    def __init__(
        self,
        label_set: LabelSet,
        layout: Layout | None = None,
        ignored: Iterable[int] = (),
        *,
        first: int = 0,
    ) -> None:
        ids = np.full(256, UNLABELED, np.uint8)
        allowed = np.zeros(256, bool)
        if layout is not None and layout.label_ids:
            if label_set.name != 'cityscapes':
                raise ConfigError(
                    f'the ground truth holds label ids of cityscapes, the labels are '
                    f'{label_set.name}: give ground truth of the label set that the weights were '
                    'trained on'
                )
            ids = to_train_ids()
            allowed[: CITYSCAPES_LARGEST_LABEL_ID + 1] = True
        else:
            ids[first : first + len(label_set)] = range(len(label_set))
            allowed[: first + len(label_set)] = True
        void = [UNLABELED, *VOID_IDS.get(label_set.name, ()), *ignored]
        ids[void] = UNLABELED
        allowed[void] = True
        super().__init__(label_set.name, ids, allowed)


def read_camvid_colors(path: Path, size: tuple[int, int]) -> Pixels:
    """Return the ids of a label image in CamVid's colours, see ReadGroundTruth."""
    colors = to_rgb(decode_bytes(path, read_bytes(path)))
    _check_size(str(path), colors.shape[:2], size)
    ids: Pixels = _CAMVID_IDS[_color_codes(colors)]
    wrong = (ids == _NO_COLOR) | ((colors & 63).any(axis=2))
    if wrong.any():
        color = tuple(map(int, colors[wrong][0]))
        raise SourceError(f'{path} holds the colour {color}, which is none of CamVid: correct it')
    return ids


def to_label_ids() -> Pixels:
    """Return the label id of Cityscapes of each mask value, uint8 (256,); 0 is unlabeled."""
    ids = np.zeros(256, np.uint8)
    ids[: len(CITYSCAPES_LABEL_IDS)] = CITYSCAPES_LABEL_IDS
    return ids


def to_train_ids() -> Pixels:
    """Return the train id of each label id of Cityscapes, uint8 (256,); 255 where it has none."""
    ids = np.full(256, UNLABELED, np.uint8)
    ids[list(CITYSCAPES_LABEL_IDS)] = range(len(CITYSCAPES_LABEL_IDS))
    return ids


def _check_size(where: str, size: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if size != wanted:
        raise SourceError(
            f'{where} is {size[1]}x{size[0]} px, its image {wanted[1]}x{wanted[0]} px'
        )


def _color_codes(colors: Pixels) -> Pixels:
    """Return a number below 64 for each colour; CamVid's are multiples of 64."""
    red, green, blue = np.moveaxis(colors >> 6, -1, 0)
    codes: Pixels = red << 4 | green << 2 | blue
    return codes


def _camvid_ids() -> Pixels:
    ids = np.full(64, _NO_COLOR, np.uint8)
    ids[0] = UNLABELED
    for number, colors in enumerate(CAMVID_COLORS.values()):
        ids[_color_codes(np.array(colors, np.uint8))] = number
    return ids


_CAMVID_IDS = _camvid_ids()
