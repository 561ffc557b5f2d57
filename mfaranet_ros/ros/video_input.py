# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decodes a camera's video in a thread of its own: every packet in order, none left out.

Unlike images, packets need those before them. Where they come faster than they can be decoded, the
ones that wait are dropped, and nothing is given out up to the next key frame.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from mfaranet_ros.core.errors import DecodeError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.pipeline.video_decoder import VideoDecoder, VideoPicture, check_device
from mfaranet_ros.pipeline.video_packets import read_packet

WAITING_PACKETS = 60
"""The packets that may wait: two seconds at 30 Hz."""

STOP_S = 2.0


class VideoInput:
    """Turns messages of a video into frames, as long as it is open.

    on_frame(frame): a picture that was decoded. on_error(error): a DecodeError for each one that
    is left out, and whatever else goes wrong. Both are called from the thread of the decoder.
    """

    def __init__(
        self,
        decoder: VideoDecoder,
        on_frame: Callable[[Frame], None],
        on_error: Callable[[Exception], None],
    ) -> None:
        self._decoder = decoder
        self._on_frame = on_frame
        self._on_error = on_error
        self._waiting: deque[Any] = deque()
        self._is_broken = False
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name='video decoder', daemon=True)
        self._thread.start()

    def put(self, message: Any) -> None:
        """Take the next message of the stream; returns at once."""
        with self._changed:
            is_full = len(self._waiting) >= WAITING_PACKETS
            dropped = self._interrupt() if is_full else 0
            self._waiting.append(message)
            self._changed.notify()
        self._refuse(dropped, 'packets come faster than they can be decoded')

    def lost(self) -> None:
        """Take note that messages are missing before the next one."""
        with self._changed:
            dropped = self._interrupt()
        self._refuse(dropped, 'packets after it are missing')

    def _interrupt(self) -> int:
        """Drop what waits, up to a break in the stream; return how much that was."""
        dropped = len(self._waiting)
        self._waiting.clear()
        self._is_broken = True
        return dropped

    def _refuse(self, count: int, why: str) -> None:
        for _ in range(count):
            self._on_error(DecodeError('video', why))

    def close(self) -> int:
        """Decode no more; return how many packets were taken and have no frame."""
        with self._changed:
            self._is_closed = True
            left = self._interrupt()
            self._changed.notify()
        self._thread.join(STOP_S)
        return left if self._thread.is_alive() else left + len(self._decoder.end())

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._is_closed)
                if self._is_closed:
                    return
                message, broken = self._waiting.popleft(), self._is_broken
                self._is_broken = False
            try:
                self._decode(message, broken)
            except Exception as error:  # one picture is lost, the next key frame may succeed
                self._on_error(error)

    def _decode(self, message: Any, broken: bool) -> None:
        pictures: list[VideoPicture] = []
        if broken:
            pictures += self._decoder.interrupt('packets before or after it are missing')
        try:
            pictures += self._decoder.put(read_packet(message))
        except DecodeError as error:
            pictures += self._decoder.interrupt(str(error))
            self._on_error(error)
        for picture in pictures:
            try:
                frame = picture.require()
            except DecodeError as error:
                self._on_error(error)
            else:
                self._on_frame(frame)


def open_video(
    on_frame: Callable[[Frame], None], on_error: Callable[[Exception], None], device: str
) -> VideoInput:
    """Open the input of a live video; raises ConfigError for a device that cannot be used."""
    if device != 'cpu':
        check_device(device)
    return VideoInput(VideoDecoder(live=True, device=device), on_frame, on_error)
