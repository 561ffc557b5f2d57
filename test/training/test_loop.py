# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The loop: what it leaves behind, how it ends, and that nothing is lost by a kill."""

import csv
import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from mfaranet_ros.core.config import settings_of, value_of
from mfaranet_ros.core.errors import ConfigError, OutputError, TrainingError, WeightsError
from mfaranet_ros.models import create_model, load_weights, read_weights
from mfaranet_ros.training import files, loop
from mfaranet_ros.training.checkpoints import BEST, CHECKPOINT, CURVES, LAST, LOG
from mfaranet_ros.training.config import TrainConfig
from mfaranet_ros.training.files import load_checkpoint
from mfaranet_ros.training.loop import resume, train


class Recorder(loop.Nobody):
    """A watcher that remembers, and stops a run after a number of steps."""

    def __init__(self, stop_after=None):
        self.rows = []
        self.asked = 0
        self.stop_after = stop_after

    def on_epoch(self, row):
        self.rows.append(row)

    def stopping(self):
        self.asked += 1  # before each step
        return self.stop_after is not None and self.asked > self.stop_after


def weights_of(folder):
    return load_checkpoint(folder / CHECKPOINT)['model']


def assert_same_run(ours, theirs):
    """Hold two checkpoints equal bit for bit in all but the times that were measured."""
    a, b = (load_checkpoint(folder / CHECKPOINT) for folder in (ours, theirs))
    for part in ('model', 'average'):
        assert a[part].keys() == b[part].keys()
        for name, tensor in a[part].items():
            assert torch.equal(tensor, b[part][name]), f'{part} {name}'
    assert str(a['optimizer']) == str(b['optimizer'])
    times = ('elapsed_s', 'validations_s', 'validation_s')
    measured = ('minutes', 'images_per_s')
    states = [
        {
            **{key: value for key, value in one['state'].items() if key not in times},
            'rows': [
                {key: value for key, value in row.items() if key not in measured}
                for row in one['state']['rows']
            ],
        }
        for one in (a, b)
    ]
    assert states[0] == states[1]


# -- a run from its beginning to its end ---------------------------------------------------------


def test_run_leaves_log_curves_and_weights(make_tiny_config, tmp_path):
    watcher = Recorder()
    folder = tmp_path / 'run'
    result = train(make_tiny_config({'run.epochs': 3}), folder, watcher)
    assert result.finished
    assert result.steps == 12  # 8 images, 2 a step, 3 epochs
    assert [row.epoch for row in watcher.rows] == [1, 2, 3]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [BEST, CHECKPOINT, CURVES, LAST, LOG]
    )
    with (folder / LOG).open(newline='') as file:
        lines = list(csv.DictReader(file))
    assert [line['epoch'] for line in lines] == ['1', '2', '3']
    assert float(lines[-1]['mean_iou']) == pytest.approx(result.rows[-1].mean_iou, rel=1e-4)
    assert 'iou Sky' in lines[0]
    assert cv2.imread(str(folder / CURVES)).shape[2] == 3


def test_weights_load_without_any_further_argument(make_tiny_config, tiny_network, tmp_path):
    train(make_tiny_config(), tmp_path / 'run')
    weights = read_weights(tmp_path / 'run' / BEST)
    assert (weights.model, weights.classes, weights.label_set) == (tiny_network, 11, 'camvid')
    assert weights.mean == (0.5, 0.5, 0.5)
    training = json.loads(weights.training)
    assert training['recipe'] == 'small'
    assert training['images'] == 8
    assert training['changed']['optim.batch'] == 2
    assert training['validation']['images'] == 2
    assert str(tmp_path) not in weights.training
    model = create_model(weights.model, classes=weights.classes, weights=weights.path)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 11, 32, 32)


def test_weights_say_what_they_were_begun_with(make_tiny_config, tmp_path):
    first, second = tmp_path / 'first', tmp_path / 'second'
    train(make_tiny_config(), first)
    train(make_tiny_config({'network.weights': str(first / BEST)}), second)
    begun = read_weights(first / BEST)
    facts = json.loads(begun.training)
    assert facts['begun_with'] == 'scratch'
    later = json.loads(read_weights(second / BEST).training)
    assert later['begun_with'] == {'sha256': begun.sha256, 'training': facts}


