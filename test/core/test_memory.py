# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What was freed between pieces that stay goes back to the system."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mfaranet_ros.core.memory import POOLS, return_freed_memory

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


THREADS_WITH_POOLS = """
import ctypes, sys, threading
from mfaranet_ros.core.memory import limit_memory_pools

if sys.argv[1] == 'limited':
    limit_memory_pools()
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(6)

def work():
    libc.malloc(1000)
    together.wait()

threads = [threading.Thread(target=work) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b'w'))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.parametrize(('kind', 'is_limited'), [('limited', True), ('usual', False)])
def test_threads_share_few_pools(kind, is_limited, tmp_path):
    path = tmp_path / 'pools.xml'
    environment = {**os.environ, 'MALLOC_ARENA_MAX': ''}
    command = [sys.executable, '-c', THREADS_WITH_POOLS, kind, str(path)]
    subprocess.run(command, env=environment, check=True, timeout=60)
    pools = path.read_text().count('<heap nr=')
    assert (pools <= POOLS) == is_limited
