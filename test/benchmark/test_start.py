# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The start of a process is measured from outside, with torch and without."""

import json

import pytest
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.cli.main import main

pytest.importorskip('openvino', reason='OpenVINO is not installed')


def test_a_network_file_is_started_without_torch(tmp_path, capsys):
    path = tiny_network(tmp_path / 'net.onnx', kind='probabilities')
    assert main(['inspect', str(path)]) == 0
    found = tmp_path / 'start.json'
    given = ['benchmark', 'start', '--weights', str(path), '--runs', '1', '--cold']
    runtime = ['--set', 'runtime.backend=openvino', '--without-torch']
    assert main([*given, *runtime, '--json', str(found)]) == 0
    start = json.loads(found.read_text())['starts'][0]
    assert start['torch'] is False
    assert start['backend'] == 'openvino'
    parts = [start[name] for name in ('imports_s', 'build_s', 'test_s', 'frame_s')]
    assert 0 < sum(parts) < start['total_s'] < 120
    assert start['memory_peak_mb'] >= start['memory_mb'] > 20
    assert 'without torch' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (['--runs', '0'], '--runs 0: must be 1 or more'),
        (['--without-torch', '--runs', '1'], 'needs PyTorch, which is not installed'),
    ],
)
def test_bad_arguments_are_one_line(capsys, arguments, words):
    assert main(['benchmark', 'start', *arguments]) == 2
    assert words in capsys.readouterr().err