def test_the_best_is_kept_and_not_the_last(make_tiny_config, tmp_path, monkeypatch):
    scores = iter([0.3, 0.5, 0.4])

    class Matrix(loop.ConfusionMatrix):
        def mean_iou(self):
            return next(scores)

    monkeypatch.setattr('mfaranet_ros.training.validate.ConfusionMatrix', Matrix)
    result = train(make_tiny_config({'run.epochs': 3}), tmp_path / 'run')
    assert (result.best_iou, result.best_epoch) == (0.5, 2)
    steps = [
        json.loads(read_weights(tmp_path / 'run' / name).training)['steps']
        for name in (BEST, LAST)
    ]
    assert steps == [8, 12]


def test_loss_falls_and_labels_are_learned(make_tiny_config, make_folders, tmp_path):
    config = make_tiny_config(
        {
            'run.epochs': 25,
            'optim.learning_rate': 0.02,
            'optim.ema': 0.9,
            'run.validate_every': 25,
        },
        root=make_folders(8, 4),
    )
    rows = train(config, tmp_path / 'run').rows
    assert rows[-1].loss < 0.5 * rows[0].loss
    assert rows[-1].mean_iou > 0.6


@pytest.mark.parametrize(
    'values',
    [
        {'optim.optimizer': 'sgd', 'optim.learning_rate': 0.005},
        {'optim.ema': 0.0},
        {'run.precision': 'bfloat16'},
        {'network.dropout': 0.05},
        {'augment.paste_share': 1.0, 'augment.paste_below': 1.0},
        {'loss.class_weights': 'none', 'loss.boundary': 0.0, 'loss.attention': 0.0},
        {'optim.schedule': 'cosine', 'loss.stride': 2},
        {'optim.batch': 4, 'optim.accumulate': 2},
        {'data.cache_gb': 0.0},
        {'optim.batch': 20},  # more than there are images
    ],
    ids=lambda values: ' '.join(f'{k}={v}' for k, v in values.items()),
)
def test_every_option_trains(make_tiny_config, tmp_path, values):
    config = make_tiny_config({'run.epochs': 1, **values})
    before = create_seeded(config)
    result = train(config, tmp_path / 'run')
    assert result.finished
    assert np.isfinite(result.rows[-1].loss)
    after = weights_of(tmp_path / 'run')
    assert not torch.equal(before['layer0.0.weight'], after['layer0.0.weight'])


def create_seeded(config):
    torch.manual_seed(config.run.seed)
    heads = bool(config.loss.boundary or config.loss.attention)
    return create_model(config.network.name, classes=11, training_heads=heads).state_dict()


def test_paper_recipe_trains(make_tiny_config, tmp_path):
    result = train(make_tiny_config({'run.epochs': 1}, recipe='paper'), tmp_path / 'run')
    assert result.finished


def test_training_begins_with_given_weights(make_tiny_config, tmp_path):
    first = make_tiny_config({'run.epochs': 1})
    train(first, tmp_path / 'first')
    given = tmp_path / 'first' / LAST
    config = make_tiny_config(
        {'run.epochs': 1, 'network.weights': str(given), 'optim.learning_rate': 0.0},
        root=first.data.root,
    )
    train(config, tmp_path / 'second')
    model = create_model(config.network.name, classes=11, training_heads=True)
    load_weights(model, given)
    after = weights_of(tmp_path / 'second')
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, after[name]), name


def test_two_parts_of_a_batch_are_about_the_whole(make_tiny_config, make_folders, tmp_path):
    """Each part is normalised for itself, so it is not the same to the last digit."""
    root = make_folders()
    losses = [
        train(
            make_tiny_config({'optim.batch': 4, 'optim.accumulate': parts}, root=root),
            tmp_path / str(parts),
        )
        .rows[-1]
        .loss
        for parts in (1, 2)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=0.2)


