# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Memory that was freed goes back to the system."""

from __future__ import annotations

import ctypes


def return_freed_memory() -> None:
    """Give what was freed back to the system, where the C library is glibc; takes milliseconds.

    glibc keeps it in a pool for each of many threads. A node that is configured again and again
    would grow by the gaps of every network and every table that it has had.
    """
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)
