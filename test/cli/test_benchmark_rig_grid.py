# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet benchmark rig-grid`: the fused grid against the ground truth of the scene."""

import json

from mfaranet_ros.cli.main import main


def test_true_labels_give_the_true_grid(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    arguments = ['--seed', '5', '--first', '40', '--frames', '2', '--json', str(out)]
    assert main(['benchmark', 'rig-grid', *arguments]) == 0
    near = json.loads(out.read_text())['to_20_m']
    assert near['free_iou'] > 0.95
    assert near['occluded_cells'] > 1000
    assert near['occluded_cells_marked_free'] == 0
    assert 'true labels, 2 frames of seed 5 from 40' in capsys.readouterr().out


def test_frames_that_are_none(capsys):
    assert main(['benchmark', 'rig-grid', '--frames', '1000000']) == 2
    assert 'the scene has the frames 0 to' in capsys.readouterr().err
