# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several processes train what one would train with the whole batch."""

import csv
import os
import subprocess
import sys

import pytest
import torch

from mfaranet_ros.core.config import settings_of, value_of
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.training.checkpoints import CHECKPOINT, LOG
from mfaranet_ros.training.config import TrainConfig
from mfaranet_ros.training.distributed import ALONE, DistributedContext, join_world, local_device
from mfaranet_ros.training.files import load_checkpoint
from mfaranet_ros.training.loop import train

CPU = torch.device('cpu')


def run_together(script, config, folder, processes=2):
    """Train with torchrun and gloo, and return what was printed."""
    values = {s.name: value_of(config, s.name) for s in settings_of(TrainConfig)}
    settings = [f'--set={name}={value}' for name, value in values.items() if name != 'recipe']
    launcher = [sys.executable, '-m', 'torch.distributed.run', '--standalone']
    command = [*launcher, f'--nproc-per-node={processes}', str(script), 'train']
    done = subprocess.run(
        [*command, f'--recipe={config.recipe}', f'--out={folder}', *settings],
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def config(make_tiny_config):
    return make_tiny_config(
        {
            'run.epochs': 2,
            'optim.batch': 4,
            'optim.optimizer': 'sgd',
            'optim.learning_rate': 0.05,
            'augment.scale_min': 0.4,  # much is outside the images, more here than there
            'loss.hard_pixels': 800,
            'loss.hard_probability': 0.0,  # so that the limit is that of the hardest
            'loss.boundary': 1.0,
            'loss.attention': 1.0,
        }
    )


def test_two_processes_train_what_one_does(config, script, tmp_path):
    code, said = run_together(script, config, tmp_path / 'two')
    assert code == 0, said
    assert said.count('last weights:') == 1
    train(config, tmp_path / 'one')
    texts = [(tmp_path / name / LOG).read_text() for name in ('one', 'two')]
    rows = [list(csv.DictReader(text.splitlines())) for text in texts]
    assert len(rows[0]) == len(rows[1]) == 2
    for one, two in zip(*rows, strict=True):
        for name in one.keys() - {'minutes', 'images_per_s'}:
            pair = [float(row[name] or 'nan') for row in (one, two)]
            score = 'iou' in name or 'accuracy' in name  # in which a pixel may tip over
            limit = 0.01 if score else 1e-6
            assert pair[1] == pytest.approx(pair[0], rel=1e-4, abs=limit, nan_ok=True), name
    one, two = (load_checkpoint(tmp_path / name / CHECKPOINT) for name in ('one', 'two'))
    for part in ('model', 'average'):
        for name, tensor in one[part].items():
            assert torch.allclose(two[part][name], tensor, rtol=1e-3, atol=1e-5), f'{part} {name}'


def test_batch_that_processes_cannot_share(config, script, tmp_path):
    code, said = run_together(script, config, tmp_path / 'run', processes=3)
    assert code != 0
    assert 'error: optim.batch = 4: cannot be shared by 3 processes' in said


def test_alone_nothing_is_exchanged(monkeypatch):
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    tensor = torch.arange(3.0, requires_grad=True)
    with join_world(CPU) as world:
        assert world is ALONE
        assert world.leads
        assert torch.equal(world.sum(tensor), tensor)
        assert torch.equal(world.gather(tensor), tensor)
        assert world.told([1.0, 2.0], CPU) == [1.0, 2.0]
        assert world.collect('x') == ['x']
        assert not world.sum(tensor).requires_grad


def test_only_the_first_process_leads():
    assert [DistributedContext(rank, 3).leads for rank in range(3)] == [True, False, False]


def test_processes_that_cannot_be_joined(monkeypatch):
    for name in ('RANK', 'MASTER_ADDR', 'MASTER_PORT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(ConfigError, match='torchrun'), join_world(CPU):
        pass


@pytest.mark.parametrize(
    ('given', 'rank', 'wanted'),
    [('cpu', '1', 'cpu'), ('cuda:0', '1', 'cuda:1'), ('cuda:2', None, 'cuda:2')],
)
def test_each_process_has_its_gpu(monkeypatch, given, rank, wanted):
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    if rank is not None:
        monkeypatch.setenv('LOCAL_RANK', rank)
    assert local_device(torch.device(given)) == torch.device(wanted)
