# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The run lengths in which Label Studio keeps a mask (rle-pack of thi.ng, four channels).

A stream of bits: 32 of the number of values, 5 of the bits of a value - 1, four times 4 of the
bits of a length - 1; then runs: 1 for a run or 0 for single values, 2 for which of the four
lengths, the length - 1, the value or the values. A pixel is four values, each 0 or 255.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError

CHANNELS = 4
VALUE_BITS = 8
LENGTH_BITS = (3, 4, 8, 16)


def encode_brush(mask: NDArray[np.bool_]) -> list[int]:
    """Return a mask, bool (H, W), as the bytes that Label Studio reads."""
    flat = np.repeat(mask.ravel(), CHANNELS)
    ends = np.append(np.flatnonzero(np.diff(flat)) + 1, len(flat))
    starts = np.insert(ends[:-1], 0, 0)
    bits = [f'{len(flat):032b}', f'{VALUE_BITS - 1:05b}', *(f'{n - 1:04b}' for n in LENGTH_BITS)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        value = '1' * VALUE_BITS if flat[start] else '0' * VALUE_BITS
        left = end - start
        while left:
            index = next((i for i, n in enumerate(LENGTH_BITS) if left <= 1 << n), 3)
            length = min(left, 1 << LENGTH_BITS[index])
            bits.append(f'1{index:02b}{length - 1:0{LENGTH_BITS[index]}b}{value}')
            left -= length
    text = ''.join(bits)
    text += '0' * (-len(text) % 8)
    packed: list[int] = np.packbits(np.frombuffer(text.encode(), np.uint8) - ord('0')).tolist()
    return packed


def decode_brush(data: list[int], height: int, width: int) -> NDArray[np.bool_]:
    """Return the mask, bool (H, W), of what `encode_brush` or Label Studio wrote.

    Raises SourceError for other data.
    """
    try:
        text = (np.unpackbits(np.array(data, np.uint8)) + ord('0')).tobytes().decode()
        values = _decode(text, height * width * CHANNELS)
    except (ValueError, OverflowError, IndexError) as error:
        raise SourceError(f'a brush mask is broken ({error}): export it again') from error
    return values.reshape(height, width, CHANNELS)[:, :, 0] > 127


def _decode(text: str, expected: int) -> NDArray[np.uint8]:
    place = 0

    def read(count: int) -> int:
        nonlocal place
        place += count
        return int(text[place - count : place], 2)

    total, value_bits = read(32), read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    if total != expected:  # before so many are allocated
        raise ValueError(f'{total // CHANNELS} pixels, its image has {expected // CHANNELS}')
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        is_run = read(1)
        count = read(sizes[read(2)]) + 1
        if is_run:
            values[done : done + count] = read(value_bits)
        else:
            for index in range(done, min(done + count, total)):
                values[index] = read(value_bits)
        done += count
    return values
