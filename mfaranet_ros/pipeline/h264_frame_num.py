# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Finds out whether a picture is missing in an H.264 stream.

FFmpeg replaces a missing reference picture by another one and says nothing, so that all pictures
up to the next key frame are wrong. frame_num counts the reference pictures: it may not jump.
Source: ITU-T H.264, 7.3.2.1.1 (sequence parameter set), 7.3.3 (slice header), 7.4.3 (frame_num).
"""

from __future__ import annotations

_HIGH_PROFILES = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
"""The profiles whose parameter sets say more of colours."""

_HEADER_BYTES = 256


class _Bits:
    """Reads bits from the most significant one on; raises IndexError behind the end."""

    def __init__(self, data: bytes) -> None:
        # 0x000003 in a unit stands for 0x0000, so that no start code occurs within it.
        payload = data[:_HEADER_BYTES].replace(b'\x00\x00\x03', b'\x00\x00')
        self._value = int.from_bytes(payload, 'big')
        self._left = 8 * len(payload)

    def read(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise IndexError('the unit ends early')
        return self._value >> self._left & ((1 << count) - 1)

    def unsigned(self) -> int:
        """Read an Exp-Golomb code, ue(v)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
        return (1 << zeros) - 1 + self.read(zeros)

    def signed(self) -> int:
        value = self.unsigned()
        return (value + 1) // 2 if value & 1 else -(value // 2)


class FrameNumbers:
    """Watches the frame_num of the pictures of one stream, in the order of decoding.

    is_b: whether the last picture may refer to one that is shown after it. is_idr: whether no
    picture after it refers to one before it.
    """

    def __init__(self) -> None:
        self.is_b = self.is_idr = False
        self._bits = 0
        self._planes = False
        self._gaps_allowed = False
        self._before: int | None = None

    def restart(self) -> None:
        """Forget the pictures before: the next one is a key frame."""
        self._before = None

    def missing(self, data: bytes) -> bool:
        """Say whether a reference picture is missing before the one in these data (annex B)."""
        start = data.find(b'\x00\x00\x01')
        while 0 <= start < len(data) - 4:
            header, body = data[start + 3], data[start + 4 : start + 4 + _HEADER_BYTES]
            kind = header & 0x1F
            try:
                if kind == 7:
                    self._read_parameters(body)
                elif kind in (1, 5):
                    return self._jumps(_Bits(body), is_key=kind == 5, is_reference=header & 0x60)
            except IndexError:
                return False  # the decoder will say what is wrong with it
            start = data.find(b'\x00\x00\x01', start + 3)
        return False

    def _read_parameters(self, body: bytes) -> None:
        bits = _Bits(body)
        profile = bits.read(8)
        bits.read(16)  # constraints and level
        bits.unsigned()  # the id
        self._planes = False
        if profile in _HIGH_PROFILES:
            self._read_colours(bits)
        self._bits = bits.unsigned() + 4
        order = bits.unsigned()
        if order == 0:
            bits.unsigned()
        elif order == 1:
            bits.read(1)
            bits.signed()
            bits.signed()
            for _ in range(bits.unsigned()):
                bits.signed()
        bits.unsigned()  # the number of reference pictures
        self._gaps_allowed = bool(bits.read(1))

    def _read_colours(self, bits: _Bits) -> None:
        chroma = bits.unsigned()
        if chroma == 3:
            self._planes = bool(bits.read(1))
        bits.unsigned()
        bits.unsigned()
        bits.read(1)
        if bits.read(1):
            for index in range(8 if chroma != 3 else 12):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)

    def _jumps(self, bits: _Bits, *, is_key: bool, is_reference: int) -> bool:
        if not self._bits or self._gaps_allowed:
            return False
        self.is_idr = is_key
        bits.unsigned()  # the first macroblock
        self.is_b = bits.unsigned() % 5 == 1
        bits.unsigned()  # the id of the picture's parameters
        if self._planes:
            bits.read(2)
        number, before = bits.read(self._bits), self._before
        if is_reference:
            self._before = number
        if is_key or before is None:
            return False
        return number not in (before, (before + 1) % (1 << self._bits))


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last
