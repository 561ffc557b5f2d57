# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The training loop: step after step, epoch after epoch, until the schedule is at its end.

A run leaves in its folder: log.csv and curves.png, best.safetensors by validation,
last.safetensors, and last.ckpt to resume from. All that is random is drawn from the seed and the
number of the step, so a run that is taken up from last.ckpt goes on as if nothing had been, bit
for bit on a CPU.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import torch

from mfaranet_ros.backends.device import keep_freed_memory, resolve_device
from mfaranet_ros.core.config import replace
from mfaranet_ros.core.errors import ConfigError, TrainingError
from mfaranet_ros.core.files import make_folder
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.training.assembly import Parts, assemble
from mfaranet_ros.training.checkpoints import CHECKPOINT, CheckpointManager, take_up
from mfaranet_ros.training.config import TrainConfig
from mfaranet_ros.training.distributed import join_world, local_device
from mfaranet_ros.training.files import load_checkpoint
from mfaranet_ros.training.history import Row
from mfaranet_ros.training.loader import Batch, Stream, generator
from mfaranet_ros.training.optim import learning_rate, set_learning_rate
from mfaranet_ros.training.state import PARTS, State, Tally, check_finite
from mfaranet_ros.training.validate import validate
from mfaranet_ros.training.watcher import Nobody, Watcher

CHANGEABLE = (
    'data.root', 'data.cache_gb', 'data.threads', 'run.device', 'run.threads',
    'run.checkpoint_minutes',
)  # fmt: skip
"""What may be another when a run is resumed; anything else would make it another run."""

BROKEN_SHARE = 0.01
"""More of the images than this must not be broken."""

VALIDATION_SHARE = 0.1
"""So much of the time may go into validation where its interval is not given."""

