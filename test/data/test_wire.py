# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Records through a pipe: what goes in comes out, and an end in the middle loses only the last."""

from __future__ import annotations

import io

import numpy as np
import pytest

from mfaranet_ros.data.wire import Record, read_records, write_record

ARRAYS = [
    np.empty(0, np.uint8),
    np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8),
    np.random.default_rng(1).integers(-1, 101, (4, 9)).astype(np.int8)[::2, ::3],
    np.array([10, 10, 10], np.uint8),
]


def written(records):
    stream = io.BytesIO()
    for record in records:
        write_record(stream, record)
    return stream.getvalue()


def test_records_come_out_as_they_went_in():
    facts = (('name', 'a: "b"\n'), ('level', '0'), ('name', 'again, ä'))
    records = [Record('grid', 2**62 + i, -i, array, facts) for i, array in enumerate(ARRAYS)]
    found = list(read_records(io.BytesIO(written(records))))
    for record, copy in zip(records, found, strict=True):
        assert (copy.kind, copy.stamp_ns, copy.arrival_ns) == (
            record.kind, record.stamp_ns, record.arrival_ns,
        )  # fmt: skip
        assert copy.facts == facts
        assert copy.array.dtype == record.array.dtype
        np.testing.assert_array_equal(copy.array, record.array)
    assert found[0].fact('name') == 'a: "b"\n'
    assert found[0].fact('none', 'n/a') == 'n/a'


@pytest.mark.parametrize('missing', [1, 14, 40])
def test_a_writer_that_ends_in_the_middle_loses_its_last_record_only(missing):
    data = written([Record('mask', i, i, ARRAYS[1]) for i in range(3)])
    assert [r.stamp_ns for r in read_records(io.BytesIO(data[:-missing]))] == [0, 1]
    head_only = data[: data.rindex(b'{') + missing]
    assert [r.stamp_ns for r in read_records(io.BytesIO(head_only))] == [0, 1]
