# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Decodes a video stream picture by picture, each under the stamp of the message that held it.

The picture of every packet comes out once, in the order in which pictures are shown, or what
became of it: a picture that may be wrong is not given out. So decoding begins at a key frame,
begins again at the next one after anything was lost or broken, and pictures that are shown before
the key frame at which it began are left out, since they refer to what was not seen.

The pictures are those of FFmpeg (PyAV), converted to bgr8 as for video files.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.video.reformatter import VideoReformatter

from mfaranet_ros.core.errors import ConfigError, DecodeError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.pipeline.h264_frame_num import FrameNumbers
from mfaranet_ros.pipeline.video_packets import VIDEO_REASON, VideoPacket, scan

UNDECODABLE = (av.error.FFmpegError, OSError, ValueError)
"""What PyAV raises for data that cannot be decoded."""

UNUSABLE = (*UNDECODABLE, RuntimeError, NotImplementedError)
"""What PyAV raises for a decoder or device that is not there."""

DECODERS: dict[str, dict[str, tuple[str, ...]]] = {
    'cpu': {'h264': ('h264',), 'h265': ('hevc',), 'av1': ('libdav1d', 'libaom-av1')},
    'cuda': {'h264': ('h264',), 'h265': ('hevc',), 'av1': ('av1',)},
}
"""FFmpeg's decoders of each codec, by device, the first that there is."""

OPTIONS: dict[str, dict[str, str]] = {
    'h264': {},
    'h265': {'err_detect': 'explode'},
    'av1': {'err_detect': 'explode'},
}
"""Options of FFmpeg by codec: to refuse what is damaged, where it is not marked as such."""

RECORDED = {'strict': 'strict'}
"""Wait for pictures that may come in another order where a stream does not say how many; a live
decoder gives a picture out at once there."""

NO_KEY = 'there is no key frame before it from which decoding could begin'
DAMAGED = 'it is damaged, or what it refers to is'
LEADING = 'it refers to pictures before the key frame at which decoding began'


@dataclass(frozen=True, eq=False)
class VideoPicture:
    """What became of a packet: a bgr8 frame, or the problem because of which there is none."""

    packet: VideoPacket
    frame: Frame | None = None
    problem: str = ''

    def require(self) -> Frame:
        """Return the frame; raises DecodeError with the problem where there is none."""
        if self.frame is None:
            raise DecodeError(VIDEO_REASON, f'the picture is left out: {self.problem}')
        return self.frame


