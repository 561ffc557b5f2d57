# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Train a network on labelled images, or resume a training.

The default recipe is the paper's; `small` trains on a few hundred images, best from weights of
`small_start` (docs/training.md). Several GPUs: torchrun --nproc-per-node N -m mfaranet_ros.cli
train ...
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from types import FrameType
from typing import Any

from mfaranet_ros.core.config import Value, settings_of, value_of
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.settings import parse_settings
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.training.checkpoints import BEST, CURVES, LAST
from mfaranet_ros.training.config import RECIPES, TrainConfig, make_config
from mfaranet_ros.training.history import Row
from mfaranet_ros.training.loop import Result, resume, train

FLAGS = {
    'data': ('data.kind', 'KIND', 'layout of the data'),
    'root': ('data.root', 'DIR', 'folder of the data'),
    'mixture': ('data.mixture', 'FILE', 'several data sets, named in a YAML file'),
    'labels': ('data.labels', 'NAME', 'label set of plain folders'),
    'leave-out': ('data.leave_out', 'DRIVES', 'validate on these drives of train, as 0001TP'),
    'model': ('network.name', 'NAME', 'network'),
    'weights': ('network.weights', 'FILE', 'start from these instead of from scratch'),
    'backbone-weights': (
        'network.backbone_weights',
        'FILE',
        'start the backbone from these of timm or torchvision',
    ),
    'epochs': ('run.epochs', 'N', 'passes over the data'),
    'max-minutes': ('run.max_minutes', 'N', 'wall-clock budget; the schedule is fitted to it'),
    'device': ('run.device', 'NAME', 'cpu, cuda, cuda:N or auto'),
}
"""By the flag: the setting it stands for, what to write, and what it says."""

PAPER = 'paper'

STOPPED = 130
"""The exit code after Ctrl-C, as of every verb; a stopped run can be resumed."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare data, recipe, network, how long, and where the results go."""
    parser.add_argument(
        '--recipe',
        default=PAPER,
        choices=RECIPES,
        help=f'preset of the settings; default: {PAPER}',
    )
    for flag, (name, metavar, text) in FLAGS.items():
        parser.add_argument(f'--{flag}', dest=name, metavar=metavar, help=f'{text} [{name}]')
    parser.add_argument(
        '--set', action='append', default=[], metavar='NAME=VALUE',
        help='any other setting, as in --set optim.batch=16 (may be given several times)',
    )  # fmt: skip
    parser.add_argument(
        '--settings', action='store_true', help='print all settings of the recipe and exit'
    )
    parser.add_argument(
        '--out', type=Path, default=Path('out/train'), metavar='DIR', help='default: out/train'
    )
    parser.add_argument(
        '--resume', action='store_true', help='resume the run in DIR with its own settings'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Train, print the result, and return 0, or 130 if it was stopped."""
    given = _given(args)
    if args.settings:
        print(list_settings(RECIPES[args.recipe]))
        return 0
    with _Bar() as watcher:
        if args.resume:
            result = resume(args.out, given, watcher)
        else:
            result = train(make_config(args.recipe, given), args.out, watcher)
    if os.environ.get('RANK', '0') == '0':  # of several processes only the first one prints
        print(summarise(result))
        if args.json:
            write_json(args.json, {**figures(result), 'about': versions()})
    return 0 if result.finished else STOPPED


def _given(args: argparse.Namespace) -> dict[str, Value]:
    """Return the settings the arguments name; raises ConfigError."""
    if args.resume and args.recipe != PAPER:
        raise ConfigError('--resume keeps the recipe of the run: leave --recipe out')
    named = [
        f'{name}={getattr(args, name)}'
        for name, _, _ in FLAGS.values()
        if getattr(args, name) is not None
    ]
    return parse_settings([*named, *args.set], TrainConfig)


def list_settings(config: TrainConfig) -> str:
    """Return all settings with their values and meanings."""
    rows = [
        (s.name, str(value_of(config, s.name)), s.rule.unit, s.rule.description)
        for s in settings_of(TrainConfig)
    ]
    return table([('setting', config.recipe, 'unit', 'meaning'), *rows], '<<<<')


def figures(result: Result) -> dict[str, Any]:
    """Return the result of a run as JSON can hold it."""
    return {**asdict(result), 'folder': str(result.folder)}


def summarise(result: Result) -> str:
    """Return the result of a run in a few lines."""
    last = result.rows[-1] if result.rows else None
    lines = [
        f'{result.steps} steps'
        + (f', {last.epoch} epochs, {last.minutes:.1f} min' if last else '')
    ]
    if result.best_iou is not None:
        lines.append(
            f'best mIoU {result.best_iou:.4f} in epoch {result.best_epoch}: {result.folder / BEST}'
        )
    if result.finished:
        lines.append(f'last weights: {result.folder / LAST}, curves: {result.folder / CURVES}')
    else:
        lines.append(f'stopped; resume with: mfaranet train --resume --out {result.folder}')
    return '\n'.join(lines)


class _Bar:
    """Shows a run as a progress bar with a line for each validation, and ends it on a signal."""

    def __init__(self) -> None:
        self._progress = Progress(100, '%')
        self._shown = 0
        self._stop = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> _Bar:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._progress.close()

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._stop.is_set() and number == signal.SIGINT:
            raise KeyboardInterrupt  # asked twice: do not wait
        self._stop.set()

    def stopping(self) -> bool:
        """Return whether a signal has come."""
        return self._stop.is_set()

    def on_step(self, progress: float, loss: float, step: int) -> None:
        """Show how far it is."""
        self._progress.describe(f'step {step}, loss {loss:.3f}')
        shown = round(100 * min(progress, 1.0))
        self._progress.update(shown - self._shown)
        self._shown = shown

    def on_epoch(self, row: Row) -> None:
        """Print an epoch that was validated."""
        if row.mean_iou is not None:
            self._progress.say(
                f'epoch {row.epoch}  {row.minutes:.1f} min  loss {row.loss:.3f}  '
                f'mIoU {row.mean_iou:.4f}  {row.images_per_s:.1f} images/s',
                sys.stdout,
            )