SHOW_S = 0.5
"""How often the progress is shown at most; it waits for the device."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """What a run has come to.

    finished: whether it is at the end of its schedule, and not only stopped. best_iou: the mean
    IoU of best.safetensors on the validation images, None where there is none yet.
    """

    folder: Path
    finished: bool
    steps: int
    best_iou: float | None
    best_epoch: int
    rows: tuple[Row, ...]


def train(config: TrainConfig, folder: Path, watcher: Watcher | None = None) -> Result:
    """Train from the beginning; raises MfaranetError of many kinds, each with its advice."""
    if (folder / CHECKPOINT).exists():
        raise ConfigError(f'{folder} holds a run already: resume it, or give another folder')
    return _run(config, folder, None, watcher or Nobody())


def resume(
    folder: Path, changes: Mapping[str, Any] | None = None, watcher: Watcher | None = None
) -> Result:
    """Go on with the run in a folder; changes: settings of CHANGEABLE alone.

    Raises WeightsError for a folder without a whole checkpoint, ConfigError for other changes.
    """
    checkpoint = load_checkpoint(folder / CHECKPOINT)
    fixed = [name for name in changes or {} if name not in CHANGEABLE]
    if fixed:
        raise ConfigError(
            f'{", ".join(fixed)} cannot change when a run is resumed, only '
            f'{", ".join(CHANGEABLE)} can: begin another run with network.weights'
        )
    config = replace(TrainConfig(), {**checkpoint['config'], **(changes or {})})
    return _run(config, folder, checkpoint, watcher or Nobody())


def _run(
    config: TrainConfig, folder: Path, checkpoint: Mapping[str, Any] | None, watcher: Watcher
) -> Result:
    begun = time.monotonic()
    device = local_device(resolve_device(config.run.device))
    make_folder(folder)
    if device.type == 'cpu':
        keep_freed_memory()
    with _settled(config.run.threads), join_world(device) as world:
        parts = assemble(config, device, world)
        state = State() if checkpoint is None else take_up(parts, checkpoint)
        return _Run(parts, state, folder, watcher, begun).go()


@contextmanager
def _settled(threads: int) -> Iterator[None]:
    """Set what is set for a whole process, and set it back at the end.

    The network has its threads, OpenCV none beside those of the loader, and cudnn tries which
    convolution is the quickest, since all batches are of one size.
    """
    before = torch.get_num_threads(), cv2.getNumThreads(), torch.backends.cudnn.benchmark
    torch.set_num_threads(threads or before[0])
    cv2.setNumThreads(1)
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
        torch.backends.cudnn.benchmark = before[2]


class _Run:
    """One run, from where it is to its end."""

    def __init__(
        self, parts: Parts, state: State, folder: Path, watcher: Watcher, begun: float
    ) -> None:
        self.parts = parts
        self.config = parts.config
        self.world = parts.world
        self.state = state
        self.folder = folder
        self.keeper = CheckpointManager(parts, folder)
        self.watcher = watcher
        self.tally = Tally(parts.feed.device, parts.world)
        self.tally.begin(state.epoch_losses)
        self.heard_at = begun  # making the parts counts for the budget
        self.saved_at = self.shown_at = time.monotonic()
        self.epoch_from = self.saved_at, state.step

    def go(self) -> Result:
        """Train until the schedule is at its end or the watcher stops it."""
        with closing(self.parts.loader.stream(self.state.step)) as batches:
            while True:
                stop, save = self._listen()
                over = self.state.progress >= 1 and self.state.step > 0
                full = self.state.step % self.parts.loader.steps_per_epoch == 0
                if self.state.epoch_steps and (over or full):
                    self._end_epoch(over)
                if over or stop or save:
                    self._save(insist=over or stop)
                if over or stop:
                    return self._result(over)
                self._step(next(batches))

    def _step(self, batch: Batch) -> None:
        """Change the weights once."""
        parts, state, config = self.parts, self.state, self.config.optim
        self._note_skipped(batch.skipped, len(parts.train))
        set_learning_rate(parts.optimizer, learning_rate(state.progress, config))
        random = generator(self.config.run.seed, Stream.STEP, state.step, self.world.rank)
        torch.manual_seed(int(random.integers(2**62)))  # of the dropout
        parts.optimizer.zero_grad(set_to_none=True)
        images = batch.images.chunk(config.accumulate)  # uint8 (n, h, w, 3) each
        labels = batch.labels.chunk(config.accumulate)  # uint8 (n, h, w) each
        for image, label in zip(images, labels, strict=True):
            with parts.feed.autocast():
                outputs = parts.model.stage_outputs(parts.feed.normalise(image))
            given = label.to(parts.feed.device, non_blocking=True)
            taught = None if parts.teacher is None else parts.teacher(image)
            loss = parts.loss(outputs, given, taught)
            (loss.total / config.accumulate).backward()  # type: ignore[no-untyped-call]
            self.tally.add(loss, 1 / config.accumulate)
        gradients = [p.grad for p in parts.model.parameters() if p.grad is not None]
        self.world.average(gradients)
        if config.clip_norm:
            torch.nn.utils.clip_grad_norm_(parts.model.parameters(), config.clip_norm)
        parts.optimizer.step()
        if parts.average is not None:
            parts.average.update(parts.model, state.step)
        state.step += 1
        state.epoch_steps += 1

    def _listen(self) -> tuple[bool, bool]:
        """Look at the clock and the watcher; return whether to stop and whether to save.

        The leading process decides for all.
        """
        run, state, now = self.config.run, self.state, time.monotonic()
        state.elapsed_s += now - self.heard_at
        self.heard_at = now
        save = state.step > 0 and now - self.saved_at >= 60 * run.checkpoint_minutes
        heard = [self._progress(), float(self.watcher.stopping()), float(save)]
        state.progress, stop, due = self.world.told(heard, self.parts.feed.device)
        if self.world.leads and state.epoch_steps and now - self.shown_at >= SHOW_S:
            self.shown_at = now
            loss = sum(self.tally.sums()) / state.epoch_steps
            self.watcher.on_step(state.progress, loss, state.step)
        return bool(stop), bool(due)

    def _progress(self) -> float:
        """Return how far the run is by its epochs or by its budget, whichever is further."""
        run, state = self.config.run, self.state
        steps = run.epochs * self.parts.loader.steps_per_epoch
        by_steps = state.step / steps if steps else 0.0
        budget_s = 60 * run.max_minutes
        if not budget_s:
            return by_steps
        # What the last validation will take is kept free.
        usable_s = budget_s - min(self._expected_validation_s(), budget_s / 2)
        return max(state.progress, by_steps, state.elapsed_s / usable_s)

    def _expected_validation_s(self) -> float:
        """Return what the last one took; before it, half of what as many images in training."""
        state = self.state
        if state.validation_s or not state.step:
            return state.validation_s
        image_s = state.elapsed_s / (state.step * self.config.optim.batch)
        return 0.5 * image_s * len(self.parts.validation)

    def _end_epoch(self, over: bool) -> None:
        """Validate where it is due, write the epoch down, keep the best network."""
        parts, state = self.parts, self.state
        begun, first_step = self.epoch_from
        speed = (state.step - first_step) * self.config.optim.batch / (time.monotonic() - begun)
        sums = self.tally.sums(everywhere=True)
        for found in self.world.collect(state.skipped):
            state.skipped.update(found)
        matrix = self._validate() if over or self._validation_is_due() else None
        means: dict[str, Any]
        means = {name: x / state.epoch_steps for name, x in zip(PARTS, sums, strict=True)}
        scores: dict[str, Any] = {} if matrix is None else _scores(matrix)
        row = Row(
            epoch=-(-state.step // parts.loader.steps_per_epoch),
            step=state.step,
            minutes=state.elapsed_s / 60,
            learning_rate=learning_rate(state.progress, self.config.optim),
            loss=sum(means.values()),
            images_per_s=speed,
            skipped=len(state.skipped),
            **means,
            **scores,
        )
        state.rows.append(row)
        state.epoch_steps = 0
        self.tally.begin()
        if self.world.leads:
            self.keeper.keep_best(state, row)
            self.keeper.write_log(state, insist=over)
            self.watcher.on_epoch(row)
        self.epoch_from = time.monotonic(), state.step

    def _validation_is_due(self) -> bool:
        state, every = self.state, self.config.run.validate_every
        if every:
            return (state.step // self.parts.loader.steps_per_epoch) % every == 0
        spent_s = state.validations_s + state.validation_s
        due = spent_s <= VALIDATION_SHARE * state.elapsed_s
        return bool(self.world.told([float(due)], self.parts.feed.device)[0])

    def _validate(self) -> ConfusionMatrix:
        parts, state = self.parts, self.state
        begun = time.monotonic()
        matrix, skipped = validate(
            parts.result, parts.validation, parts.feed, parts.threads, parts.world
        )
        self._note_skipped(skipped, len(parts.validation))
        state.validation_s = time.monotonic() - begun
        state.validations_s += state.validation_s
        return matrix

    def _note_skipped(self, skipped: Mapping[str, str], total: int) -> None:
        """Name what could not be read, once; raises TrainingError if it is too much."""
        known = self.state.skipped
        new = {name: why for name, why in skipped.items() if name not in known}
        for why in new.values():
            logger.warning('%s; it is skipped', why)
        known.update(new)
        if new and len(known) > BROKEN_SHARE * total:
            raise TrainingError(
                f'{len(known)} of {total} images cannot be read, more than {BROKEN_SHARE:.0%}: '
                f'replace or remove {", ".join(sorted(known))} ({next(iter(new.values()))})'
            )

    def _save(self, insist: bool) -> None:
        """Write a checkpoint; raises TrainingError instead of one that is not finite."""
        self.state.epoch_losses = self.tally.sums()
        check_finite(self.parts.model.parameters())
        if self.world.leads:
            self.keeper.save(self.state, insist=insist)
        self.saved_at = time.monotonic()

    def _result(self, finished: bool) -> Result:
        state = self.state
        rows = tuple(state.rows)
        return Result(self.folder, finished, state.step, state.best_iou, state.best_epoch, rows)


def _scores(matrix: ConfusionMatrix) -> dict[str, Any]:
    return {
        'mean_iou': _or_none(matrix.mean_iou()),
        'pixel_accuracy': _or_none(matrix.pixel_accuracy()),
        'iou': tuple(_or_none(float(value)) for value in matrix.iou()),
    }


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else value
