# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The pages of an SQLite file, read without SQLite, which refuses a file that was cut off.

Only what a bag needs: rows of tables in UTF-8.
Source: the database file format, https://www.sqlite.org/fileformat2.html.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

FILE_HEADER_BYTES = 100
LEAF, INTERIOR = 0x0D, 0x05
NUMBER_BYTES = (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)
"""How long the values of the types 0 to 9 are; 0 is NULL, 7 a float, 8 and 9 are 0 and 1."""

RUN_PAGES = 256
"""The pages that are read at once."""

Value = int | bytes | None


class Row(NamedTuple):
    """A row of a table: its record has `size` bytes, the first `local` of them in the page.

    start: where they begin in the file. overflow: the page in which the record continues, or 0.
    """

    number: int
    start: int
    size: int
    local: int
    overflow: int


def is_whole(path: Path) -> bool:
    """Whether a file has as many pages as its header says: neither cut off nor being written."""
    with path.open('rb') as file:
        header = file.read(FILE_HEADER_BYTES)
    if len(header) < FILE_HEADER_BYTES:
        return False
    size, changes, pages = struct.unpack_from('>H6xII', header, 16)
    (valid_for,) = struct.unpack_from('>I', header, 92)
    # Old versions of SQLite did not maintain the page count; then these two differ.
    page_bytes = 65536 if size == 1 else size
    return bool(changes != valid_for or path.stat().st_size == pages * page_bytes)


class Pages:
    """The pages of a file, counted from 1. Raises ValueError where it has no header."""

    def __init__(self, path: Path) -> None:
        self._file = path.open('rb')
        header = self._file.read(FILE_HEADER_BYTES)
        if len(header) < FILE_HEADER_BYTES:
            self._file.close()
            raise ValueError('it ends within its header')
        size, reserved = struct.unpack_from('>H2xB', header, 16)
        self.page_bytes = 65536 if size == 1 else size
        if self.page_bytes < 512 or self.page_bytes & (self.page_bytes - 1):
            self._file.close()
            raise ValueError(f'its header gives a page size of {size} bytes')
        self._usable: int = self.page_bytes - reserved
        self.count = path.stat().st_size // self.page_bytes

    def close(self) -> None:
        """Free what it holds."""
        self._file.close()

    def leaf_rows(self) -> Iterator[Row]:
        """Yield the rows of all leaf pages of all tables, in the order of the file."""
        for first in range(1, self.count + 1, RUN_PAGES):
            run = self._read(first, RUN_PAGES)
            for number in range(first, min(first + RUN_PAGES, self.count + 1)):
                start = (number - first) * self.page_bytes
                if run[start + _header_at(number)] == LEAF:
                    yield from self._rows(number, run[start : start + self.page_bytes])

    def table_rows(self, root: int) -> Iterator[Row]:
        """Yield the rows of a table as far as its pages are there; root: its first page."""
        waiting, seen = [root], set()
        while waiting:
            number = waiting.pop()
            if not 1 <= number <= self.count or number in seen:
                continue
            seen.add(number)
            page = self._read(number, 1)
            if page[_header_at(number)] == LEAF:
                yield from self._rows(number, page)
            elif page[_header_at(number)] == INTERIOR:
                waiting += reversed(_children(number, page))

    def record(self, row: Row) -> bytes | None:
        """Return the record of a row, or None where a part of it is not in the file."""
        if row.size > self.count * self.page_bytes:  # else a circle of pages would fill the memory
            return None
        self._file.seek(row.start)
        record = bytearray(self._file.read(row.local))
        page = row.overflow
        while len(record) < row.size:
            if not 1 <= page <= self.count:
                return None
            page = self._append_run(record, page, row.size)
        return bytes(record)

    def head(self, row: Row) -> bytes:
        """Return the part of the record that is in the page of the row."""
        self._file.seek(row.start)
        return self._file.read(row.local)

    def _append_run(self, record: bytearray, page: int, size: int) -> int:
        """Append overflow pages that follow each other; return where the record continues."""
        content = self._usable - 4
        wanted = min(RUN_PAGES, -(-(size - len(record)) // content))
        run = self._read(page, wanted)
        for start in range(0, len(run) - self.page_bytes + 1, self.page_bytes):
            (following,) = struct.unpack_from('>I', run, start)
            rest = min(content, size - len(record))
            record += run[start + 4 : start + 4 + rest]
            page += 1
            if following != page or len(record) == size:
                return int(following)
        return page

    def _read(self, page: int, pages: int) -> bytes:
        self._file.seek((page - 1) * self.page_bytes)
        return self._file.read(pages * self.page_bytes)

    def _rows(self, number: int, page: bytes) -> list[Row]:
        at = _header_at(number)
        (count,) = struct.unpack_from('>H', page, at + 3)
        try:
            cells = struct.unpack_from(f'>{count}H', page, at + 8)
            return [self._row(number, page, cell) for cell in cells]
        except (struct.error, IndexError):
            return []

    def _row(self, number: int, page: bytes, cell: int) -> Row:
        size, position = _varint(page, cell)
        row_number, position = _varint(page, position)
        local = self._local_bytes(size)
        overflow = 0
        if local < size:
            (overflow,) = struct.unpack_from('>I', page, position + local)
        start = (number - 1) * self.page_bytes + position
        return Row(row_number, start, size, local, overflow)

    def _local_bytes(self, size: int) -> int:
        """Return how much of a record stays in the leaf page."""
        if size <= self._usable - 35:
            return size
        least = (self._usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (self._usable - 4)
        return local if local <= self._usable - 35 else least


def values(record: bytes) -> tuple[list[int], list[slice]]:
    """Return the type of each column, and where its value is in the record.

    The slice of the last column may lie behind the end of a record that is not whole.
    """
    end, position = _varint(record, 0)
    types, places, start = [], [], end
    while position < end:
        kind, position = _varint(record, position)
        length = NUMBER_BYTES[kind] if kind < len(NUMBER_BYTES) else (kind - 12) // 2
        types.append(kind)
        places.append(slice(start, start + length))
        start += length
    return types, places


def value(kind: int, data: bytes) -> Value:
    """Return a value: a number, or the bytes of a text or a blob."""
    if kind in (8, 9):
        return kind - 8
    if kind == 0:
        return None
    return int.from_bytes(data, 'big', signed=True) if kind < 7 else data


def _header_at(page: int) -> int:
    return FILE_HEADER_BYTES if page == 1 else 0


def _children(number: int, page: bytes) -> list[int]:
    at = _header_at(number)
    count, right = struct.unpack_from('>3xH3xI', page, at)
    cells = struct.unpack_from(f'>{count}H', page, at + 12)
    return [struct.unpack_from('>I', page, cell)[0] for cell in cells] + [right]


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """Return a number of 1 to 9 bytes and the position behind it."""
    result: int = 0
    for number in range(9):
        byte: int = data[position]
        position += 1
        if number == 8:
            return result << 8 | byte, position
        result = result << 7 | byte & 0x7F
        if byte < 0x80:
            break
    return result, position
