# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The processes a tool starts, which surely end with it, and what they say of themselves."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

from mfaranet_ros.cli.dds import profile_to_set, with_profile
from mfaranet_ros.core.config import Value
from mfaranet_ros.core.errors import ProcessError

KEPT_LINES = 200
GRACE_S = 4.0
"""How long all of them together may take to end; the executables promise 2 seconds."""

LOG_LINE = re.compile(r'\[(DEBUG|INFO|WARN|ERROR|FATAL)\] \[[\d.]+\] \[(?P<logger>[^\]]+)\]: ')


class Child:
    """One process: its output is read by a thread, so that it never has to wait for us.

    on_trouble(text): is told of each warning and error in its log, from that thread.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_trouble: Callable[[str], None] = lambda text: None,
        *,
        has_output: bool = False,
    ) -> None:
        self.name = name
        self._on_trouble = on_trouble
        self._errors: deque[str] = deque(maxlen=KEPT_LINES)
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        # A session of its own: Ctrl-C in the terminal reaches us, and we end it in order.
        self.process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if has_output else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> IO[bytes]:
        """Its standard output, for the caller to read to its end and to close."""
        if self.process.stdout is None:
            raise ValueError(f'{self.name} was started without has_output')
        return self.process.stdout

    def _read(self) -> None:
        if self.process.stderr is None:
            return
        with self.process.stderr as stream:
            for raw in stream:
                self._take_note(raw.decode(errors='replace').rstrip())

    def _take_note(self, line: str) -> None:
        found = LOG_LINE.match(line)
        level = found.group(1) if found else ''
        text = line[found.end() :] if found else line
        self._lines.append(text)
        if level in ('ERROR', 'FATAL') or text.startswith('error: '):
            self._errors.append(text.removeprefix('error: '))
        if level in ('WARN', 'ERROR', 'FATAL'):
            self._on_trouble(f'{self.name}: {text}')

    @property
    def exit_code(self) -> int | None:
        """How it ended, or None while it runs."""
        return self.process.poll()

    def check(self) -> None:
        """Raise ProcessError, in its own words, if it has ended with an error."""
        code = self.exit_code
        if not code:
            return
        if code < 0:
            raise ProcessError(f'{self.name} was ended by signal {-code}')
        self._reader.join(1.0)
        said = self._errors or self._lines or ['it said nothing']
        raise ProcessError(f'{self.name} ended with code {code}: {said[-1]}')

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it still runs."""
        if self.exit_code is None:
            self.process.terminate()

    def insist(self, timeout_s: float) -> None:
        """Wait until it has ended; kill it after the timeout."""
        try:
            self.process.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join(1.0)


class Children:
    """A block whose end, however it comes, is the end of all processes started in it."""

    def __init__(self, environment: Mapping[str, str], on_trouble: Callable[[str], None]) -> None:
        self._environment = environment
        self._on_trouble = on_trouble
        self._children: list[Child] = []

    def start(
        self,
        name: str,
        executable: str,
        parameters: Mapping[str, Value],
        *,
        has_output: bool = False,
    ) -> Child:
        """Start one of our ROS executables with these parameters."""
        command = [sys.executable, '-m', 'mfaranet_ros.ros', executable, '--ros-args']
        for key, value in parameters.items():
            # JSON is YAML in which a text stays a text, whatever stands in it.
            command += ['-p', f'{key}:={json.dumps(value)}']
        child = Child(name, command, self._environment, self._on_trouble, has_output=has_output)
        self._children.append(child)
        return child

    def check(self) -> None:
        """Raise ProcessError if one of them has ended with an error."""
        for child in self._children:
            child.check()

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """End them all, the last one started first."""
        for child in reversed(self._children):
            child.ask_to_end()
        deadline = time.monotonic() + GRACE_S
        for child in reversed(self._children):
            child.insist(deadline - time.monotonic())
        self._children.clear()


def ros_environment() -> dict[str, str]:
    """Return the environment for processes that talk to each other, and to nobody else.

    What the user has set stays: the domain, how far discovery reaches, the Fast DDS profile.
    """
    environment = dict(os.environ)
    environment.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
    environment.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    profile = profile_to_set(environment)
    return environment if profile is None else with_profile(environment, profile)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, by KeyboardInterrupt.

    SIGINT is among them since a shell lets what it runs in the background ignore it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
