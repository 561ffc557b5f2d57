# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet benchmark ground`: the table, the figures, and what it refuses."""

import json

import pytest

from mfaranet_ros.cli.main import main


def test_it_measures_accuracy_by_distance_and_time(tmp_path, capsys):
    file = tmp_path / 'ground.json'
    given = ('--size', '240x320', '--seed', '4', '--seeds', '2', '--frames', '1')
    given += ('--camera', 'pitch=0.1', '--set', 'traffic=0', '--json', str(file))
    assert main(['benchmark', 'ground', *given]) == 0
    said = capsys.readouterr().out
    assert said.startswith('320x240, fx 313.333 px, 1.4 m high, true cityscapes labels, 2 frames')
    assert 'grid, boundary and points on one core' in said
    figures = json.loads(file.read_text())
    assert (figures['seeds'], figures['frames'], figures['camera']['pitch']) == ([4, 5], [0], 0.1)
    assert (figures['options']['traffic'], figures['options']['labels']) == (0, 'cityscapes')
    assert figures['to_20_m']['free_iou'] > 0.95
    assert figures['to_40_m']['occluded_cells_marked_free'] == 0
    vertices = sum(band['boundary_vertices'] for band in figures['bands'])
    assert vertices + figures['boundary_outside'] == 2 * 180
    assert 0 < figures['time_ms']['cpu_p50'] <= figures['time_ms']['cpu_p95']


@pytest.mark.parametrize(
    ('given', 'words'),
    [
        (('--seeds', '0'), 'must be 1 or more'),
        (('--frames', '0'), 'must be 1 or more'),
        (('--size', '3x'), 'HEIGHTxWIDTH'),
        (('--set', 'rian=1'), "did you mean 'rain'"),
        (('--camera', 'yaw=3.14'), 'sees no ground inside the grid'),
    ],
)
def test_what_cannot_be_is_one_clear_line(given, words, capsys):
    assert main(['benchmark', 'ground', '--size', '48x64', *given]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count('\n') == 1
