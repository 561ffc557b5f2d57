# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Files of a run, each written aside and renamed, so that an earlier one stays whole."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mfaranet_ros.core.errors import OutputError, WeightsError
from mfaranet_ros.core.hashing import write_aside

FORMAT = 1
"""Raised when what a checkpoint holds changes."""


def make_folder(folder: Path) -> None:
    """Make the folder of a run, where there is none; raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f'cannot write to {folder}: {error.strerror}') from error


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values to resume from; raises OutputError."""
    memory = io.BytesIO()
    torch.save({'format': FORMAT, **state}, memory)
    write_aside(path, memory.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what was saved, on the CPU; raises WeightsError. Nothing in it is run."""
    if not path.is_file():
        raise WeightsError(f'there is no checkpoint {path}: give the folder of a run')
    try:
        state = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # whatever a damaged file makes the parsers raise
        text = (str(error).strip().splitlines() or [type(error).__name__])[0][:120]
        raise WeightsError(f'{path} is damaged or no checkpoint ({text})') from error
    if not isinstance(state, dict) or state.get('format') != FORMAT:
        raise WeightsError(f'{path} is no checkpoint of this version of mfaranet train')
    return state
