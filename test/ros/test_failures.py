# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What ROS refuses is one line and exit code 2, or a transition that fails with its reason."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.ros.failures import explain

PATIENCE_S = 60.0

FILES = {
    'tab.yaml': 'segmentation:\n  ros__parameters:\n\tmodel: x\n',
    'no_ros__parameters.yaml': 'segmentation:\n  model:\n    name: eseg_lite_s\n',
    'mixed_list.yaml': '/**:\n  ros__parameters:\n    model:\n      scales: [1, 2.0]\n',
}
SCENE = ('-p', 'source:=scene')


def player(*arguments, **environment):
    """Return exit code and lines of a player with these ROS arguments."""
    variables = {**os.environ, **environment}
    done = subprocess.run(
        [sys.executable, '-m', 'mfaranet_ros.ros', 'player_node', '--ros-args', *arguments],
        capture_output=True,
        text=True,
        env={name: value for name, value in variables.items() if value is not None},
        timeout=PATIENCE_S,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


@pytest.mark.parametrize(
    ('arguments', 'words'),
    [
        (('--params-file', '/nowhere.yaml'), '/nowhere.yaml'),
        (('--params-file', 'tab.yaml'), 'near line 2'),
        (('--params-file', 'no_ros__parameters.yaml'), 'before ros__parameters at line 3'),
        (('--params-file', 'mixed_list.yaml'), 'Sequence should be of same type'),
        (('--log-level', 'loud'), 'choose from debug, info, warn, error, fatal'),
        (('-r', 'image:=:=x'), 'write -r FROM:=TO'),
        (('-p', 'rate_hz'), 'write -p NAME:=VALUE'),
        (('--foo',), 'unknown ROS arguments'),
        ((*SCENE, '-r', 'camera_info:=image'), 'give each topic a name of its own'),
        ((*SCENE, '-p', 'qos_overrides./image.publisher.reliability:=bad'), 'reliability'),
        ((*SCENE, '-p', 'qos_overrides./image.publisher.depth:=bad'), 'INTEGER'),
    ],
)
def test_what_ros_refuses_is_one_line(tmp_path, arguments, words):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    given = [str(tmp_path / part) if part in FILES else part for part in arguments]
    code, lines = player(*given)
    assert (code, len(lines)) == (2, 1), lines
    assert lines[0].startswith('error: ')
    assert words in lines[0]


@pytest.mark.parametrize(
    ('environment', 'words'),
    [
        ({'ROS_DOMAIN_ID': '500'}, 'ROS_DOMAIN_ID = 500: must be a whole number from 0 to 232'),
        ({'ROS_DOMAIN_ID': 'x'}, 'ROS_DOMAIN_ID = x'),
        ({'ROS_LOG_DIR': '/proc/nope'}, 'set ROS_LOG_DIR to a folder that can be written'),
        ({'HOME': None, 'ROS_HOME': None, 'ROS_LOG_DIR': None}, 'set HOME, or ROS_LOG_DIR'),
    ],
)
def test_an_environment_that_cannot_be_is_one_line(environment, words):
    code, lines = player(**environment)
    assert (code, len(lines)) == (2, 1), lines
    assert words in lines[0]


def test_places_in_the_source_of_ros_are_left_out():
    error = RuntimeError('failed to initialize rcl: no, at /project/src/rcl/arguments.c:415')
    assert explain(error) == 'no'
    assert explain(ValueError()) == 'ValueError'


def test_foreign_parameters_are_ignored_with_one_line(vehicle, capfd):
    vehicle.start(autostart=False, parameters={'robot_name': 'foo', 'wheel.radius': 0.3})
    said = [line for line in capfd.readouterr().err.splitlines() if 'are ignored' in line]
    assert len(said) == 1
    assert said[0].endswith('robot_name, wheel.radius')


@pytest.mark.parametrize('name', ['model.scale', 'ground.zz', 'grond.z', 'autostrat'])
def test_misspelled_parameters_are_refused(vehicle, name):
    with pytest.raises(UnknownNameError, match='did you mean'):
        vehicle.start(autostart=False, parameters={name: 1})


def test_one_topic_for_image_and_camera_info_fails_with_its_reason(tmp_path):
    log = tmp_path / 'log'
    with log.open('w') as file:
        command = [
            sys.executable, '-m', 'mfaranet_ros.ros', 'segmentation_node', '--ros-args',
            '-p', 'runtime.backend:=mock', '-r', 'camera_info:=image',
        ]  # fmt: skip
        code = subprocess.run(command, stderr=file, timeout=PATIENCE_S, check=False).returncode
    text = log.read_text()
    assert code == 1, text
    assert 'cannot activate: ' in text
    assert 'Traceback' not in text


@pytest.mark.parametrize('first', [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize('delay_s', [0.02, 0.1, 0.3, 1.0])
def test_a_second_signal_changes_nothing(first, delay_s):
    command = [sys.executable, '-m', 'mfaranet_ros.ros', 'player_node', '--ros-args', *SCENE]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert any('on /image' in line for line in process.stderr)
        process.send_signal(first)
        time.sleep(delay_s)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.communicate()
