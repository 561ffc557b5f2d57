# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A short soak of a node without a network; the long one is `./dev soak`."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from soak.__main__ import main, parse

pytestmark = [pytest.mark.ros]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """Keep what the run sets out of later tests."""
    import os

    for name, value in os.environ.items():
        monkeypatch.setenv(name, value)


def test_short_soak_passes(tmp_path, capfd):
    arguments = ['--minutes', '0.02', '--rounds', '1', '--backend', 'mock', '--rate', '10']
    code = main([*arguments, '--model', 'mfaranet_resnet18', '--out', str(tmp_path)])
    said = capfd.readouterr()
    assert code == 0, said.out + said.err
    assert '2 configures' in said.out
    assert '0 violations' in said.out
    assert 'memory is not judged' in said.out
    assert main(['--report', '--out', str(tmp_path)]) == 0


def test_report_of_nothing_is_one_line(tmp_path, capfd):
    assert main(['--report', '--out', str(tmp_path / 'none')]) == 2
    assert capfd.readouterr().err.startswith('error: ')


@pytest.mark.parametrize('arguments', [['--minutes', '0'], ['--rate', '-1'], ['--rounds', '0']])
def test_impossible_run_is_refused(arguments, capfd):
    with pytest.raises(SystemExit) as ended:
        parse(arguments)
    assert ended.value.code == 2
    assert 'must be above 0' in capfd.readouterr().err
