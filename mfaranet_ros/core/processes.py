# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Child processes: started with their own session, watched, and always ended with their parent."""

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
from contextlib import contextmanager, suppress
from typing import IO

from mfaranet_ros.core.config import Value
from mfaranet_ros.core.dds import profile_to_set, with_profile
from mfaranet_ros.core.errors import ProcessError

KEPT_LINES = 200
GRACE_S = 4.0
"""Time that a group of processes gets to end after SIGTERM; the executables promise 2 seconds."""

LOG_LINE = re.compile(r'\[(DEBUG|INFO|WARN|ERROR|FATAL)\] \[[\d.]+\] \[(?P<logger>[^\]]+)\]: ')


class Child:
    """One process, whose standard error is read by a thread so that it never blocks.

    on_warning(text): called from that thread for each warning and error of its log. piped: its
    standard input and output are pipes, see `output` and `tell`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        on_warning: Callable[[str], None] = lambda text: None,
        *,
        piped: bool = False,
    ) -> None:
        self.name = name
        self._on_warning = on_warning
        self._errors: deque[str] = deque(maxlen=KEPT_LINES)
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        # With its own session: Ctrl-C in the terminal reaches us, and we end it in order.
        self._process = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
            stdout=subprocess.PIPE if piped else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
            errors='replace',
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def output(self) -> IO[str]:
        """Its standard output, for the caller to read; raises ValueError unless piped."""
        if self._process.stdout is None:
            raise ValueError(f'{self.name} was started without pipes')
        return self._process.stdout

    def tell(self, line: str) -> None:
        """Write a line to its standard input, if it still listens."""
        if self._process.stdin is not None:
            with suppress(OSError, ValueError):
                self._process.stdin.write(f'{line}\n')
                self._process.stdin.flush()

    def close_input(self) -> None:
        """Close its standard input."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def _read(self) -> None:
        if self._process.stderr is not None:
            with self._process.stderr as stream:
                for line in stream:
                    self._take_note(line.rstrip())

    def _take_note(self, line: str) -> None:
        found = LOG_LINE.match(line)
        level = found.group(1) if found else ''
        text = line[found.end() :] if found else line
        self._lines.append(text)
        if level in ('ERROR', 'FATAL') or text.startswith('error: '):
            self._errors.append(text.removeprefix('error: '))
        if level in ('WARN', 'ERROR', 'FATAL'):
            self._on_warning(f'{self.name}: {text}')

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, minus the signal that ended it, or None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raise ProcessError with its last error if it has ended with one."""
        code = self.exit_code
        if not code:
            return
        if code < 0:
            raise ProcessError(f'{self.name} was ended by signal {-code}')
        self._reader.join(1.0)
        said = self._errors or self._lines or ['it printed nothing']
        raise ProcessError(f'{self.name} ended with code {code}: {said[-1]}')

    def terminate(self) -> None:
        """Send SIGTERM if it still runs."""
        if self.exit_code is None:
            self._process.terminate()

    def wait(self, timeout_s: float) -> int | None:
        """Wait until it has ended and return its exit code, None after the timeout."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, timeout_s))
        return self.exit_code

    def end(self, timeout_s: float) -> None:
        """Wait until it has ended, kill it after the timeout, and free its pipes."""
        if self.wait(timeout_s) is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(1.0)
        self.close_input()
        if self._process.stdout is not None:
            self._process.stdout.close()


class Children:
    """A context that ends all processes started in it, however it is left.

    environment: of the processes. on_warning(text): see Child. Raises ProcessError from `check`.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        on_warning: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._environment = environment
        self._on_warning = on_warning
        self._children: list[Child] = []

    def start(self, name: str, command: Sequence[str], *, piped: bool = False) -> Child:
        """Start a command line."""
        child = Child(name, command, self._environment, self._on_warning, piped=piped)
        self._children.append(child)
        return child

    def start_node(
        self,
        name: str,
        executable: str,
        parameters: Mapping[str, Value],
        *,
        piped: bool = False,
    ) -> Child:
        """Start one of the package's ROS executables with these parameters."""
        command = [sys.executable, '-m', 'mfaranet_ros.ros', executable, '--ros-args']
        for key, value in parameters.items():
            # JSON is YAML in which a text stays a text, whatever it contains.
            command += ['-p', f'{key}:={json.dumps(value)}']
        return self.start(name, command, piped=piped)

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
            child.terminate()
        deadline = time.monotonic() + GRACE_S
        for child in reversed(self._children):
            child.end(deadline - time.monotonic())
        self._children.clear()


def ros_environment(*, isolated: bool = False) -> dict[str, str]:
    """Return the environment for ROS processes, with the shipped Fast DDS profile.

    isolated: they talk to each other and to nobody else, in a domain of this process. What the
    user has set stays: the domain, the discovery range, the Fast DDS profile.
    """
    environment = dict(os.environ)
    if isolated:
        environment.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
        environment.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
    profile = profile_to_set(environment)
    return environment if profile is None else with_profile(environment, profile)


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise KeyboardInterrupt in the block, as Ctrl-C does.

    SIGINT is set too, since a shell lets what it runs in the background ignore it.
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
