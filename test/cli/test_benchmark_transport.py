# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The figures of the transport benchmark and how they are told."""

import json
from pathlib import Path

import pytest

from mfaranet_ros.benchmark import transport
from mfaranet_ros.cli import main as command
from mfaranet_ros.cli.benchmark_transport import table
from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.core.files import write_json

LOAD = transport.Load(height=1024, width=2048, rate_hz=20.0, frames=100)


def test_ages_are_summarised():
    result = transport.summarise('shipped', 'rmw_x', 110, list(range(1, 102)))
    assert (result.sent, result.received) == (110, 101)
    assert result.median_age_ms == 51
    assert result.p95_age_ms == 96


def test_nothing_received_has_no_age():
    result = transport.summarise('default', 'rmw_x', 100, [])
    assert result.received == 0
    assert result.median_age_ms is None
    assert result.p95_age_ms is None


def test_table_shows_both_profiles():
    results = [
        transport.summarise('shipped', 'rmw_x', 100, [12.5] * 99),
        transport.summarise('default', 'rmw_x', 100, []),
    ]
    title, _, *rows = table(LOAD, results).splitlines()
    assert '2048x1024' in title
    assert '20 Hz' in title
    assert rows[0].split() == ['shipped', '99/100', '12.5', 'ms', '12.5', 'ms']
    assert rows[1].split() == ['default', '0/100', 'n/a', 'n/a']


@pytest.mark.parametrize(
    'option', ['--rate=0', '--rate=-1', '--frames=0', '--height=0', '--width=-5', '--rate=nan']
)
def test_impossible_load_is_refused(option, capsys):
    assert command.main(['benchmark', 'transport', option]) == 2
    assert 'must be above 0' in capsys.readouterr().err


def test_figures_are_written(tmp_path):
    path = tmp_path / 'new' / 'figures.json'
    write_json(path, {'received': 3, 'age_ms': None})
    assert json.loads(path.read_text(encoding='utf-8')) == {'received': 3, 'age_ms': None}


def test_figures_that_cannot_be_written_are_said(tmp_path):
    with pytest.raises(OutputError, match=r'cannot write .*: Is a directory'):
        write_json(tmp_path, {})
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='cannot write'):
        write_json(tmp_path / 'file' / 'figures.json', {})


def test_full_disk_is_said():
    with pytest.raises(OutputError, match='No space left on device'):
        write_json(Path('/dev/full'), {})
