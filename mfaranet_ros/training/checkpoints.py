# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Keeps in a run's folder what is worth keeping: log, curves, the best network, checkpoints.

A file that cannot be written, as on a full disk, does not end a run of hours: what was written
before stays whole, it is said, and written at the next occasion. Only what fails at the end is an
error.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mfaranet_ros.core.config import values_of
from mfaranet_ros.core.errors import ConfigError, OutputError
from mfaranet_ros.core.files import write_file
from mfaranet_ros.models import save_weights
from mfaranet_ros.training.assembly import Parts
from mfaranet_ros.training.facts import describe
from mfaranet_ros.training.files import save_checkpoint
from mfaranet_ros.training.history import Row, draw_curves, to_csv
from mfaranet_ros.training.state import State

CHECKPOINT, BEST, LAST = 'last.ckpt', 'best.safetensors', 'last.safetensors'
LOG, CURVES = 'log.csv', 'curves.png'

LOG_S = 5.0
"""Log and curves are written so often at most; an epoch can be shorter than drawing them."""

logger = logging.getLogger(__name__)


class CheckpointManager:
    """Writes the files of one run; only the leading process has to."""

    def __init__(self, parts: Parts, folder: Path) -> None:
        self._parts = parts
        self._folder = folder
        self._logged = float('-inf')

    def write_log(self, state: State, *, insist: bool) -> None:
        """Write a line and a point for each epoch; insist: however short ago the last time is."""
        now = time.monotonic()
        if insist or now - self._logged >= LOG_S:
            self._logged = now
            with self._going_on():
                rows = state.rows
                write_file(self._folder / LOG, to_csv(rows, self._parts.label_set))
                write_file(self._folder / CURVES, draw_curves(rows))

    def keep_best(self, state: State, row: Row) -> None:
        """Save the network if its validation is the best so far, and note it in the state."""
        if row.mean_iou is None or row.mean_iou <= (state.best_iou or -1.0):
            return
        with self._going_on():
            self._save_weights(BEST, state, row)
            state.best_iou, state.best_epoch = row.mean_iou, row.epoch

    def save(self, state: State, *, insist: bool) -> None:
        """Write the checkpoint; insist: the last one of this process, and the weights with it.

        Raises OutputError only then.
        """
        try:
            save_checkpoint(self._folder / CHECKPOINT, self._checkpoint(state))
            if insist:
                current = [row for row in state.rows if row.step == state.step]
                self._save_weights(LAST, state, current[0] if current else None)
        except OutputError as error:
            if insist:
                raise
            _say(error)

    def _checkpoint(self, state: State) -> dict[str, Any]:
        parts = self._parts
        return {
            'config': values_of(parts.config),
            'data_hash': parts.data_hash,
            'state': state.to_plain(),
            'model': parts.model.state_dict(),
            'average': None if parts.average is None else parts.average.model.state_dict(),
            'optimizer': parts.optimizer.state_dict(),
        }

    def _save_weights(self, name: str, state: State, row: Row | None) -> None:
        parts = self._parts
        facts = describe(parts, state.step, state.elapsed_s / 60, row)
        save_weights(parts.result, self._folder / name, label_set=parts.label_set, facts=facts)

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        try:
            yield
        except OutputError as error:
            _say(error)


def _say(error: OutputError) -> None:
    logger.error('%s; the previous files are intact, and training continues', error)


def take_up(parts: Parts, checkpoint: Mapping[str, Any]) -> State:
    """Give the parts of a run what a checkpoint holds, and return the state.

    Raises ConfigError if the images are not those the run was trained on.
    """
    if checkpoint['data_hash'] != parts.data_hash:
        raise ConfigError(
            f'{parts.config.data.root} holds other images than the run was trained on: give the '
            'same as data.root'
        )
    parts.model.load_state_dict(checkpoint['model'])
    parts.optimizer.load_state_dict(checkpoint['optimizer'])
    if parts.average is not None:
        parts.average.model.load_state_dict(checkpoint['average'])
    return State.from_plain(checkpoint['state'])
