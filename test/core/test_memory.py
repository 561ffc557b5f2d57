# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What was freed between pieces that stay goes back to the system."""

from pathlib import Path

import numpy as np

from mfaranet_ros.core.memory import return_freed_memory

PIECE = 20_000


def resident_mb():
    return int(Path('/proc/self/statm').read_text().split()[1]) * 4096 / 1e6


def test_freed_memory_goes_back_also_from_between():
    pieces = [np.ones(PIECE, np.uint8) for _ in range(3000)]
    del pieces[:-1:2], pieces[:-1:3], pieces[:-1:2]  # gaps between what stays
    before_mb = resident_mb()
    return_freed_memory()
    assert resident_mb() < before_mb - 15
    assert pieces[-1].all()