def test_same_seed_same_run_and_another_another(make_tiny_config, make_folders, tmp_path):
    root = make_folders()
    for name, seed in (('a', 3), ('b', 3), ('c', 4)):
        train(make_tiny_config({'run.seed': seed}, root=root), tmp_path / name)
    assert_same_run(tmp_path / 'a', tmp_path / 'b')
    name = 'layer0.0.weight'
    assert not torch.equal(weights_of(tmp_path / 'a')[name], weights_of(tmp_path / 'c')[name])


# -- stop, kill and resume -----------------------------------------------------------------------


@pytest.mark.parametrize('precision', ['float32', 'bfloat16'])
def test_stopped_run_goes_on_as_if_it_had_not_been(
    make_tiny_config, make_folders, tmp_path, precision
):
    values = {'run.epochs': 3, 'network.dropout': 0.1, 'run.precision': precision}
    config = make_tiny_config(values, root=make_folders())
    train(config, tmp_path / 'whole')
    for steps in (0, 1, 4, 5, 7):
        folder = tmp_path / f'stopped_after_{steps}'
        stopped = train(config, folder, Recorder(stop_after=steps))
        assert (stopped.finished, stopped.steps) == (False, steps)
        resumed = resume(folder)
        assert (resumed.finished, resumed.steps) == (True, 12)
        assert_same_run(tmp_path / 'whole', folder)


def test_finished_run_has_nothing_left_to_do(make_tiny_config, tmp_path):
    first = train(make_tiny_config(), tmp_path / 'run')
    again = resume(tmp_path / 'run')
    assert again.finished
    assert again.rows == first.rows


def run_command(script, *arguments, **more):
    command = [sys.executable, str(script), 'train', *map(str, arguments)]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    return subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **more,
    )


def as_arguments(config):
    values = {s.name: value_of(config, s.name) for s in settings_of(TrainConfig)}
    changed = {name: value for name, value in values.items() if name != 'recipe'}
    return [f'--set={name}={value}' for name, value in changed.items()]


def test_killed_run_goes_on_as_if_it_had_not_been(
    make_tiny_config, make_folders, tmp_path, script
):
    """The kill comes where it comes, in the middle of a step or of a checkpoint."""
    values = {'run.epochs': 20, 'run.checkpoint_minutes': 0.001, 'run.validate_every': 10}
    config = make_tiny_config(values, root=make_folders())
    folder = tmp_path / 'killed'
    with run_command(script, '--recipe=small', '--out', folder, *as_arguments(config)) as process:
        wait_for(lambda: (folder / CHECKPOINT).exists(), process)
        process.send_signal(signal.SIGKILL)
    step = load_checkpoint(folder / CHECKPOINT)['state']['step']
    assert 0 < step < 80
    assert resume(folder).finished
    train(config, tmp_path / 'whole')
    assert_same_run(tmp_path / 'whole', folder)


def wait_for(there, process, limit_s=60):
    end = time.monotonic() + limit_s
    while not there():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_run_is_not_begun_over_another(make_tiny_config, make_folders, tmp_path):
    config = make_tiny_config(root=make_folders())
    train(config, tmp_path / 'run')
    with pytest.raises(ConfigError, match='resume it'):
        train(config, tmp_path / 'run')


def test_resume_refuses_another_recipe(make_tiny_config, tmp_path):
    train(make_tiny_config(), tmp_path / 'run', Recorder(stop_after=1))
    with pytest.raises(ConfigError, match=r'optim\.batch'):
        resume(tmp_path / 'run', {'optim.batch': 4})


def test_resume_takes_data_that_have_moved_but_no_others(make_tiny_config, make_folders, tmp_path):
    config = make_tiny_config(root=make_folders(root='first'))
    train(config, tmp_path / 'run', Recorder(stop_after=1))
    with pytest.raises(ConfigError, match='other images'):
        resume(tmp_path / 'run', {'data.root': str(make_folders(6, root='other'))})
    (tmp_path / 'first').rename(tmp_path / 'moved')
    assert resume(tmp_path / 'run', {'data.root': str(tmp_path / 'moved')}).finished


def test_resume_without_a_run(tmp_path):
    with pytest.raises(WeightsError, match='no checkpoint'):
        resume(tmp_path)


# -- the budget ----------------------------------------------------------------------------------


