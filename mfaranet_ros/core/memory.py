# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Keeps the memory of a process flat: few pools, and what was freed goes back to the system."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8
"""Of glibc's malloc.h."""

POOLS = 2
"""For the executor's thread and the one that processes images."""


def limit_memory_pools() -> None:
    """Let all threads share few pools of memory, where the C library is glibc.

    Else each of up to eight threads for each CPU gets a pool that never shrinks. Call it before
    threads are started.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, POOLS)


def return_freed_memory() -> None:
    """Give what was freed back to the system, where the C library is glibc; takes milliseconds.

    glibc keeps it in its pools. A node that is configured again and again
    would grow by the gaps of every network and every table that it has had.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
