# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The compiled backend: made once for a size, kept, and never trusted when it is broken."""

import logging
import os

import pytest
import torch

from mfaranet_ros import backends
from mfaranet_ros.backends import compiled, create_backend, program
from mfaranet_ros.core.config import RuntimeConfig
from mfaranet_ros.core.errors import ConfigError

CLASSES = 11
SIZE = (24, 40)
COMPILED = RuntimeConfig(backend='compiled', device='cpu', precision='float32', threads=1)


def image(height=SIZE[0], width=SIZE[1]):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(1, 3, height, width, generator=generator)


@pytest.fixture(scope='module')
def cache(tmp_path_factory, make_toy):
    """A cache folder that holds the program of the toy for SIZE."""
    folder = tmp_path_factory.mktemp('cache')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(folder))
        create_backend(COMPILED, make_toy(), classes=CLASSES, size=SIZE).close()
    return folder


@pytest.fixture
def filled(cache, monkeypatch):
    monkeypatch.setenv('XDG_CACHE_HOME', str(cache))
    return cache / 'mfaranet_ros' / 'compiled'


@pytest.fixture
def no_compiling(monkeypatch):
    def refuse(*args):
        raise RuntimeError('it must not be compiled again')

    monkeypatch.setattr(program, '_compile', refuse)


def test_it_gives_the_logits_of_the_network_and_runs_the_program(filled, no_compiling, make_toy):
    model = make_toy()
    backend = create_backend(COMPILED, model, classes=CLASSES, size=SIZE)
    calls = []
    run = backend._program
    backend._program = lambda x: calls.append(tuple(x.shape)) or run(x)
    for size in (SIZE, (33, 20)):  # the second one has no program
        wanted = model.coarse_logits(image(*size))
        torch.testing.assert_close(backend(image(*size)), wanted, rtol=1e-4, atol=1e-5)
    assert calls == [(1, 3, *SIZE)]
    detail = backend.describe().detail
    assert 'compiled for 40x24 from the cache' in detail
    assert 'eager' not in detail


def test_only_the_package_is_kept(filled):
    (package,) = filled.iterdir()
    assert package.suffix == '.pt2'


@pytest.mark.parametrize(
    ('config', 'seed', 'size'),
    [
        (COMPILED, 4, SIZE),
        (COMPILED, 3, (24, 44)),
        (RuntimeConfig('compiled', 'cpu', 'float32', 2), 3, SIZE),
        (RuntimeConfig('compiled', 'cpu', 'bfloat16', 1), 3, SIZE),
    ],
    ids=['weights', 'size', 'threads', 'precision'],
)
def test_a_program_of_something_else_is_not_taken(
    filled, no_compiling, make_toy, config, seed, size
):
    with pytest.raises(ConfigError, match='must not be compiled again'):
        create_backend(config, make_toy(seed), classes=CLASSES, size=size)


def test_a_broken_package_is_made_anew_and_said(filled, monkeypatch, caplog, make_toy):
    (package,) = filled.iterdir()
    whole = package.read_bytes()
    package.write_bytes(whole[: len(whole) // 2])
    monkeypatch.setattr(program, '_compile', lambda *args: package.write_bytes(whole))
    with caplog.at_level(logging.WARNING):
        backend = create_backend(COMPILED, make_toy(), classes=CLASSES, size=SIZE)
    assert f'{package} is compiled again' in caplog.text
    assert torch.isfinite(backend(image())).all()


def test_a_compiler_that_fails_is_one_clear_error(tmp_path, monkeypatch, make_toy):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    broken = tmp_path / 'g++'
    broken.write_text('#!/bin/sh\nexit 1\n')
    broken.chmod(0o755)
    monkeypatch.setenv('CXX', str(broken))
    with pytest.raises(ConfigError, match=r"cannot be compiled for 40x24 px: .*to 'torch'"):
        create_backend(COMPILED, make_toy(), classes=CLASSES, size=SIZE)
    assert not list((tmp_path / 'mfaranet_ros' / 'compiled').iterdir())


def test_it_needs_to_know_the_size(make_toy):
    with pytest.raises(ConfigError, match=r'set input\.height and input\.width'):
        create_backend(COMPILED, make_toy(), classes=CLASSES, size=(360, 0))


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch, make_toy):
    monkeypatch.setenv('CXX', 'no-such-compiler')
    with pytest.raises(ConfigError, match=r'\(no-such-compiler\): apt install g\+\+; or choose'):
        create_backend(COMPILED, make_toy(), classes=CLASSES, size=SIZE)


@pytest.mark.parametrize(
    ('flags', 'compiler', 'size', 'wanted'),
    [
        ({'amx_bf16'}, 'sh', SIZE, 'compiled'),
        ({'amx_bf16'}, 'sh', (0, 0), 'torch'),
        ({'amx_bf16'}, 'no-such-compiler', SIZE, 'torch'),
        ({'avx512_bf16'}, 'sh', SIZE, 'torch'),
    ],
)
def test_auto_takes_the_best_and_says_why(
    filled, monkeypatch, caplog, make_toy, flags, compiler, size, wanted
):
    monkeypatch.setattr(backends, 'why_no_openvino', lambda: 'for a test')
    monkeypatch.setattr(backends, 'cpu_flags', lambda: flags)
    monkeypatch.setattr(program, 'cpu_flags', lambda: flags)
    monkeypatch.setattr(program, 'get_program', None)
    monkeypatch.setattr(compiled, 'get_program', lambda *args: (len, 'for a test'))
    monkeypatch.setenv('CXX', compiler)
    with caplog.at_level(logging.INFO):
        backend = create_backend(
            RuntimeConfig(device='cpu', precision='float32'),
            make_toy(),
            classes=CLASSES,
            size=size,
        )
    assert backend.name == wanted
    assert f'runtime.backend auto: {wanted}, since' in caplog.text


def test_the_job_ends_with_the_process_that_waits_for_it():
    read, write = os.pipe()
    if os.fork() == 0:  # stands for the process that waits; its child for the job
        from mfaranet_ros.backends import compile_job

        parent = os.getpid()
        if os.fork() == 0:
            os.close(read)
            compile_job._end_with(parent)
        os._exit(0)
    os.close(write)
    os.wait()
    assert os.read(read, 1) == b''  # only comes once the job has gone
    os.close(read)
