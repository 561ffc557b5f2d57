# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What every reader promises, as a context in which it is called."""

import resource
from contextlib import contextmanager
from pathlib import Path

from mfaranet_ros.core.errors import MfaranetError

MAX_EXTRA_MB = 600
"""Address space that reading a small broken file may take beyond what the process has."""

_PAGE = resource.getpagesize()


class BrokenPromise(Exception):  # noqa: N818 (it is what is looked for)
    """A reader raised something else than a MfaranetError of one line."""


@contextmanager
def promised(max_extra_mb=MAX_EXTRA_MB):
    """Pass over a MfaranetError of one line; turn anything else into a BrokenPromise."""
    try:
        with _memory_limit(max_extra_mb):
            yield
    except MfaranetError as error:
        if not str(error) or '\n' in str(error):
            raise BrokenPromise(f'not one line: {error!r}') from error
    except Exception as error:
        raise BrokenPromise(f'{type(error).__name__}: {error}') from error


@contextmanager
def _memory_limit(extra_mb):
    """Let what takes more address space than this fail with MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path('/proc/self/statm').read_text().split()[0]) * _PAGE
    resource.setrlimit(resource.RLIMIT_AS, (used + extra_mb * 2**20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