def test_budget_ends_the_run_and_the_schedule_with_it(make_tiny_config, tmp_path):
    config = make_tiny_config({'run.epochs': 0, 'run.max_minutes': 0.05})
    begun = time.monotonic()
    result = train(config, tmp_path / 'run')
    assert time.monotonic() - begun < 30
    assert result.finished
    assert result.rows[-1].minutes == pytest.approx(0.05, abs=0.05)
    assert result.rows[-1].learning_rate == pytest.approx(0.0, abs=1e-5)
    assert result.rows[-1].mean_iou is not None


@pytest.fixture
def clock(monkeypatch):
    """A clock of which a step takes `step_s`, a validation 10 s, and nothing else any time."""
    real_step, real_validate = loop._Run._step, loop.validate
    now = SimpleNamespace(s=1000.0, step_s=1)

    def step(self, batch):
        now.s += now.step_s
        real_step(self, batch)

    def validate(*arguments):
        now.s += 10
        return real_validate(*arguments)

    monkeypatch.setattr(loop._Run, '_step', step)
    monkeypatch.setattr(loop, 'validate', validate)
    monkeypatch.setattr(loop, 'time', SimpleNamespace(monotonic=lambda: now.s))
    return now


@pytest.mark.parametrize('every', [0, 1, 10_000])
def test_budget_has_room_for_the_last_validation(
    make_tiny_config, make_folders, tmp_path, clock, every
):
    """What it takes is known from an earlier one, or guessed from 0.5 s for each image."""
    values = {'run.epochs': 0, 'run.max_minutes': 2.0, 'run.validate_every': every}
    config = make_tiny_config(values, root=make_folders(80, 40, size=(16, 16)))
    last = train(config, tmp_path / 'run').rows[-1]
    assert last.minutes == pytest.approx(110 / 60, abs=2 / 60)
    assert clock.s - 1000 == pytest.approx(120, abs=2)
    assert last.mean_iou is not None


def test_validation_takes_its_share_of_the_time(make_tiny_config, make_folders, tmp_path, clock):
    values = {'run.validate_every': 0, 'run.epochs': 30}
    config = make_tiny_config(values, root=make_folders(8, 2, size=(16, 16)))
    clock.step_s = 5
    rows = train(config, tmp_path / 'run').rows  # an epoch of 4 steps takes 20 s
    validated = [row.epoch for row in rows if row.mean_iou is not None]
    # The first tells what one takes; from then on the next must fit into a tenth of the time.
    assert validated == [1, 10, 14, 19, 23, 28, 30]


def test_epochs_end_a_run_before_its_budget(make_tiny_config, tmp_path):
    config = make_tiny_config({'run.epochs': 1, 'run.max_minutes': 10.0})
    assert train(config, tmp_path / 'run').steps == 4


# -- what goes wrong -----------------------------------------------------------------------------


def break_images(root, count):
    for path in sorted((root / 'train/images').iterdir())[:count]:
        path.write_bytes(path.read_bytes()[:60])


def test_few_broken_images_are_skipped_and_named(make_tiny_config, make_folders, tmp_path, caplog):
    root = make_folders(100, 2, size=(16, 16))
    break_images(root, 1)
    values = {'run.epochs': 2, 'optim.batch': 10, 'data.cache_gb': 0.0}
    with caplog.at_level(logging.WARNING):
        result = train(make_tiny_config(values, root=root), tmp_path / 'run')
    assert result.finished
    assert [row.skipped for row in result.rows] == [1, 1]
    named = [record for record in caplog.records if 'a_0000.png' in record.getMessage()]
    assert len(named) == 1


def test_too_many_broken_images_end_the_run(make_tiny_config, make_folders, tmp_path):
    root = make_folders(100, 2, size=(16, 16))
    break_images(root, 2)
    with pytest.raises(TrainingError, match=r'2 of 100 images .* a_0000, a_0002'):
        train(make_tiny_config({'optim.batch': 50}, root=root), tmp_path / 'run')


