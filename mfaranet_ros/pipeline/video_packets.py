# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads messages of a video stream: codec, stamp and data, and what kind of picture they hold.

Three types of message hold video, each one picture: foxglove_msgs/CompressedVideo, the packets of
ffmpeg_image_transport, and CompressedImage whose format names a video codec. H.264 and H.265 are
byte streams with start codes (annex B), AV1 is a sequence of OBUs with sizes (section 5.2).
Only the first bytes of each unit are read here; the pictures are decoded by FFmpeg.
Sources: ITU-T H.264 and H.265, table 7-1; the AV1 bitstream specification, 5.3 and 5.9.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mfaranet_ros.core.errors import DecodeError, UnknownNameError
from mfaranet_ros.core.frame import MessageLike, stamp_of

CODEC_NAMES = {
    'h264': re.compile(r'264|avc'),
    'h265': re.compile(r'265|hevc'),
    'av1': re.compile(r'av1'),
}
"""The codecs that are decoded, and what the names of their encoders and formats contain."""

VIDEO_REASON = 'video'
"""The reason of the DecodeError of a picture that is missing or cannot be decoded."""

MAX_QUOTED = 80


@dataclass(frozen=True, eq=False)
class VideoPacket:
    """The message of one picture.

    codec: a name of CODEC_NAMES. data: the compressed picture. stamp_ns, frame_id: of its header.
    """

    codec: str
    data: bytes
    stamp_ns: int
    frame_id: str


@dataclass(frozen=True)
class Unit:
    """What the data of a packet hold: at least a part of a picture; a key frame with its headers.

    A decoder can begin at a key frame. headers: parameter sets or a sequence header are in it.
    """

    picture: bool = False
    key: bool = False
    headers: bool = False


def find_codec(name: str) -> str:
    """Return the codec of a format or encoder, such as h264 of `libx264;yuv420p;bgr8`.

    Raises DecodeError for a codec that is not decoded here.
    """
    first = name.partition(';')[0].lower().replace('.', '')
    for codec, pattern in CODEC_NAMES.items():
        if pattern.search(first):
            return codec
    unknown = UnknownNameError('video codec', name[:MAX_QUOTED], CODEC_NAMES)
    raise DecodeError('encoding', f'{unknown}; record or convert the video as one of these')


def is_video(message: MessageLike) -> bool:
    """Say whether a message holds video: by its type, or by the format of a CompressedImage."""
    if not hasattr(message, 'format'):
        return hasattr(message, 'pts')
    if hasattr(message, 'timestamp'):
        return True
    first = str(message.format).partition(';')[0].lower().replace('.', '')
    return any(pattern.search(first) for pattern in CODEC_NAMES.values())


def read_packet(message: MessageLike) -> VideoPacket:
    """Return the packet of a message; raises DecodeError for an unknown codec or empty data."""
    name = message.format if hasattr(message, 'format') else message.encoding
    codec = find_codec(str(name))
    data = bytes(memoryview(message.data))
    if not data:
        raise DecodeError('data', f'a {codec} message without data; check the encoder')
    frame_id = message.frame_id if hasattr(message, 'frame_id') else message.header.frame_id
    return VideoPacket(codec, data, stamp_of(message), str(frame_id))


def scan(codec: str, data: bytes) -> Unit:
    """Return what the data of a packet hold; raises DecodeError where they are no such stream."""
    return _SCANNERS[codec](data)


# -- H.264 and H.265 ----------------------------------------------------------------------------


def _nal_units(data: bytes) -> Iterator[int]:
    """Yield where the header byte of each unit is."""
    start = data.find(b'\x00\x00\x01')
    if start < 0 or any(data[:start]):
        raise DecodeError(
            'data',
            f'video data begin with {data[:4].hex()}, which is no start code: the stream must be '
            'in annex B form, as `ffmpeg -bsf h264_mp4toannexb` writes it',
        )
    while 0 <= start < len(data) - 3:
        yield start + 3
        start = data.find(b'\x00\x00\x01', start + 3)


def _scan_h264(data: bytes) -> Unit:
    headers = recovery = False
    for at in _nal_units(data):
        kind = data[at] & 0x1F
        if kind in (7, 8):
            headers = True
        elif kind == 6:
            recovery = recovery or _is_recovery_point(data[at + 1 : at + 64])
        elif 1 <= kind <= 5:
            return Unit(True, kind == 5 or recovery, headers)
    return Unit(headers=headers)


def _is_recovery_point(sei: bytes) -> bool:
    """Say whether pictures are right from here on: a recovery point (6) after 0 frames."""
    at = 0
    while at + 2 < len(sei):
        kind, size = sei[at], sei[at + 1]
        if kind == 6:
            return bool(sei[at + 2] & 0x80)  # ue(v): a leading 1 is 0
        if kind == 0xFF or size == 0xFF:  # longer than a recovery point, which comes first
            return False
        at += 2 + size
    return False


def _scan_h265(data: bytes) -> Unit:
    headers = False
    for at in _nal_units(data):
        kind = data[at] >> 1 & 0x3F
        if kind in (32, 33, 34):
            headers = True
        elif kind < 32:
            return Unit(True, 16 <= kind <= 23, headers)
    return Unit(headers=headers)


# -- AV1 ----------------------------------------------------------------------------------------

_OBU_SEQUENCE, _OBU_FRAME_HEADER, _OBU_FRAME = 1, 3, 6


def _scan_av1(data: bytes) -> Unit:
    at, headers = 0, False
    while at < len(data):
        kind, extended, sized = data[at] >> 3 & 0xF, data[at] & 4, data[at] & 2
        if data[at] & 0x81:
            raise DecodeError(
                'data',
                f'video data begin with {data[:4].hex()}, which is no OBU: the stream must be in '
                'the low overhead format (section 5.2), not annex B',
            )
        at += 2 if extended else 1
        size = len(data) - at
        if sized:
            size, at = _leb128(data, at)
        if kind == _OBU_SEQUENCE:
            headers = True
        elif kind in (_OBU_FRAME_HEADER, _OBU_FRAME) and at < len(data):
            # show_existing_frame (1 bit), frame_type (2 bits), of which 0 is a key frame.
            return Unit(True, data[at] & 0xE0 == 0, headers)
        at += size
    if not headers:
        raise DecodeError('data', 'a message of the video holds no picture; check the encoder')
    return Unit(headers=headers)


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 56:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            break
    return value, at


_SCANNERS: dict[str, Callable[[bytes], Unit]] = {
    'h264': _scan_h264,
    'h265': _scan_h265,
    'av1': _scan_av1,
}
