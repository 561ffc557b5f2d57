# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Recorded images to play: a folder of images or a video file, image by image.

A source can be gone through more than once. What cannot be read is said, not raised: one bad
file does not end the play. A source of which nothing can be read raises SourceError.
"""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import DecodeError, SourceError
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.pipeline.messages import CameraInfo

COMPRESSED_FORMATS = {'.jpg': 'jpeg', '.jpeg': 'jpeg', '.png': 'png'}
"""The files that can be sent as they are, with their name in CompressedImage.format."""

SUFFIXES = (*COMPRESSED_FORMATS, '.bmp', '.ppm', '.pgm', '.tif', '.tiff', '.webp')

IMAGES_RATE_HZ = 10.0
"""The rate of images that do not say at which rate they were taken."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SourceImage:
    """One image of a source.

    number: its place in the source, from 0. name: the file, or the frame of a video.
    pixels: uint8 (H, W, C); encoding: bgr8 or mono8.
    file: the bytes of the jpeg or png file it was read from, with `format` jpeg or png, else None.
    ground_truth: uint8 (H, W) class ids, or None; truth_problem: why a ground truth that is there
    is not used.
    """

    number: int
    name: str
    pixels: NDArray[np.uint8]
    encoding: str
    file: bytes | None = None
    format: str = ''
    ground_truth: NDArray[np.uint8] | None = None
    ground_truth_problem: str = ''

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

    rate_hz: at which they were taken, or a usual one. has_truth: whether labels belong to them.
    files: what they are read from. camera_info: their calibration, where the source knows it.
    """

    camera_info: CameraInfo | None

    @property
    def name(self) -> str: ...

    @property
    def rate_hz(self) -> float: ...

    @property
    def has_ground_truth(self) -> bool: ...

    @property
    def files(self) -> tuple[Path, ...]: ...

    def __iter__(self) -> Iterator[SourceImage | Unreadable]: ...


class ImageFolder:
    """The images of a folder in the order of their names (frame2 before frame10).

    Class ids of the same stem in `labels/` beside the folder are the ground truth, as 8-bit PNG of
    one channel. Raises SourceError where there is no folder or no image in it.
    """

    camera_info: CameraInfo | None = None

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self._files = _list_images(self._path)
        labels = self._path.absolute().parent / 'labels'
        self._ground_truth = {file.stem: file for file in labels.glob('*.png')}

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def rate_hz(self) -> float:
        return IMAGES_RATE_HZ

    @property
    def has_ground_truth(self) -> bool:
        return any(file.stem in self._ground_truth for file in self._files)

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[SourceImage | Unreadable]:
        for number, file in enumerate(self._files):
            try:
                yield self._read(number, file)
            except (OSError, DecodeError) as error:
                yield Unreadable(number, file.name, _one_line(error))

    def _read(self, number: int, file: Path) -> SourceImage:
        data = file.read_bytes()
        name = COMPRESSED_FORMATS.get(file.suffix.lower(), '')
        pixels, encoding = _decode_file(data, name)
        ground_truth, problem = None, ''
        if file.stem in self._ground_truth:
            try:
                ground_truth = _read_ground_truth(self._ground_truth[file.stem], pixels.shape[:2])
            except (OSError, SourceError) as error:
                problem = f'no ground truth for {file.name}: {_one_line(error)}'
        return SourceImage(
            number,
            file.name,
            pixels,
            encoding,
            data if name else None,
            name,
            ground_truth,
            problem,
        )


class VideoFile:
    """The frames of a video file, as OpenCV decodes them.

    Raises SourceError where there is no file, or none that OpenCV can read as a video.
    """

    camera_info: CameraInfo | None = None

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        if self._path.is_dir():
            raise SourceError(f'{path} is a folder, not a video: play it as images')
        if not self._path.is_file():
            raise SourceError(f'{path}: no such file; give a video file')
        capture = self._open()
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
        self._length = max(0, int(capture.get(cv2.CAP_PROP_FRAME_COUNT)))
        self._rate_hz = rate_hz if math.isfinite(rate_hz) and 0 < rate_hz <= 1000 else 0.0
        readable = capture.grab()
        capture.release()
        if not readable:
            raise SourceError(f'{path}: not one frame of it can be read; is the video whole?')

    def _open(self) -> cv2.VideoCapture:
        # What is wrong is said once, by the error, and not by ffmpeg as well.
        os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            raise SourceError(
                f'{self._path}: not a video that OpenCV can read; convert it to mp4 (h264), or '
                'give a folder of images'
            )
        return capture

    @property
    def name(self) -> str:
        return str(self._path)

    @property
    def rate_hz(self) -> float:
        return self._rate_hz or IMAGES_RATE_HZ

    @property
    def has_ground_truth(self) -> bool:
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        return (self._path,)

    def __iter__(self) -> Iterator[SourceImage | Unreadable]:
        capture = self._open()
        number = 0
        try:
            while True:
                found, pixels = capture.read()
                if not found:
                    break
                channels = 1 if pixels.ndim == 2 else pixels.shape[2]
                yield SourceImage(
                    number,
                    f'frame {number}',
                    pixels.reshape(*pixels.shape[:2], channels),
                    'mono8' if channels == 1 else 'bgr8',
                )
                number += 1
        finally:
            capture.release()
        # The container's count is exact for whole files; some formats estimate it.
        if number < self._length:
            yield Unreadable(
                number, f'frame {number}', f'the video ends here, it promises {self._length}'
            )


class ImageCursor:
    """Takes the images of a source one after the other, over and over if it loops.

    skipped: how many could not be read so far; each is also named in the log.
    """

    def __init__(self, source: Source, *, loop: bool = False) -> None:
        self._source = source
        self._loop = loop
        self._pass = iter(source)
        self._readable = 0
        self.skipped = 0

    def next(self) -> SourceImage | None:
        """Return the next image that can be read; None when through.

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
        files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    except OSError as error:
        raise SourceError(
            f'{folder}: {error.strerror or error}; give a folder of images'
        ) from error
    if not files:
        inner = folder / 'images'
        hint = f'give {inner}' if inner.is_dir() else f'an image ends in {", ".join(SUFFIXES)}'
        raise SourceError(f'{folder} holds no image; {hint}')
    return sorted(files, key=lambda file: _natural(file.name))


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key by which numbers count as numbers."""
    parts = re.split(r'(\d+)', name)
    return [(int(part), '') if part.isdecimal() else (-1, part) for part in parts]


def _decode_file(data: bytes, compressed_format: str) -> tuple[NDArray[np.uint8], str]:
    """Decode a file as the node would; other formats than jpeg and png by OpenCV alone."""
    if compressed_format:
        header = SimpleNamespace(stamp=SimpleNamespace(sec=0, nanosec=0), frame_id='')
        frame = decode(SimpleNamespace(header=header, format=compressed_format, data=data))
        return frame.pixels, frame.encoding
    pixels = _imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise DecodeError('data', 'it cannot be decoded')
    return pixels, 'bgr8'


def _read_ground_truth(file: Path, size: tuple[int, ...]) -> NDArray[np.uint8]:
    ground_truth = _imdecode(file.read_bytes(), cv2.IMREAD_UNCHANGED)
    if ground_truth is None:
        raise SourceError(f'{file} cannot be decoded')
    if ground_truth.ndim != 2 or ground_truth.dtype != np.uint8:
        raise SourceError(f'{file} must be an 8-bit png of one channel, class ids')
    if ground_truth.shape != tuple(size):
        raise SourceError(
            f'{file} has {ground_truth.shape[1]}x{ground_truth.shape[0]} px, the image '
            f'{size[1]}x{size[0]}'
        )
    return ground_truth


def _imdecode(data: bytes, flags: int) -> NDArray[np.uint8] | None:
    if not data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None


def _one_line(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return ' '.join(text.split())