@pytest.mark.parametrize('minutes', [0.0, 10.0])
def test_what_is_not_finite_ends_the_run(make_tiny_config, tmp_path, monkeypatch, minutes):
    config = make_tiny_config({'run.checkpoint_minutes': 0.0})
    folder = tmp_path / 'run'
    train(config, folder, Recorder(stop_after=2))
    monkeypatch.setattr(loop, 'learning_rate', lambda progress, settings: float('nan'))
    with pytest.raises(TrainingError, match=r'not finite.* optim\.learning_rate'):
        resume(folder, {'run.checkpoint_minutes': minutes})
    assert load_checkpoint(folder / CHECKPOINT)['state']['step'] == 2
    assert all(bool(torch.isfinite(x).all()) for x in weights_of(folder).values())


def fill_disk(monkeypatch, name):
    """Let every writing of a file of this name fail, as on a full disk."""

    def write(path, data):
        if path.name == name:
            raise OutputError(f'cannot write {path}: {os.strerror(errno.ENOSPC)}')
        real(path, data)

    real = files.write_file
    monkeypatch.setattr(files, 'write_file', write)
    monkeypatch.setattr('mfaranet_ros.training.checkpoints.write_file', write)


def test_full_disk_does_not_end_a_run_before_its_end(
    make_tiny_config, make_folders, tmp_path, monkeypatch, caplog
):
    config = make_tiny_config({'run.checkpoint_minutes': 0.0}, root=make_folders())
    folder = tmp_path / 'run'
    train(config, folder, Recorder(stop_after=3))
    before = (folder / CHECKPOINT).read_bytes()
    watcher = Recorder()
    with monkeypatch.context() as patch:
        fill_disk(patch, CHECKPOINT)
        with pytest.raises(OutputError, match='No space left'):
            resume(folder, watcher=watcher)
    assert (folder / CHECKPOINT).read_bytes() == before
    assert [row.epoch for row in watcher.rows] == [1, 2]
    assert 'training continues' in caplog.text
    assert resume(folder).finished


def test_log_that_cannot_be_written_is_only_said(make_tiny_config, tmp_path, monkeypatch, caplog):
    fill_disk(monkeypatch, LOG)
    assert train(make_tiny_config(), tmp_path / 'run').finished
    assert 'log.csv' in caplog.text


def test_folder_that_cannot_be_made(make_tiny_config, tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(OutputError, match='cannot write'):
        train(make_tiny_config(), tmp_path / 'file' / 'run')


def test_batch_that_cannot_be_shared(make_tiny_config, tmp_path):
    with pytest.raises(ConfigError, match='multiple of 3'):
        train(make_tiny_config({'optim.accumulate': 3}), tmp_path / 'run')


def test_weights_of_other_classes_are_refused(make_tiny_config, make_folders, tmp_path):
    config = make_tiny_config(root=make_folders())
    train(config, tmp_path / 'run')
    other = make_tiny_config(
        {'network.weights': str(tmp_path / 'run' / BEST), 'data.labels': 'cityscapes'},
        root=config.data.root,
    )
    with pytest.raises(WeightsError, match='11 classes'):
        train(other, tmp_path / 'other')


# -- the published network -----------------------------------------------------------------------

PUBLISHED = {'network.name': 'mfaranet_resnet18', 'run.precision': 'bfloat16', 'run.epochs': 1}


@pytest.mark.slow
def test_published_network_goes_on_bit_for_bit_on_two_threads(
    make_tiny_config, make_folders, tmp_path
):
    root = make_folders(4, 1, size=(64, 96))
    config = make_tiny_config({**PUBLISHED, 'run.threads': 2}, root=root)
    train(config, tmp_path / 'whole')
    train(config, tmp_path / 'parts', Recorder(stop_after=1))
    assert resume(tmp_path / 'parts').finished
    assert_same_run(tmp_path / 'whole', tmp_path / 'parts')


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_training_on_a_gpu(make_tiny_config, make_folders, tmp_path):
    root = make_folders(size=(64, 96))
    config = make_tiny_config({**PUBLISHED, 'run.device': 'cuda', 'run.epochs': 3}, root=root)
    stopped = train(config, tmp_path / 'run', Recorder(stop_after=5))
    assert stopped.steps == 5
    result = resume(tmp_path / 'run')
    assert result.finished
    assert np.isfinite([row.loss for row in result.rows]).all()
