# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Unpacks zstd and lz4 with a limit, since a few bytes may claim to be any number of gigabytes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import BinaryIO

import lz4.frame
import zstandard

from mfaranet_ros.core.errors import OutputError

MAX_BYTES = 2**30
"""Most that a chunk or a message may unpack to; the largest image has as many bytes."""

FREE_DISK_BYTES = 2**28
"""What unpacking a whole file must leave free on its disk."""

PIECE_BYTES = 2**13
"""Bytes that are unpacked at once; zstd makes at most 256 MiB of them."""


def unpack_zstd(data: bytes | memoryview, limit: int = MAX_BYTES) -> bytes:
    """Return what one zstd stream holds, or what can be had of one that ends early.

    Raises zstandard.ZstdError for a damaged stream, ValueError for more bytes than the limit.
    """
    stream = zstandard.ZstdDecompressor().decompressobj()
    parts, size = [], 0
    for start in range(0, len(data), PIECE_BYTES):
        if stream.eof:
            break
        parts.append(stream.decompress(data[start : start + PIECE_BYTES]))
        size += len(parts[-1])
        if size > limit:
            raise _too_large(limit)
    return b''.join(parts)


def unpack_lz4(data: bytes | memoryview, limit: int = MAX_BYTES) -> bytes:
    """Return what one lz4 frame holds, or what can be had of one that ends early.

    Raises RuntimeError for a damaged frame, ValueError for more bytes than the limit.
    """
    frame = lz4.frame.LZ4FrameDecompressor()
    content = bytes(frame.decompress(data, max_length=limit))
    if not frame.eof and not frame.needs_input:
        raise _too_large(limit)
    return content


def unpack_file(packed: BinaryIO, unpacked: BinaryIO, folder: Path) -> bool:
    """Unpack the zstd streams of a file; return whether the last one is whole.

    folder: where it is unpacked to. Raises zstandard.ZstdError for a damaged stream, OutputError
    where the disk would become full.
    """
    stream = zstandard.ZstdDecompressor().decompressobj()
    for piece in iter(lambda: packed.read(PIECE_BYTES), b''):
        data = piece
        while data:
            if stream.eof:
                stream = zstandard.ZstdDecompressor().decompressobj()
            content = stream.decompress(data)
            if len(content) > PIECE_BYTES:
                _check_room(folder, len(content))
            unpacked.write(content)
            data = stream.unused_data
    return bool(stream.eof)


def _check_room(folder: Path, size: int) -> None:
    if shutil.disk_usage(folder).free < size + FREE_DISK_BYTES:
        raise OutputError(
            f'unpacking would fill the disk of {folder}: make room there, or set TMPDIR'
        )


def _too_large(limit: int) -> ValueError:
    return ValueError(f'it unpacks to more than {limit >> 20} MB')
