# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Video files, decoded frame by frame by FFmpeg (PyAV), with the time stamps they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.data.image_sources import IMAGES_RATE_HZ, SourceImage, Unreadable
from mfaranet_ros.pipeline.messages import CameraInfo

MAX_RATE_HZ = 1000
"""A container that says more does not know its rate."""

UNDECODABLE = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises for data that cannot be decoded."""


class VideoFile:
    """The frames of a video file, bgr8 and upright, each with its time stamp in the file.

    Raises SourceError where there is no file, or none of which a frame can be decoded.
    """

    camera_info: CameraInfo | None = None

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        if self._path.is_dir():
            raise SourceError(f'{path} is a folder, not a video: play it as images')
        if not self._path.is_file():
            raise SourceError(f'{path}: no such file; give a video file')
        with self._open() as (container, stream):
            rate_hz = float(stream.average_rate or stream.guessed_rate or 0)
            self._rate_hz = rate_hz if 0 < rate_hz <= MAX_RATE_HZ else IMAGES_RATE_HZ
            self._length = int(stream.frames)
            try:
                readable = next(container.decode(stream), None) is not None
            except UNDECODABLE:
                readable = False
        if not readable:
            raise SourceError(f'{path}: not one frame of it can be decoded; is the video whole?')

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Yield the container and its first video stream."""
        # A file that is open may have any name; FFmpeg would take some for options or addresses.
        try:
            file = self._path.open('rb')
        except OSError as error:
            raise SourceError(f'{self._path} cannot be read: {error.strerror or error}') from error
        with file:
            try:
                container = av.open(file)
            except UNDECODABLE as error:
                raise self._not_a_video() from error
            with container:
                if not container.streams.video:
                    raise self._not_a_video()
                stream = container.streams.video[0]
                stream.thread_type = 'AUTO'
                yield container, stream

    def _not_a_video(self) -> SourceError:
        return SourceError(
            f'{self._path}: not a video that FFmpeg can read; convert it to mp4 (h264), or give a '
            'folder of images'
        )

    @property
    def name(self) -> str:
        """Name of the source, as messages show it."""
        return printable(self._path)

    @property
    def rate_hz(self) -> float:
        """Images per second."""
        return self._rate_hz

    @property
    def has_ground_truth(self) -> bool:
        """Whether the images have ground truth."""
        return False

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that are read."""
        return (self._path,)

    def __iter__(self) -> Iterator[SourceImage | Unreadable]:
        number, reason = 0, 'the video ends here'
        with self._open() as (container, stream):
            try:
                for frame in container.decode(stream):
                    yield _image(number, frame)
                    number += 1
            except UNDECODABLE as error:
                reason = f'the rest cannot be decoded: {error}'
        # Containers of some formats hold no number of frames, or only an estimate that is too low.
        if number < self._length:
            reason = f'{reason}, it promises {self._length}'
        elif reason == 'the video ends here':
            return
        yield Unreadable(number, f'frame {number}', reason)


def _image(number: int, frame: Any) -> SourceImage:
    pixels = frame.to_ndarray(format='bgr24')
    turns = round(getattr(frame, 'rotation', 0) / 90)  # counter-clockwise, as phones store it
    if turns % 4:
        pixels = np.ascontiguousarray(np.rot90(pixels, turns))
    stamp_ns = None if frame.time is None else round(frame.pts * frame.time_base * 10**9)
    return SourceImage(number, f'frame {number}', pixels, 'bgr8', stamp_ns=stamp_ns)
