# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every fault gets its answer, and every row of the table has a test that exists."""

import pytest

from faults.catalogue import AREAS, CASES, exists, faults

FAULTS = faults()
LEAST = 80


class Kit:
    """What a case may use: a folder of its own, and a patch that is undone."""

    def __init__(self, path, monkeypatch):
        self.path = path
        self.monkeypatch = monkeypatch

    def write(self, name, content):
        """Write a file and return its path."""
        path = self.path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path


@pytest.mark.parametrize('name', [name for name, fault in FAULTS.items() if fault.check])
def test_fault(name, tmp_path, monkeypatch):
    FAULTS[name].check(Kit(tmp_path, monkeypatch))


def test_there_are_faults_of_every_area():
    assert len(FAULTS) >= LEAST
    assert {fault.area for fault in FAULTS.values()} == set(AREAS)


def test_every_test_of_the_table_exists():
    missing = [fault.test for fault in FAULTS.values() if not exists(fault.test)]
    assert not missing


@pytest.mark.parametrize('test', [f'{CASES}_s', 'test/none.py::test_fault', 'test/none.py'])
def test_missing_test_is_noticed(test):
    assert not exists(test)
