# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What ROS raises for arguments, remaps, QoS and names that it refuses, said in one line."""

from __future__ import annotations

import inspect
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import rclpy
from rclpy import exceptions, qos, qos_overriding_options
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.signals import SignalHandlerOptions

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.parsing import parse_count


def _raised_by(*modules: object) -> tuple[type[Exception], ...]:
    """Return the exceptions that modules define; the distributions have different ones."""
    return tuple(
        each
        for module in modules
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Exception)
    )


REFUSALS: tuple[type[Exception], ...] = (
    rclpy_implementation.RCLError,
    *_raised_by(exceptions, qos, qos_overriding_options),
)
"""What is raised by ROS alone, where it refuses something."""

ROS_ERRORS: tuple[type[Exception], ...] = (*REFUSALS, RuntimeError, ValueError, TypeError)
"""What rclpy raises where it is given something wrong, such as a QoS of another type."""

DOMAIN_IDS = range(233)
"""What ROS_DOMAIN_ID may be; higher ones have no free UDP port."""

NOISE = re.compile(r'^failed to initialize rcl: |,? at [\w./-]+\.(c|cpp|h|hpp):\d+')

HINTS = {
    'params file': 'see docs/node.md for how such a file looks',
    'logging directory': 'set HOME, or ROS_LOG_DIR to a folder that can be written',
    'log directory': 'set ROS_LOG_DIR to a folder that can be written',
    'remap rule': 'write -r FROM:=TO with valid topic names',
    'override rule': 'write -p NAME:=VALUE',
    'existing topic name': 'give each topic a name of its own',
    'log level': 'choose from debug, info, warn, error, fatal',
}
"""What to do, by what a message mentions."""


def explain(error: Exception) -> str:
    """Return an exception as one line, with what to do where that is known."""
    text = NOISE.sub('', ' '.join(str(error).split())) or type(error).__name__
    hint = next((hint for words, hint in HINTS.items() if words in text), '')
    return f'{text}; {hint}' if hint else text


def init_ros(arguments: Sequence[str]) -> None:
    """Initialize rclpy without its signal handlers; raises ConfigError where ROS refuses.

    What ROS's libraries print about a failure is dropped, since the error says the same.
    """
    domain = os.environ.get('ROS_DOMAIN_ID', '').strip()
    if domain and parse_count(domain, max(DOMAIN_IDS)) not in DOMAIN_IDS:
        raise ConfigError(
            f'ROS_DOMAIN_ID = {domain}: must be a whole number from 0 to {DOMAIN_IDS[-1]}'
        )
    with _held_back_output() as drop:
        try:
            rclpy.init(args=list(arguments), signal_handler_options=SignalHandlerOptions.NO)
        except ROS_ERRORS as error:
            drop.append(True)
            text = explain(error)
            what = f'unknown ROS arguments {text}' if text.startswith('[') else text
            raise ConfigError(f'ROS cannot start: {what}') from error


@contextmanager
def _held_back_output() -> Iterator[list[bool]]:
    """Hold back what is printed to standard error, by C libraries too, until the block ends.

    It is dropped where something was appended to the list that is yielded.
    """
    drop: list[bool] = []
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file:
        stderr = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield drop
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            if not drop:
                file.seek(0)
                os.write(2, file.read())
