# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arrays with a few words about them, through a pipe from one process to another.

A record is one line of JSON, then the bytes of its array. It is how what was received over ROS
reaches a tool, which knows nothing of ROS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Record:
    """One thing that was received.

    kind: what it is, for example `mask`. stamp_ns: from its header; arrival_ns: when it came, on
    the same clock. array: its pixels or cells. facts: names and values that belong to it.
    """

    kind: str
    stamp_ns: int
    arrival_ns: int
    array: NDArray[Any] = field(default_factory=lambda: np.empty(0, np.uint8))
    facts: tuple[tuple[str, str], ...] = ()

    def fact(self, name: str, default: str = '') -> str:
        return next((value for key, value in self.facts if key == name), default)


def write_record(stream: IO[bytes], record: Record) -> None:
    """Write a record wholly; raises OSError where the reader is gone."""
    array = np.ascontiguousarray(record.array)
    head = {
        'kind': record.kind,
        'stamp_ns': record.stamp_ns,
        'arrival_ns': record.arrival_ns,
        'shape': array.shape,
        'dtype': array.dtype.str,
        'facts': record.facts,
    }
    stream.write(json.dumps(head).encode() + b'\n')
    stream.write(array.tobytes())
    stream.flush()


def read_records(stream: IO[bytes]) -> Iterator[Record]:
    """Read records until the writer is gone; one that it did not finish is left out."""
    while (line := stream.readline()).endswith(b'\n'):
        head = json.loads(line)
        dtype = np.dtype(head['dtype'])
        size = int(np.prod(head['shape'])) * dtype.itemsize
        data = stream.read(size)
        if len(data) < size:
            return
        array = np.frombuffer(data, dtype).reshape(head['shape'])
        facts = tuple((str(name), str(value)) for name, value in head['facts'])
        yield Record(head['kind'], head['stamp_ns'], head['arrival_ns'], array, facts)
