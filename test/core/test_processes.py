# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Child processes: quoted when they fail, and ended with their parent."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.core.processes import Child, Children, ros_environment

PATIENCE_S = 60.0


def test_what_the_user_has_set_in_the_environment_stays(monkeypatch):
    for name in ('ROS_DOMAIN_ID', 'ROS_AUTOMATIC_DISCOVERY_RANGE',
                 'FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE'):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    ours = ros_environment(isolated=True)
    assert 1 <= int(ours['ROS_DOMAIN_ID']) <= 101
    assert ours['ROS_AUTOMATIC_DISCOVERY_RANGE'] == 'LOCALHOST'
    profiles = {value for name, value in ours.items() if name.endswith('DEFAULT_PROFILES_FILE')}
    assert [Path(profile).name for profile in profiles] == ['fastdds.xml']
    monkeypatch.setenv('ROS_DOMAIN_ID', '7')
    monkeypatch.setenv('FASTRTPS_DEFAULT_PROFILES_FILE', '/own.xml')
    own = ros_environment(isolated=True)
    assert own['ROS_DOMAIN_ID'] == '7'
    assert 'FASTDDS_DEFAULT_PROFILES_FILE' not in own
    assert own['FASTRTPS_DEFAULT_PROFILES_FILE'] == '/own.xml'


def python(program):
    return [sys.executable, '-c', program]


@pytest.mark.parametrize(
    ('program', 'text'),
    [
        ('import sys; sys.exit("error: no such folder")', 'no such folder'),
        ('import sys; sys.exit("[ERROR] [1.2] [node]: cannot configure: no file")', 'no file'),
        ('1 / 0', 'ZeroDivisionError'),
        ('import os; os.kill(os.getpid(), 9)', 'node was ended by signal 9'),
        ('import os; os._exit(3)', 'code 3: it printed nothing'),
        ('import sys; sys.exit("\\n".join(map(str, range(9999))))', '9998'),
    ],
)
def test_a_child_that_fails_is_quoted(program, text):
    child = Child('node', python(program), os.environ)
    child.wait(PATIENCE_S)
    with pytest.raises(MfaranetError, match=text) as caught:
        child.check()
    assert '\n' not in str(caught.value)
    child.end(1.0)


def test_warnings_of_a_child_are_passed_on():
    heard = []
    program = 'import sys; print("[WARN] [1.2] [player]: a.jpg skipped", file=sys.stderr)'
    child = Child('player', python(program), os.environ, heard.append)
    child.wait(PATIENCE_S)
    child.end(1.0)
    assert heard == ['player: a.jpg skipped']
    child.check()


def test_children_end_with_the_block_even_those_that_will_not(monkeypatch):
    monkeypatch.setattr('mfaranet_ros.core.processes.GRACE_S', 1.0)
    stubborn = (
        'import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);'
        'print("[WARN] [1.2] [x]: deaf", file=sys.stderr, flush=True); time.sleep(600)'
    )
    heard = []
    with contextlib.suppress(KeyError), Children(os.environ, heard.append) as children:
        started = [
            children.start('x', python(program))
            for program in ('import time; time.sleep(600)', stubborn)
        ]
        while not heard:
            time.sleep(0.01)
        raise KeyError
    assert [child.exit_code for child in started] == [-signal.SIGTERM, -signal.SIGKILL]


def test_a_piped_child_is_told_lines_and_read():
    program = 'import sys; [print(line.upper(), end="", flush=True) for line in sys.stdin]'
    with Children(os.environ) as children:
        child = children.start('echo', python(program), piped=True)
        child.tell('begin')
        assert child.output.readline() == 'BEGIN\n'
        child.close_input()
        child.tell('nobody listens')
        assert (child.output.read(), child.wait(PATIENCE_S)) == ('', 0)
    silent = Child('x', python(''), os.environ)
    with pytest.raises(ValueError, match='without pipes'):
        print(silent.output)
    silent.end(PATIENCE_S)
