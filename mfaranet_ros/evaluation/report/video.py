# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Writes images and a video, and makes sure that they are on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.files import printable, write_file
from mfaranet_ros.evaluation.report.contact_sheet import Pixels

CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}
"""Tried in this order; the second needs nothing but OpenCV itself."""


def write_image(path: Path, image: Pixels) -> None:
    """Write an image in the format of its suffix; raises OutputError."""
    done, data = cv2.imencode(path.suffix, image)
    if not done:
        raise OutputError(f'cannot write {path}: OpenCV cannot encode it')
    write_file(path, data.tobytes(), advice='give another folder')


PROBE_BYTES = 4096
"""Written first, since OpenCV does not say why it cannot open a file."""


@dataclass(frozen=True)
class Written:
    """A video that was written and read again."""

    path: Path
    frames: int
    note: str


class VideoWriter:
    """Writes a video of the rate, opened with the first frame, whose size all others take.

    OpenCV does not say when the disk is full, so `close` looks whether the frames are there.
    """

    def __init__(self, stem: Path, rate_hz: float) -> None:
        self._stem = stem
        self._rate_hz = rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)
        self._path = stem
        self._frames = 0
        self._last: Pixels | None = None
        self._note = ''

    def write(self, image: Pixels, *, hold: int = 0) -> None:
        """Append an image, after repeating the one before `hold` times.

        Raises OutputError where no video can be made.
        """
        if self._writer is None:
            self._size = (image.shape[1], image.shape[0])
            self._writer = self._open()
        if (image.shape[1], image.shape[0]) != self._size:
            image = np.asarray(cv2.resize(image, self._size), np.uint8)
        for each in (*[self._last] * hold, image):
            if each is not None:
                self._writer.write(each)
                self._frames += 1
        self._last = image

    def _open(self) -> cv2.VideoWriter:
        failed: list[str] = []
        for suffix, codec in CODECS.items():
            self._path = self._stem.with_suffix(suffix)
            _check_writable(self._path)
            code = cv2.VideoWriter.fourcc(*codec)
            with _readable_name(self._path) as name:
                writer = cv2.VideoWriter(name, code, self._rate_hz, self._size)
            if writer.isOpened():
                if failed:
                    self._note = f'this OpenCV cannot write {", ".join(failed)}: it is {suffix}'
                return writer
            self._path.unlink(missing_ok=True)
            failed.append(f'{suffix} ({codec})')
        raise OutputError(f'no video: this OpenCV can write none of {", ".join(failed)}')

    def close(self) -> Written | None:
        """Finish the video and read it again; None where nothing was written.

        Raises OutputError where not all frames are there.
        """
        if self._writer is None:
            return None
        self._writer.release()
        self._writer = None
        found = _count_frames(self._path)
        if found < self._frames:
            raise OutputError(
                f'{self._path} holds {found} of {self._frames} frames: is the disk full? Make '
                'room or give another folder'
            )
        return Written(self._path, self._frames, self._note)


def _check_writable(path: Path) -> None:
    try:
        path.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        raise OutputError(f'cannot write {path}: {error.strerror}; give another folder') from error


def _count_frames(path: Path) -> int:
    os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')
    with _readable_name(path) as name:
        capture = cv2.VideoCapture(name)
    try:
        return int(capture.get(cv2.CAP_PROP_FRAME_COUNT)) if capture.isOpened() else 0
    finally:
        capture.release()


@contextmanager
def _readable_name(path: Path) -> Iterator[str]:
    """Yield a name by which OpenCV can open a file: it crashes on names that are not UTF-8."""
    if printable(path) == str(path):
        yield str(path)
        return
    with TemporaryDirectory(prefix='mfaranet_video_') as folder:
        link = Path(folder, f'video{path.suffix}')
        link.symlink_to(path.absolute())
        yield str(link)
