"""The kernels without a GPU: in Triton's interpreter, and torch where there is no Triton."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mfaranet_ros.pipeline.backends import kernels

TRIAL = f'{kernels.__name__}.trial'
CASES = Path(__file__).with_name('test_kernels.py')


@pytest.fixture(autouse=True)
def nothing_is_known_yet():
    kernels.why_no_kernels.cache_clear()
    yield
    kernels.why_no_kernels.cache_clear()


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec('triton'), reason='Triton is not installed: pip install triton'
)
def test_the_kernels_pass_in_the_interpreter():
    # In a process of its own: for this one Triton may be needed as a compiler.
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', str(CASES)],
        env={**os.environ, 'TRITON_INTERPRET': '1'},
        cwd=CASES.parents[2], capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
    assert ' passed' in done.stdout
    assert ' skipped' not in done.stdout


def test_a_cpu_has_none_and_does_not_speak_of_them():
    assert 'NVIDIA' in kernels.why_no_kernels(torch.device('cpu'))
    assert kernels.name_kernels(torch.device('cpu')) == ''


def test_a_gpu_without_triton_says_so(monkeypatch):
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    said = kernels.name_kernels(torch.device('cuda', 0))
    assert said == 'torch operators for kernels: Triton is not installed'


@pytest.mark.parametrize(
    ('error', 'said'),
    [
        (RuntimeError('no C compiler\nset CC'), 'no C compiler'),
        (subprocess.CalledProcessError(1, 'cc'), "Command 'cc' returned non-zero exit status 1."),
        (OSError(), 'OSError'),
    ],
    ids=str,
)
def test_kernels_that_do_not_run_are_left_and_it_is_said_why(monkeypatch, error, said):
    def fail(device):
        raise error

    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: 'something')
    monkeypatch.setitem(sys.modules, TRIAL, SimpleNamespace(run_each=fail))
    assert kernels.name_kernels(torch.device('cuda', 0)) == f'torch operators for kernels: {said}'


def test_kernels_that_run_are_named(monkeypatch):
    tried = []
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: 'something')
    monkeypatch.setitem(sys.modules, TRIAL, SimpleNamespace(run_each=tried.append))
    device = torch.device('cuda', 0)
    assert kernels.name_kernels(device) == kernels.name_kernels(device) == 'Triton kernels'
    assert tried == [device]
