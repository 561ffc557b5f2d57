# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet train` from its arguments to its exit code."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from mfaranet_ros.cli.main import main
from mfaranet_ros.core.config import settings_of
from mfaranet_ros.training.checkpoints import BEST, CHECKPOINT, LAST
from mfaranet_ros.training.config import TrainConfig

FAST = (
    '--recipe=small', '--data=folders', '--labels=camvid', '--device=cpu',
    '--set=augment.height=32', '--set=augment.width=32', '--set=optim.batch=2',
    '--set=data.threads=1', '--set=run.threads=1', '--set=run.precision=float32',
)  # fmt: skip


@pytest.fixture
def train(tiny_network, make_folders, tmp_path, capsys):
    """Run the verb on tiny data; return its code, output and errors."""
    root = make_folders()

    def run(*arguments):
        given = ['train', f'--model={tiny_network}', f'--root={root}', f'--out={tmp_path}/run']
        code = main([*given, *FAST, *arguments])
        return code, *capsys.readouterr()

    return run


def test_run_and_its_figures(train, tmp_path):
    code, out, _ = train('--epochs=2', '--json', str(tmp_path / 'f.json'))
    assert code == 0
    assert re.search(r'8 steps, 2 epochs, .* min\nbest mIoU 0\.\d+ in epoch \d', out)
    figures = json.loads((tmp_path / 'f.json').read_text())
    assert figures['steps'] == 8
    assert figures['finished'] is True
    assert len(figures['rows']) == 2
    assert figures['about']['torch']
    assert (tmp_path / 'run' / BEST).exists()
    assert str(tmp_path / 'run' / LAST) in out


def test_left_out_drive(train):
    code, out, _ = train('--epochs=1', '--leave-out=a')
    assert code == 0
    assert '2 steps, 1 epochs' in out  # four of the eight images are of drive a


def test_settings_are_listed(capsys):
    assert main(['train', '--settings', '--recipe=small']) == 0
    out = capsys.readouterr().out
    for setting in settings_of(TrainConfig):
        assert re.search(rf'^{re.escape(setting.name)} ', out, re.MULTILINE)
    assert re.search(r'^optim\.optimizer +muon ', out, re.MULTILINE)


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--epochs=many'], 'run.epochs'),
        (['--set=optim.batch'], 'NAME=VALUE'),
        (['--set=optim.btach=3'], "did you mean 'optim.batch'"),
        (['--model=mfaranet_resnet19'], "did you mean 'mfaranet_resnet18'"),
        (['--root=nowhere'], 'data root nowhere is no folder'),
        (['--data=camvid', '--labels=', '--set=data.labels='], 'looked for train/images'),
        (['--device=gpu'], "unknown device 'gpu'"),
        (['--weights=none.pth'], 'none.pth does not exist'),
        (['--leave-out=x'], "unknown drive 'x'"),
    ],
)
def test_wrong_arguments_are_one_line(train, arguments, said, tmp_path):
    if '--data=camvid' in arguments:
        (tmp_path / 'data/train/images').rename(tmp_path / 'data/train/elsewhere')
    code, _, errors = train(*arguments)
    assert code == 2
    assert said in errors
    assert len([line for line in errors.splitlines() if line.startswith('error')]) == 1


def test_resume_needs_a_run_and_takes_no_recipe(tmp_path, capsys):
    assert main(['train', '--resume', f'--out={tmp_path}']) == 2
    assert 'no checkpoint' in capsys.readouterr().err
    assert main(['train', '--resume', '--recipe=small', f'--out={tmp_path}']) == 2
    assert 'keeps the recipe' in capsys.readouterr().err


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signal_ends_a_run_that_can_be_resumed(number, script, make_folders, tmp_path, train):
    folder = tmp_path / 'signalled'
    root = f'--root={make_folders(root="other")}'
    limits = ['--epochs=0', '--max-minutes=5', '--set=run.checkpoint_minutes=0.001']
    command = [sys.executable, str(script), 'train', '--model=tiny_network', root, *FAST, *limits]
    with subprocess.Popen(
        [*command, f'--out={folder}'],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, 'OMP_NUM_THREADS': '1'},
    ) as process:
        end = time.monotonic() + 60
        while not (folder / CHECKPOINT).exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(number)
        out, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert f'resume with: mfaranet train --resume --out {folder}' in out
    assert (folder / LAST).exists()


def draw_large_blocks(number):
    """Draw an image and its labels: large blocks of five colours under noise."""
    random = np.random.default_rng(number)
    labels = np.kron(random.integers(0, 5, (3, 4)), np.ones((32, 32))).astype(np.uint8)
    colors = np.array([[200, 60, 60], [60, 200, 60], [60, 60, 200], [200, 200, 60], [60] * 3])
    noise = random.normal(0, 15, (*labels.shape, 3))
    return np.clip(colors[labels] + noise, 0, 255).astype(np.uint8), labels


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get('MFARANET_LONG_TESTS'),
    reason='two minutes by the clock are enough on a quiet machine only: MFARANET_LONG_TESTS=1',
)
def test_two_minutes_on_eight_images_learn_them_by_heart(tmp_path, capsys):
    for number in range(8):
        for part, pixels in zip(('images', 'labels'), draw_large_blocks(number), strict=True):
            path = tmp_path / 'data' / part / f'{number}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), pixels)
    code = main(
        [
            'train', '--recipe=small', '--data=folders', '--labels=camvid', '--device=cpu',
            f'--root={tmp_path / "data"}', f'--out={tmp_path / "run"}', '--max-minutes=2',
            f'--json={tmp_path / "figures.json"}', '--set=augment.height=96',
            '--set=augment.width=128', '--set=augment.scale_min=1', '--set=augment.scale_max=1',
            '--set=augment.rotation_share=0', '--set=augment.paste_share=0',
            '--set=augment.color_share=0', '--set=augment.blur_share=0', '--set=optim.ema=0.95',
            '--set=optim.batch=4',
        ]
    )  # fmt: skip
    assert code == 0, capsys.readouterr()
    figures = json.loads((tmp_path / 'figures.json').read_text())
    assert figures['best_iou'] > 0.9
    assert figures['rows'][-1]['minutes'] < 2.5
