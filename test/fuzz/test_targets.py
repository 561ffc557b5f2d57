# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Changed files give a value or one clear error; `./dev fuzz` has the longer budget."""

import random

import pytest

from fuzz.__main__ import main
from fuzz.campaign import try_files
from fuzz.mutations import CHANGES, mutate
from fuzz.promise import BrokenPromise, promised
from fuzz.targets import TARGETS, Target, texts
from mfaranet_ros.core.errors import SourceError

BUDGET = 60
"""Changed files of each reader."""


@pytest.mark.parametrize('name', TARGETS)
def test_changed_files_break_no_reader(name, tmp_path):
    found = list(try_files(name, TARGETS[name], tmp_path, range(BUDGET)))
    assert not found, '\n'.join(f'{each.number}: {each.what}' for each in found)


@pytest.mark.parametrize('change', dict.fromkeys(CHANGES))
def test_every_change_changes_something(change):
    for number in range(20):
        data = bytearray(range(200))
        change(data, random.Random(number))
        if data != bytearray(range(200)):
            return
    pytest.fail(f'{change.__name__} never changed anything')


def test_changes_follow_from_the_seed():
    once, again = (mutate(bytes(300), random.Random(7)) for _ in range(2))
    assert once == again


def unclear():
    raise SourceError('')


def greedy():
    bytearray(2 * 10**9)


@pytest.mark.parametrize(('reader', 'what'), [
    (lambda: {}['x'], 'KeyError'), (unclear, 'not one line'), (greedy, 'MemoryError'),
])  # fmt: skip
def test_broken_promise_is_found(reader, what):
    with pytest.raises(BrokenPromise, match=what), promised():
        reader()


def test_finding_is_kept_and_ends_with_code_1(tmp_path, monkeypatch, capsys):
    bad = Target('x.txt', texts(b'7'), lambda path: int(path.read_bytes()))
    monkeypatch.setitem(TARGETS, 'bad', bad)
    assert main(['--minutes', '0.001', '--target', 'bad', '--out', str(tmp_path / 'out')]) == 1
    assert 'bad' in capsys.readouterr().out
    assert list((tmp_path / 'out').iterdir())


def test_search_needs_time(capsys):
    with pytest.raises(SystemExit):
        main(['--minutes', '0'])
    assert 'must be above 0' in capsys.readouterr().err