class VideoDecoder:
    """Decodes one stream; put its packets in the order in which they were sent.

    live: give each picture out as soon as the stream allows it. device: cpu or cuda.
    Raises ConfigError for a codec or device that this FFmpeg does not have.
    """

    def __init__(self, *, live: bool = False, device: str = 'cpu') -> None:
        self._live = live
        self._device = device
        self._codec = ''
        self._context: Any = None
        self._reformatter = VideoReformatter()
        self._numbers = FrameNumbers()
        self._headers = b''
        self._pending: dict[int, VideoPacket] = {}
        self._keys: set[int] = set()
        self._held: deque[tuple[int, VideoPacket, Any]] = deque()
        self._count = 0
        self._is_waiting = True
        self._first: int | None = None
        self._may_lead = False

    def put(self, packet: VideoPacket) -> list[VideoPicture]:
        """Decode a packet; return what is known of it and of those before it."""
        try:
            unit = scan(packet.codec, packet.data)
        except DecodeError as error:
            return [*self.interrupt(str(error)), VideoPicture(packet, problem=str(error))]
        pictures = []
        if packet.codec != self._codec:
            pictures += self.interrupt('the codec changes after it')
            self._context = open_decoder(packet.codec, live=self._live, device=self._device)
            self._codec, self._headers = packet.codec, b''
        if not unit.picture:
            self._headers += packet.data
            return pictures
        data, self._headers = self._headers + packet.data, b''
        if self._codec == 'h264' and self._numbers.missing(data):
            pictures += self.interrupt('a picture that it refers to is missing')
        if self._is_waiting:
            if not unit.key:
                return [*pictures, VideoPicture(packet, problem=NO_KEY)]
            self._is_waiting, self._first = False, self._count
            self._numbers.restart()
            self._numbers.missing(data)
            self._may_lead = self._codec == 'h264' and not self._numbers.is_idr
        elif self._may_lead and self._numbers.is_b:
            return [*pictures, VideoPicture(packet, problem=LEADING)]
        else:
            self._may_lead = False
        return [*pictures, *self._decode(packet, data, is_key=unit.key)]

    def interrupt(self, why: str) -> list[VideoPicture]:
        """Take note that packets are missing here: nothing is decoded up to the next key frame.

        why: what becomes of packets whose pictures do not come out any more.
        """
        pictures = self._drain(why)
        self._forget_held()
        pictures += self._lose(why, self._pending)
        if self._context is not None:
            self._context.flush_buffers()
        self._is_waiting, self._first = True, None
        self._keys.clear()
        return pictures

    def end(self) -> list[VideoPicture]:
        """Return what is still to come after the last packet."""
        return self.interrupt('the stream ends')

    def _decode(self, packet: VideoPacket, data: bytes, *, is_key: bool) -> list[VideoPicture]:
        index, self._count = self._count, self._count + 1
        self._pending[index] = packet
        if is_key:
            self._keys.add(index)
        compressed = av.Packet(data)
        compressed.pts = index
        try:
            frames = self._context.decode(compressed)
        except UNDECODABLE as error:
            del self._pending[index]
            why = f'it cannot be decoded: {_one_line(error)}'
            return [*self.interrupt(why), VideoPicture(packet, problem=why)]
        return self._take(frames)

    def _drain(self, why: str) -> list[VideoPicture]:
        """Return the pictures that are still in the decoder."""
        if self._context is None or self._is_waiting:
            return []
        try:
            return self._take(self._context.decode(None), at_end=True)
        except UNDECODABLE:
            return self._lose(why, self._pending)

    def _take(self, frames: Iterable[Any], *, at_end: bool = False) -> list[VideoPicture]:
        pictures: list[VideoPicture] = []
        for frame in frames:
            index = -1 if frame.pts is None else int(frame.pts)
            if index not in self._pending:
                continue
            earlier = [other for other in self._pending if other < index]
            if frame.is_corrupt or (earlier and self._codec == 'av1'):
                pictures += self._damaged(index, at_end=at_end)
                continue
            if index in self._keys:
                self._keys.discard(index)
                if self._held:
                    pictures += self._lose(DAMAGED, self._forget_held())
                pictures += self._lose('no picture came of it', earlier)
            self._held.append((index, self._pending.pop(index), frame))
            pictures += self._release()
        return pictures

    def _release(self) -> list[VideoPicture]:
        """Give out the pictures that are right for sure.

        FFmpeg marks a damaged picture of H.264 when that is shown. Pictures that are shown before
        it, but decoded after it and from it, are not marked: they wait until it is shown.
        """
        pictures = []
        while self._held:
            index, packet, frame = self._held[0]
            if self._codec == 'h264' and any(other < index for other in self._pending):
                break
            self._held.popleft()
            pictures.append(self._give_out(index, packet, frame))
        return pictures

    def _damaged(self, index: int, *, at_end: bool) -> list[VideoPicture]:
        """Leave out this picture and those after it, up to the next key frame."""
        self._forget_held()
        key = min((key for key in self._keys if key > index), default=None)
        if key is not None:
            self._first = key
            return self._lose(DAMAGED, [other for other in self._pending if other < key])
        return self._lose(DAMAGED, [*self._pending]) if at_end else self.interrupt(DAMAGED)

    def _forget_held(self) -> list[int]:
        """Put the pictures that wait back among those of which nothing came; return which."""
        indices = [index for index, _, _ in self._held]
        self._pending.update({index: packet for index, packet, _ in self._held})
        self._held.clear()
        return indices

    def _give_out(self, index: int, packet: VideoPacket, frame: Any) -> VideoPicture:
        if self._first is not None and index != self._first:
            return VideoPicture(packet, problem=LEADING)
        self._first = None
        pixels = self._reformatter.reformat(frame, format='bgr24').to_ndarray()
        given = Frame(np.asarray(pixels), 'bgr8', packet.stamp_ns, packet.frame_id)
        return VideoPicture(packet, given)

    def _lose(self, why: str, indices: Iterable[int]) -> list[VideoPicture]:
        return [VideoPicture(self._pending.pop(index), problem=why) for index in sorted(indices)]


def check_device(device: str) -> None:
    """Raise ConfigError for a device on which FFmpeg cannot decode here."""
    try:
        av.CodecContext.create('h264', 'r', HWAccel(device, allow_software_fallback=False))
    except UNUSABLE as error:
        raise ConfigError(
            f'video cannot be decoded on {device} ({_one_line(error)}): check the driver, or set '
            'input.video_device to cpu'
        ) from error


def open_decoder(codec: str, *, live: bool = False, device: str = 'cpu') -> Any:
    """Return FFmpeg's decoder of a codec; raises ConfigError where there is none."""
    hwaccel = None if device == 'cpu' else HWAccel(device, allow_software_fallback=False)
    for name in DECODERS[device][codec]:
        try:
            context = av.CodecContext.create(name, 'r', hwaccel)
        except UNUSABLE:
            continue
        # More threads would decode several pictures at once, and each would come later.
        context.thread_count = 1
        context.options = {**OPTIONS[codec], **({} if live else RECORDED)}
        return context
    where = 'this FFmpeg' if device == 'cpu' else f'this FFmpeg, or the device {device},'
    raise ConfigError(
        f'{where} has no decoder for {codec}: pip install --upgrade av, '
        'or convert the video to h264'
    )


def _one_line(error: Exception) -> str:
    return ' '.join(str(getattr(error, 'strerror', None) or error).split())
