# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executables as processes: they end within 2 s with exit code 0, whatever they are doing."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

PROMISE_S = 2.0
PATIENCE_S = 60.0


@pytest.fixture
def start(tmp_path):
    """Return a function that starts an executable and returns it with its log file."""
    running = []

    def start(name, **parameters):
        arguments = [a for n, v in parameters.items() for a in ('-p', f'{n}:={v}')]
        log = tmp_path / f'{name}.log'
        command = [sys.executable, '-m', 'mfaranet_ros.ros', name, '--ros-args', *arguments]
        with log.open('w') as file:
            process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        running.append(process)
        return process, log

    yield start
    for process in running:
        process.kill()
        process.wait()


def read(log):
    return log.read_text()


def wait_for(words, process, log):
    deadline = time.monotonic() + PATIENCE_S
    while words not in read(log):
        assert process.poll() is None, read(log)
        assert time.monotonic() < deadline, read(log)
        time.sleep(0.02)


def end(process, log, number):
    start = time.monotonic()
    process.send_signal(number)
    try:
        code = process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f'did not end: {read(log)}')
    return code, time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_the_active_node_ends(start, number):
    process, log = start('segmentation_node', **{'runtime.backend': 'mock'})
    wait_for('active', process, log)
    code, elapsed_s = end(process, log, number)
    assert code == 0, read(log)
    assert elapsed_s < PROMISE_S


@pytest.mark.slow
@pytest.mark.parametrize('delay_s', [0.3, 0.8, 1.5])
def test_the_starting_node_ends(start, delay_s):
    """Whether it still imports, makes itself or configures: it obeys."""
    process, log = start('segmentation_node', **{'runtime.backend': 'mock'})
    time.sleep(delay_s)
    code, elapsed_s = end(process, log, signal.SIGTERM)
    assert code == 0, read(log)
    assert elapsed_s < PROMISE_S


@pytest.mark.slow
def test_the_node_ends_while_a_call_cannot_be_interrupted(start, weights_file):
    """A large network on a large frame keeps the worker busy for longer than the promise."""
    process, log = start(
        'segmentation_node',
        **{
            'model.weights': str(weights_file),
            'runtime.backend': 'torch',
            'runtime.precision': 'float32',
            'input.height': 2048,
            'input.width': 4096,
        },
    )
    time.sleep(4.0)
    assert process.poll() is None, read(log)
    code, elapsed_s = end(process, log, signal.SIGINT)
    assert code == 0, read(log)
    assert elapsed_s < PROMISE_S


def test_a_node_that_cannot_configure_ends_with_a_failure_and_one_clear_line(start):
    process, log = start('segmentation_node', **{'model.weights': '/nowhere/net.pth'})
    assert process.wait(PATIENCE_S) == 1
    assert 'cannot configure' in read(log)
    assert '/nowhere/net.pth' in read(log)
    assert 'Traceback' not in read(log)


def test_an_unknown_parameter_ends_with_a_failure_and_one_clear_line(start):
    process, log = start('segmentation_node', **{'model.weihgts': 'x'})
    assert process.wait(PATIENCE_S) == 2
    assert "did you mean 'model.weights'" in read(log)
    assert 'Traceback' not in read(log)


def test_an_unknown_executable_is_refused_with_those_there_are():
    done = subprocess.run(
        [sys.executable, '-m', 'mfaranet_ros.ros', 'segmentation'],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode != 0
    assert 'segmentation_node' in done.stderr
