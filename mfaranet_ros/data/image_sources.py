# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images to play in order, and a folder of image files as such a source.

A source can be iterated more than once. What cannot be read is named, not raised: one bad file
does not end the playback. A source without any readable image raises SourceError.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.data.images import (
    COMPRESSED_FORMATS,
    IMAGE_SUFFIXES,
    decode_bytes,
    read_bytes,
)
from mfaranet_ros.data.labels import ANY_IDS, LabelReader
from mfaranet_ros.pipeline.messages import CameraInfo

IMAGES_RATE_HZ = 10.0
"""The rate of images whose own is unknown."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of a source.

    number: its place in the source, from 0. name: the file, or the frame of a video.
    pixels: uint8 (H, W, C); encoding: bgr8 or mono8.
    file: the bytes of the jpeg or png file it was read from, with `format` jpeg or png, else None.
    ground_truth: uint8 (H, W) class ids, or None; ground_truth_problem: why a ground truth that is
    there is not used. stamp_ns: its time in the source, None where it has none.
    """

    number: int
    name: str
    pixels: NDArray[np.uint8]
    encoding: str
    file: bytes | None = None
    format: str = ''
    ground_truth: NDArray[np.uint8] | None = None
    ground_truth_problem: str = ''
    stamp_ns: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Unreadable:
    """An image that is left out, and why."""

    number: int
    name: str
    reason: str


class Source(Protocol):
    """Images in order; each pass over it starts with the first one.

    rate_hz: at which they were taken, or a usual one. has_ground_truth: whether labels belong to
    them.
    files: what they are read from. camera_info: their calibration, where the source knows it.
    """

    camera_info: CameraInfo | None

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""

    @property
    def rate_hz(self) -> float:
        """Images per second."""

    @property
    def has_ground_truth(self) -> bool:
        """Whether the images have ground truth."""

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""

    def __iter__(self) -> Iterator[SourceImage | Unreadable]: ...


class ImageFolder:
    """The images of a folder in the order of their names (frame2 before frame10).

    Class ids of the same stem in `labels/` beside the folder, or in the folder `ground_truth`, are
    the ground truth, as gray or palette PNG. Raises SourceError where there is no folder or no
    image in it.
    """

    camera_info: CameraInfo | None = None

    def __init__(
        self,
        path: str | Path,
        ground_truth: str | Path | None = None,
        read_ground_truth: LabelReader = ANY_IDS,
    ) -> None:
        self._path = Path(path).expanduser()
        self._files = _list_images(self._path)
        labels = self._path.absolute().parent / 'labels' if ground_truth is None else ground_truth
        self._ground_truth = {file.stem: file for file in Path(labels).expanduser().glob('*.png')}
        self._read_ground_truth = read_ground_truth

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return printable(self._path)

    @property
    def rate_hz(self) -> float:
        """Images per second."""
        return IMAGES_RATE_HZ

    @property
    def has_ground_truth(self) -> bool:
        """Whether the images have ground truth."""
        return any(file.stem in self._ground_truth for file in self._files)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""
        return tuple(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[SourceImage | Unreadable]:
        for number, file in enumerate(self._files):
            try:
                yield self._read(number, file)
            except SourceError as error:
                yield Unreadable(number, printable(file.name), str(error))

    def _read(self, number: int, file: Path) -> SourceImage:
        data = read_bytes(file)
        frame = decode_bytes(file, data)
        compressed = COMPRESSED_FORMATS.get(file.suffix.lower(), '')
        ground_truth, problem = None, ''
        if file.stem in self._ground_truth:
            try:
                ground_truth = self._read_ground_truth(self._ground_truth[file.stem], frame.size)
            except SourceError as error:
                problem = f'no ground truth for {printable(file.name)}: {error}'
        return SourceImage(
            number,
            printable(file.name),
            frame.pixels,
            frame.encoding,
            data if compressed else None,
            compressed,
            ground_truth,
            problem,
        )


class ImageCursor:
    """Takes the images of a source one after the other, again and again if it loops.

    skipped: how many could not be read so far; each is also named in the log.
    """

    def __init__(self, source: Source, *, loop: bool = False) -> None:
        self._source = source
        self._loop = loop
        self._pass = iter(source)
        self._readable = 0
        self.skipped = 0

    def next(self) -> SourceImage | None:
        """Return the next image that can be read; None at the end.

        Raises SourceError after a pass in which none could be read.
        """
        while True:
            item = next(self._pass, None)
            if isinstance(item, SourceImage):
                self._readable += 1
                if item.ground_truth_problem:
                    logger.warning('%s', item.ground_truth_problem)
                return item
            if item is not None:
                self.skipped += 1
                logger.warning('%s skipped: %s', item.name, item.reason)
            elif not self._readable:
                raise SourceError(
                    f'{self._source.name}: none of its {self.skipped} images can be read'
                )
            elif not self._loop:
                return None
            else:
                self._pass, self._readable = iter(self._source), 0


def _list_images(folder: Path) -> list[Path]:
    if folder.is_file():
        raise SourceError(
            f'{folder} is a file, not a folder: give its folder, or play it as video'
        )
    try:
        files = [file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
    except OSError as error:
        raise SourceError(
            f'{folder}: {error.strerror or error}; give a folder of images'
        ) from error
    if not files:
        inner = folder / 'images'
        hint = (
            f'give {inner}' if inner.is_dir() else f'an image ends in {", ".join(IMAGE_SUFFIXES)}'
        )
        raise SourceError(f'{folder} holds no image; {hint}')
    return sorted(files, key=lambda file: _natural(file.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which numbers count as numbers."""
    parts = re.split(r'(\d+)', name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]
