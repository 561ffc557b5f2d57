# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which profile the processes of a tool run with."""

import sys

import pytest

from mfaranet_ros.core import dds
from mfaranet_ros.core.errors import SourceError

OLD, NEW = 'FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE'


@pytest.mark.parametrize(
    ('distro', 'variable'),
    [('humble', OLD), ('jazzy', OLD), ('kilted', NEW), ('lyrical', NEW), ('rolling', NEW)],
)
def test_profile_is_set_in_the_variable_of_the_distribution(distro, variable, tmp_path):
    profile = tmp_path / 'mine.xml'
    given = {'ROS_DISTRO': distro, OLD: '/a.xml', NEW: '/b.xml', 'HOME': '/home'}
    assert dds.with_profile(given, profile) == {
        'ROS_DISTRO': distro,
        'HOME': '/home',
        variable: str(profile),
    }


def test_without_a_profile_none_is_left():
    assert dds.with_profile({OLD: '/a.xml', NEW: '/b.xml', 'HOME': '/'}, None) == {'HOME': '/'}


@pytest.mark.parametrize(('wheels', 'variable'), [(['ros-fastrtps'], OLD), ([], NEW)])
def test_wheels_tell_the_variable_where_no_ros_is_sourced(monkeypatch, wheels, variable):
    def version(name):
        if name not in wheels:
            raise dds.metadata.PackageNotFoundError(name)
        return '2.14.5'

    monkeypatch.setattr(dds.metadata, 'version', version)
    assert dds.profile_variable({}) == variable


def test_shared_file_is_found_in_the_source_tree(repository):
    assert dds.find_shared('config/fastdds.xml') == repository / 'config' / 'fastdds.xml'


@pytest.mark.parametrize('where', ['AMENT_PREFIX_PATH', 'sys.prefix'])
def test_shared_file_is_found_where_it_is_installed(monkeypatch, tmp_path, where):
    installed = tmp_path / 'share' / 'mfaranet_ros' / 'config' / 'only_installed.xml'
    installed.parent.mkdir(parents=True)
    installed.touch()
    if where == 'sys.prefix':
        monkeypatch.setattr(sys, 'prefix', str(tmp_path))
    else:
        monkeypatch.setenv('AMENT_PREFIX_PATH', f'/opt/ros/jazzy:{tmp_path}')
    assert dds.find_shared('config/only_installed.xml') == installed


def test_missing_shared_file_says_where_it_was_looked_for(monkeypatch):
    monkeypatch.setenv('AMENT_PREFIX_PATH', '/ws/install')
    with pytest.raises(SourceError, match=r'nothing\.xml is not in .*/ws/install/share'):
        dds.find_shared('nothing.xml')


def test_the_profile_is_set_only_where_it_is_wanted_and_has_room(monkeypatch, caplog):
    monkeypatch.setattr(dds, 'free_shared_memory_mb', lambda: dds.LEAST_SHARED_MB)
    assert dds.profile_to_set({}).name == 'fastdds.xml'
    for variable in (dds.OLD_VARIABLE, dds.NEW_VARIABLE):
        assert dds.profile_to_set({variable: '/mine.xml'}) is None
    assert caplog.text == ''
    monkeypatch.setattr(dds, 'free_shared_memory_mb', lambda: 63)
    assert dds.profile_to_set({}) is None
    assert 'only 63 MB are free in /dev/shm' in caplog.text
    assert '--shm-size' in caplog.text


def test_shared_memory_that_is_not_there_has_no_room(monkeypatch):
    monkeypatch.setattr(dds, 'SHARED_MEMORY', '/nowhere')
    assert dds.free_shared_memory_mb() == 0
