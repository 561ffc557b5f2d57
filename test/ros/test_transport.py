# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images between two processes over real DDS."""

import json
import shutil

import pytest

from mfaranet_ros.benchmark import transport
from mfaranet_ros.cli import main as command
from mfaranet_ros.core.dds import find_shared
from mfaranet_ros.core.errors import ProcessError

PROFILE = find_shared('config/fastdds.xml')
SMALL = transport.Load(height=48, width=64, rate_hz=50.0, frames=10)


def test_benchmark_measures_both_profiles(tmp_path, capsys):
    path = tmp_path / 'figures.json'
    load = ['--height=48', '--width=64', '--rate=50', '--frames=10']
    assert command.main(['benchmark', 'transport', *load, f'--json={path}']) == 0
    figures = json.loads(path.read_text(encoding='utf-8'))
    assert [result['profile'] for result in figures['results']] == ['shipped', 'default']
    for result in figures['results']:
        assert result['sent'] == 10
        assert 0 < result['received'] <= 10
        assert 0 < result['median_age_ms'] <= result['p95_age_ms']
        assert result['rmw'].startswith('rmw_')
    assert figures['load'] == {'height': 48, 'width': 64, 'rate_hz': 50.0, 'frames': 10}
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_each_image_sent_is_told():
    told = []
    transport.measure_transport('shipped', PROFILE, SMALL, on_sent=lambda: told.append(1))
    assert len(told) == SMALL.frames


def test_end_that_fails_is_said(monkeypatch, capfd):
    monkeypatch.setenv('RMW_IMPLEMENTATION', 'rmw_that_does_not_exist')
    with pytest.raises(ProcessError, match='ended with code'):
        transport.measure_transport('shipped', PROFILE, SMALL)
    capfd.readouterr()


def test_nothing_getting_through_is_said(monkeypatch):
    monkeypatch.setattr(transport, 'READY_S', 0.1)
    with pytest.raises(ProcessError, match='nothing gets from publisher to subscriber'):
        transport.measure_transport('default', None, SMALL)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.disk_usage('/dev/shm').free < 256 << 20, reason='/dev/shm is too small for the profile'
)
def test_large_images_arrive_with_the_shipped_profile():
    """Hold that they arrive at all, on a busy machine too; how many is told by the benchmark."""
    load = transport.Load(height=1024, width=2048, rate_hz=20.0, frames=100)
    received = 0
    for _ in range(2):
        if received < 80:
            received = max(
                received, transport.measure_transport('shipped', PROFILE, load).received
            )
    assert received >= 80
