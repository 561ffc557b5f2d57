# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The tables of frames and bags: what the report says, in columns that are documented."""

import re

import pytest

from mfaranet_ros.evaluation.report.parquet import BAG_COLUMNS, FRAME_COLUMNS
from mfaranet_ros.evaluation.runs.run import BAG_TABLE, FRAME_TABLE

pq = pytest.importorskip('pyarrow.parquet', reason='pyarrow is not installed')

MOCK = ('--set', 'runtime.backend=mock', '--set', 'runtime.precision=float32')


@pytest.fixture(scope='module')
def bags(street, tmp_path_factory):
    folder = tmp_path_factory.mktemp('tables')
    return [street.bag(folder / name) for name in 'ab']


def test_tables_hold_what_the_report_says(bags, evaluate, tmp_path):
    given = ('--bag', *bags, '--ground-truth-topic', '/truth/labels', '--out', tmp_path / 'out')
    _, _, found = evaluate(*given, *MOCK, json_to=tmp_path / 'a.json')
    frames = pq.read_table(tmp_path / 'out' / FRAME_TABLE)
    assert frames.column_names == list(FRAME_COLUMNS)
    rows = frames.to_pylist()
    assert [(row['source'], row['number'], row['name'], row['mean_iou']) for row in rows] == [
        (frame['source'], number % 5, frame['name'], frame['mean_iou'])
        for number, frame in enumerate(found['frames'])
    ]
    assert rows[0]['flicker'] is None
    assert rows[1]['flicker'] is not None
    tables = pq.read_table(tmp_path / 'out' / BAG_TABLE)
    assert tables.column_names == list(BAG_COLUMNS)
    for row, part in zip(tables.to_pylist(), found['parts'], strict=True):
        assert row['source'] == part['name']
        assert row['mean_iou'] == pytest.approx(part['scores']['mean_iou'], abs=1e-6)
        assert (row['images'], row['frames'], row['problem']) == (5, 5, None)
    field = frames.schema.field('stamp_ns')
    assert field.metadata[b'meaning'].startswith(b'stamp of the header')


@pytest.mark.parametrize('columns', [FRAME_COLUMNS, BAG_COLUMNS])
def test_columns_are_documented(columns, repository):
    text = (repository / 'docs/fleet.md').read_text(encoding='utf-8')
    rows = dict(re.findall(r'^\| `(\w+)` \| (.+?) \|', text, re.MULTILINE))
    for name in columns:
        assert name in rows, name
