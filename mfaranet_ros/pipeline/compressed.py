# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checks that a compressed image is whole before it is decoded.

A decoder paints what it has and leaves the rest gray; a half image must not become a mask. So a
image is measured first: its size is known before memory is taken for it, and a file that ends
early is refused.

Limits: a png is checked wholly, by its sums. A jpeg has none: one that ends early lacks its end
marker and is refused, but bytes that changed or are missing in the middle of a scan are decoded to
wrong pixels, as by every decoder.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """One kind of compressed image.

    names: what a message's format may call it; signature: how its data begin.
    walk: goes through all parts of a file and returns its height and width; where the file ends
    early it runs into an IndexError or struct.error, where it is broken it raises ValueError.
    """

    names: tuple[str, ...]
    signature: bytes
    walk: Callable[[bytes], tuple[int, int]]


def measure(codec: Codec, data: bytes) -> tuple[int, int]:
    """Return height and width of an image that begins with the codec's signature.

    Raises ValueError, which says what is wrong, for a file that is not whole.
    """
    try:
        return codec.walk(data)
    except (IndexError, struct.error):
        raise ValueError('it ends early') from None


def _walk_jpeg(data: bytes) -> tuple[int, int]:
    """Walk the segments up to the first scan, then look for the end marker behind it.

    Within a scan 0xff is always followed by 0x00 or a restart marker, so that an end marker found
    there is the end, not a part of the image; nor is it that of a thumbnail, which stands before
    the scan, or of another image, whose start marker would come first.
    """
    size = (0, 0)
    position = 2
    while True:
        if data[position] != 0xFF:
            raise ValueError('a segment does not begin where the one before ends')
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xD9:
            raise ValueError('it holds no image')
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from('>HH', data, position + 5)
            size = (height, width)
        (length,) = struct.unpack_from('>H', data, position + 2)
        position += 2 + length
        if marker == 0xDA:
            break
    end = data.find(b'\xff\xd9', position)
    if end < 0 or data.find(b'\xff\xd8', position, end) >= 0:
        raise ValueError('it ends early, its end marker is missing')
    return size


def _walk_png(data: bytes) -> tuple[int, int]:
    """Walk all chunks up to the last and check each one's sum."""
    view = memoryview(data)
    size = (0, 0)
    position = 8
    while True:
        length, kind = struct.unpack_from('>I4s', data, position)
        (crc,) = struct.unpack_from('>I', data, position + 8 + length)
        if zlib.crc32(view[position + 4 : position + 8 + length]) != crc:
            raise ValueError(f'the check sum of its chunk {kind!r} is wrong')
        if kind == b'IHDR':
            width, height = struct.unpack_from('>II', data, position + 8)
            size = (height, width)
        if kind == b'IEND':
            return size
        position += 12 + length


CODECS = (
    Codec(('jpeg', 'jpg'), b'\xff\xd8\xff', _walk_jpeg),
    Codec(('png',), b'\x89PNG\r\n\x1a\n', _walk_png),
)
"""The compressed images that are decoded, recognised by their first bytes."""
