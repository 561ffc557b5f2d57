# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of a rig against single nodes."""

import pytest

from mfaranet_ros.benchmark.rig import MANY, ONE, RigLoad, RigRun, measure_rig
from mfaranet_ros.cli.benchmark_rig import table
from mfaranet_ros.cli.main import main

LOAD = RigLoad(2, 48, 64, 10.0, 1.0, ('runtime.backend:=mock',))


def test_the_table_has_the_medians_of_each_arrangement_and_their_ratio():
    runs = [
        RigRun(ONE, (9.0, 9.0), (20.0, 30.0), 100.0),
        RigRun(MANY, (5.0, 7.0), (40.0, 50.0), 400.0),
        RigRun(ONE, (8.0, 8.0), (20.0, 30.0), 100.0),
        RigRun(MANY, (4.0, 4.0), (40.0, 50.0), 400.0),
    ]
    lines = table(LOAD, runs).splitlines()
    assert lines[2].split() == [
        'one',
        'process',
        '17.0',
        '8.5',
        '20',
        'to',
        '30',
        'ms',
        '100',
        'MB',
    ]
    assert lines[-1] == 'one process: 1.70 times the masks, 25 % of the memory'


def test_bad_numbers_are_refused(capsys):
    assert main(['benchmark', 'rig', '--cameras', '0']) != 0
    assert 'all numbers must be above 0' in capsys.readouterr().err


@pytest.mark.ros
@pytest.mark.slow
def test_both_arrangements_serve_every_camera():
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    one, many = measure_rig(LOAD, runs=1)
    assert (one.arrangement, many.arrangement) == (ONE, MANY)
    for run in (one, many):
        assert len(run.rates_hz) == LOAD.cameras
        assert min(run.rates_hz) > 0
    assert 0 < one.memory_mb < many.memory_mb
