# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of the drive: what it counts, and how it is told."""

import json

import pytest

from mfaranet_ros.benchmark.drawing import DrawingTimes, measure_drawing
from mfaranet_ros.cli import main as command
from mfaranet_ros.cli.benchmark_drawing import table
from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene


def test_each_frame_is_drawn_and_decoded():
    seen = []
    drive = SyntheticScene(camera=SceneCamera(64, 48, fx=63.0))
    times = measure_drawing(drive, [3, 7, 8], on_frame=lambda: seen.append(1))
    assert (times.height, times.width, times.frames, len(seen)) == (48, 64, 3, 3)
    assert times.draw_ms > times.decode_ms > 0


def test_the_table_tells_rate_and_ratio():
    lines = table([DrawingTimes(360, 480, 20, 40.0, 0.8)]).splitlines()
    assert lines[-1].split() == ['480x360', '40.0', 'ms', '25.0', '0.80', 'ms', '50.0']


def test_the_verb_writes_its_figures(tmp_path, capsys):
    out = tmp_path / 'figures.json'
    arguments = ['--sizes', '48x64', '--frames', '2', '--preset', 'rain', '--json', str(out)]
    assert command.main(['benchmark', 'drawing', *arguments]) == 0
    assert '64x48' in capsys.readouterr().out
    assert json.loads(out.read_text())['sizes'][0]['frames'] == 2


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [(['--frames', '0'], '--frames 0'), (['--preset', 'rainy'], "did you mean 'rain'")],
)
def test_bad_input_is_refused(arguments, says, capsys):
    assert command.main(['benchmark', 'drawing', *arguments]) != 0
    assert says in capsys.readouterr().err
