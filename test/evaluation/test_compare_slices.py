# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Evaluations compared by their tables: the same figures, slices, and what is refused."""

import json

import cv2
import numpy as np
import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.evaluation.report.where import MAX_LENGTH, parse_where

pa = pytest.importorskip('pyarrow', reason='pyarrow is not installed')
pq = pytest.importorskip('pyarrow.parquet')

MOCK = ('--set=runtime.backend=mock', '--set=runtime.precision=float32')
NIGHT, DAY = 2, 4


@pytest.fixture(scope='module')
def evaluated(tmp_path_factory):
    """Return a folder with two evaluations, a and b, of two dark and four bright images."""
    path = tmp_path_factory.mktemp('slices')
    chance = np.random.default_rng(0)
    for folder in ('images', 'truth'):
        (path / folder).mkdir()
    for number in range(NIGHT + DAY):
        brightness = 20 if number < NIGHT else 150
        image = chance.integers(brightness, brightness + 9, (48, 64, 3), np.uint8)
        ground_truth = np.full((48, 64), 3, np.uint8)
        ground_truth[: 20 + number] = 1
        cv2.imwrite(str(path / 'images' / f'{number}.png'), image)
        cv2.imwrite(str(path / 'truth' / f'{number}.png'), ground_truth)
    given = ['--images', str(path / 'images'), '--ground-truth', str(path / 'truth'), *MOCK]
    for name, more in (('a', ()), ('b', ('--set=drivable.min_confidence=0.2',))):
        assert main(['evaluate', *given, *more, '--out', str(path / name)]) == 0
    return path


def compare(*arguments):
    return main(['compare', *map(str, arguments)])


def compared(folder, *arguments):
    out = folder / 'found.json'
    assert compare(*arguments, '--json', out) == 0
    return json.loads(out.read_text(encoding='utf-8'))


@pytest.mark.parametrize(
    ('first', 'second'),
    [('a', 'b'), ('a/report.json', 'b/frames.parquet'), ('a/frames.parquet', 'b/frames.parquet')],
)
def test_reports_folders_and_tables_give_the_same_figures(evaluated, tmp_path, first, second):
    reports = evaluated / 'a' / 'report.json', evaluated / 'b' / 'report.json'
    expected = compared(tmp_path, *reports)
    found = compared(tmp_path, evaluated / first, evaluated / second)
    for each in (expected, found):
        del each['first'], each['second']
    assert found == expected


@pytest.mark.parametrize(
    ('where', 'frames'),
    [
        ('brightness < 60', NIGHT),
        ('brightness >= 60', DAY),
        ('not brightness < 60 or number == 0', DAY + 1),
        ("name in ['0', '3']", 2),
        ('1 <= number < 3 and saturated_share < 0.5', 2),
        ('width * height == 3072', NIGHT + DAY),
    ],
)
def test_a_slice_is_compared(evaluated, tmp_path, where, frames):
    found = compared(tmp_path, evaluated / 'a', evaluated / 'b', '--where', where)
    assert found['frames'] == frames
    assert found['where'] == where
    assert 'config: drivable.min_confidence' in found['settings']


def test_a_slice_has_the_score_of_its_frames(evaluated, tmp_path):
    rows = pq.read_table(evaluated / 'a' / 'frames.parquet').to_pylist()
    found = compared(tmp_path, evaluated / 'a', evaluated / 'b', '--where', 'number == 3')
    assert found['differences'][0]['first'] == pytest.approx(rows[3]['mean_iou'])


def test_by_source_gives_a_line_for_each_bag(evaluated, tmp_path, capsys):
    found = compared(tmp_path, evaluated / 'a', evaluated / 'b', '--by', 'height')
    assert list(found['slices']) == ['48']
    assert found['slices']['48']['frames'] == NIGHT + DAY
    assert 'height: mean IoU' in capsys.readouterr().out


def test_columns_of_another_table_are_joined_by_the_nearest_stamp(evaluated, tmp_path):
    table = tmp_path / 'stamped'
    for name in 'ab':
        (table / name).mkdir(parents=True)
        frames = pq.read_table(evaluated / name / 'frames.parquet')
        stamps = pa.array([10**9 * (1 + n) for n in range(NIGHT + DAY)])
        place = frames.column_names.index('stamp_ns')
        frames = frames.set_column(place, frames.schema.field('stamp_ns'), stamps)
        pq.write_table(frames, table / name / 'frames.parquet')
    stamps = [10**9 * (1 + n) + 50_000_000 for n in range(4)]
    speed = pa.table({'stamp_ns': stamps, 'speed_mps': [1.0, 9.0, 8.0, 2.0]})
    pq.write_table(speed, tmp_path / 'speed.parquet')
    given = table / 'a', table / 'b', '--columns', tmp_path / 'speed.parquet', '--where'
    assert compared(tmp_path, *given, 'speed_mps > 5')['frames'] == 2
    assert compared(tmp_path, *given, 'speed_mps < 5')['frames'] == 2


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (('a', 'b', '--where', 'speed > 3'), 'no column speed, choose from source, number'),
        (('a', 'b', '--where', 'brightness <'), 'write a condition such as'),
        (('a', 'b', '--where', "__import__('os').getcwd() == 1"), 'is no value'),
        (('a', 'b', '--where', "brightness < 'night'"), '--where brightness <'),
        (('a', 'b', '--where', 'number'), 'number is no condition'),
        (('a', 'b', '--where', 'number == 77'), 'has no frame with ground truth in this slice'),
        (('a', 'b', '--by', 'weather'), '--by weather: choose from source, number'),
        (('a', 'b', '--by', 'hit_pixels'), 'it holds lists, choose another column'),
        (('a', 'none.parquet'), 'none.parquet cannot be read'),
        (('a', 'images'), 'report.json cannot be read'),
        (('a', 'a/report.html', '--where', 'number == 1'), 'cannot be read'),
        (('a', 'a/bags.parquet'), 'is no table of frames of this version'),
        (('a', 'b', '--columns', 'a/bags.parquet'), 'needs stamp_ns and a column'),
    ],
)
def test_bad_input_is_one_line(evaluated, arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(evaluated)
    assert compare(*arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.strip().count('\n') == 0


@pytest.mark.parametrize(
    'text',
    ['', 'a if a else a', 'a is 1', 'lambda: a', 'a < f(1)', 'a.b == 1', '~a', 'a' * MAX_LENGTH],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ConfigError, match='--where'):
        parse_where(text, ['a'])


@pytest.mark.parametrize('text', ['(' * 400 + 'a' + ')' * 400, 'not ' * 200 + 'a', '1 in a'])
def test_deep_conditions_are_refused(text):
    with pytest.raises(ConfigError, match='--where'):
        parse_where(text, ['a'])
