# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The kernels without a GPU: interpreted, compiled for one, and torch where Triton is absent."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from mfaranet_ros.backends import kernels

TRIAL = f'{kernels.__name__}.trial'
CASES = Path(__file__).with_name('test_kernels.py')


@pytest.fixture(autouse=True)
def nothing_is_known_yet():
    kernels.why_no_kernels.cache_clear()
    yield
    kernels.why_no_kernels.cache_clear()


needs_triton = pytest.mark.skipif(
    not importlib.util.find_spec('triton'), reason='Triton is not installed: pip install triton'
)


@pytest.mark.slow
@needs_triton
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


class Compiled:
    """Stands for a kernel: what it is launched with is compiled, for a GPU that is not there."""

    def __init__(self, kernel, capability, made):
        self.kernel, self.capability, self.made = kernel, capability, made

    def __getitem__(self, grid):
        return self.launch

    def launch(self, *args, **options):
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        fused = {'enable_fp_fusion': options.pop('enable_fp_fusion')}
        given = dict(zip(self.kernel.arg_names, args, strict=False)) | options
        assert list(given) == self.kernel.arg_names
        source = ASTSource(
            fn=self.kernel,
            signature={n: 'constexpr' if n in options else kind(v) for n, v in given.items()},
            constexprs=options,
        )
        target = GPUTarget('cuda', self.capability, 32)
        self.made.append(triton.compile(source, target=target, options=fused).asm['cubin'])


def kind(value):
    """Return the type of a kernel's argument, as Triton writes it."""
    if isinstance(value, torch.Tensor):
        names = {'int32': 'i32', 'uint8': 'u8', 'float16': 'fp16', 'float32': 'fp32'}
        return '*' + names[str(value.dtype).removeprefix('torch.')]
    return 'i32' if isinstance(value, int) else 'fp32'


@needs_triton
@pytest.mark.skipif(
    os.environ.get('TRITON_INTERPRET') == '1', reason='the interpreter takes the compiler away'
)
@pytest.mark.parametrize('capability', [75, 87, 90], ids=['Turing', 'Orin', 'H200'])
def test_the_kernels_compile(capability, monkeypatch, tmp_path):
    from mfaranet_ros.backends.kernels import gates, grid, image, labels, trial, warp

    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    monkeypatch.setattr(trial, '_check', lambda *args: None)
    made = []
    for room, name in (
        (gates, '_sum'), (grid, '_grid'), (labels, '_label'), (image, '_normalise'),
        (warp, '_warp'),
    ):  # fmt: skip
        monkeypatch.setattr(room, name, Compiled(getattr(room, name), capability, made))
    trial.run_each(torch.device('cpu'))
    assert [len(code) > 1000 for code in made] == [True] * 5


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
