# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Random changes of bytes, of the kinds that break parsers."""

EXTREMES = (
    b'\x00', b'\xff', b'\x7f', b'\x80', b'\x00' * 4, b'\xff' * 4, b'\x00' * 8, b'\xff' * 8,
    b'\xff\xff\xff\x7f', b'\x00\x00\x00\x80', b'\xff' * 7 + b'\x7f', b'[' * 500, b'{"":' * 500,
)  # fmt: skip
"""What is written over lengths, counts and offsets: none, the largest, and signs."""


def mutate(data, random):
    """Return the bytes with one to four changes; random: a random.Random."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice(CHANGES)(changed, random)
    return bytes(changed)


def _at(data, random):
    """Return a place; the beginning and the end, where headers are, are more likely."""
    size = max(1, len(data))
    span = random.choice((16, 64, 512, size))
    place = random.randrange(min(span, size))
    return place if random.random() < 0.7 else size - 1 - place


def _flip(data, random):
    if data:
        data[_at(data, random)] ^= 1 << random.randrange(8)


def _overwrite(data, random):
    at, extreme = _at(data, random), random.choice(EXTREMES)
    data[at : at + len(extreme)] = extreme


def _insert(data, random):
    at = _at(data, random)
    data[at:at] = random.choice(EXTREMES)


def _cut(data, random):
    del data[_at(data, random) :]


def _leave_out(data, random):
    at = _at(data, random)
    del data[at : at + random.choice((1, 4, 8, 100))]


def _repeat(data, random):
    at = _at(data, random)
    data[at:at] = data[at : at + random.choice((1, 8, 64, 1000))]


def _exchange(data, random):
    """Copy a piece of the file over another one."""
    a, b, size = _at(data, random), _at(data, random), random.choice((1, 4, 8, 32))
    data[a : a + size] = data[b : b + size]


CHANGES = (_flip, _flip, _overwrite, _overwrite, _insert, _cut, _leave_out, _repeat, _exchange)
