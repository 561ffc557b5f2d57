# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints of a training run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.core.files import write_file

FORMAT = 1
"""Raised when what a checkpoint holds changes."""


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write tensors and plain values to resume from; raises OutputError."""
    memory = io.BytesIO()
    torch.save({'format': FORMAT, **state}, memory)
    write_file(path, memory.getvalue())


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
