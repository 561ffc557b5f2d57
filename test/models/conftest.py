# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the tests of the zoo share."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).resolve().parents[2].parent / 'shared'


@pytest.fixture(autouse=True)
def _repeatable() -> Iterator[None]:
    """One thread, so that a busy machine does not slow it down, and a fixed seed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope='session')
def shared() -> Path:
    """The folder of reference data beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f'the reference data {SHARED} is not here')
    return SHARED


@pytest.fixture(scope='session')
def parity(shared: Path):
    """The rule that fills the reference networks, and their input."""
    spec = importlib.util.spec_from_file_location('parity_fill', shared / 'parity' / 'fill.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def image(height: int, width: int, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(batch, 3, height, width, generator=generator)


@pytest.fixture(scope='session')
def make_image() -> Callable[..., Tensor]:
    """Make a fixed random input of a given height, width and batch."""
    return image
