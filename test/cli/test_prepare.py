# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Engines are built ahead, stale ones are named, and bad files are refused in one line."""

import errno
import json
import logging
from pathlib import Path

import pytest

from mfaranet_ros.backends.cache import cache_root
from mfaranet_ros.cli.main import main
from mfaranet_ros.core import files
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.parameter_file import read_parameter_file
from mfaranet_ros.pipeline.prepared import made_with, note, warn_if_stale

CONFIG = Path(__file__).parents[2] / 'config'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


def parameter_file(tmp_path, text):
    path = tmp_path / 'node.yaml'
    path.write_text(text)
    return path


MOCK = """
/**:
  ros__parameters:
    runtime: {backend: mock}
    qos: whatever only the node knows
    latency.adapt: true
    latency: {operating_points: ['1,2,3,4@64x96', '2@64x96']}
"""


@pytest.mark.parametrize('path', sorted(CONFIG.glob('*.yaml')), ids=lambda path: path.stem)
def test_shipped_parameter_files_are_read(path):
    config = read_parameter_file(path)
    assert isinstance(config, PipelineConfig)
    if path.stem == 'cpu':
        assert (config.input.height, config.latency.adapt) == (360, True)
        assert config.latency.operating_points[-1] == '2@240x320'


def test_every_operating_point_is_built_and_noted(tmp_path, cache, capsys):
    path, figures = parameter_file(tmp_path, MOCK), tmp_path / 'out.json'
    assert main(['prepare', '--config', str(path), '--json', str(figures)]) == 0
    assert '2 engines ready in 0.' in capsys.readouterr().out
    engines = json.loads(figures.read_text())['engines']
    assert [each['operating_point'] for each in engines] == ['1,2,3,4@64x96', '2@64x96']
    assert all(each['seconds'] > 0 and each['backend'] == 'mock' for each in engines)
    assert len(list((cache_root() / 'prepared').iterdir())) == 2


def test_what_changed_since_is_named(cache, caplog):
    config = PipelineConfig()
    assert warn_if_stale(config, 'a' * 64) == ''  # never prepared
    path = note(config, 'a' * 64)
    assert warn_if_stale(config, 'a' * 64) == ''
    facts = made_with('a' * 64) | {'openvino': '2024.1', 'cpu': 'Another CPU'}
    path.write_text(json.dumps(facts))
    with caplog.at_level(logging.WARNING):
        text = warn_if_stale(config, 'b' * 64)
    assert caplog.messages == [text]
    for part in ('are stale', 'openvino was 2024.1', 'cpu was Another CPU', 'weights was aaaa'):
        assert part in text
    assert 'mfaranet prepare' in text


def test_a_broken_note_is_stale(cache):
    path = note(PipelineConfig(), 'a' * 64)
    path.write_text('{')
    assert 'cannot be read' in warn_if_stale(PipelineConfig(), 'a' * 64)


def test_another_size_has_a_note_of_its_own(cache):
    path = note(PipelineConfig(), 'a' * 64)
    other = replace(PipelineConfig(), {'input.height': 360})
    assert note(other, 'a' * 64) != path


def test_a_full_disk_is_one_line(tmp_path, cache, capsys, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(files.os, 'fsync', full)
    assert main(['prepare', '--config', str(parameter_file(tmp_path, MOCK))]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith('error: cannot write')
    assert 'No space left on device; set XDG_CACHE_HOME' in error


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(SourceError, match='cannot be read: No such file'):
        read_parameter_file(tmp_path / 'none.yaml')
    with pytest.raises(ConfigError, match=r'no parameter file: write it as `/\*\*'):
        read_parameter_file(parameter_file(tmp_path, 'a: 1'))
    with pytest.raises(ConfigError, match='is no YAML'):
        read_parameter_file(parameter_file(tmp_path, 'a: ['))
    with pytest.raises(ConfigError, match=r'node.yaml: input.height'):
        read_parameter_file(parameter_file(tmp_path, '/**: {ros__parameters: {input.height: -1}}'))
