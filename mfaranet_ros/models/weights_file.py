# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Reads weights files without running anything in them.

Ours are safetensors files that describe themselves in their metadata. Published ones are torch
checkpoints (checkpoint.py). The kind of a file is detected from its first bytes, not from its
name. It is read once, so the hash is that of what was loaded.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, cast

import safetensors.torch
import torch
from torch import Tensor

from mfaranet_ros.core.errors import WeightsError
from mfaranet_ros.models.checkpoint import read_checkpoint, refuse_broken, without_wrappers

Triple = tuple[float, float, float]

_FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
_SHOWN = 3

SEAL = 'sha256'
"""The key of the metadata under which our files hold the sha256 of their tensors' bytes."""

TEMPERATURE = 'temperature'
"""The key of the metadata under which a calibrated network holds its temperature."""


@dataclass(frozen=True, eq=False)
class Weights:
    """The content of a weights file; None for what it does not state.

    sha256: of the whole file, hexadecimal.
    state: tensors by name on the CPU, of any shape and dtype, without the prefixes of wrappers.
    model, classes, label_set: what it was trained for. training: how it was trained.
    mean, std: normalisation of R, G, B in 0..1. scales: those of the network it was saved from.
    temperature: what the logits are divided by so that confidence is calibrated.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    model: str | None = None
    classes: int | None = None
    label_set: str | None = None
    mean: Triple | None = None
    std: Triple | None = None
    training: str | None = None
    scales: tuple[int, ...] | None = None
    temperature: float | None = None


def read_weights(path: str | Path) -> Weights:
    """Read a .safetensors file of ours or a published torch checkpoint.

    Raises WeightsError, in one line, if the file is missing, unreadable, truncated, foreign, or
    holds anything that could run code; nothing in it is ever run.
    """
    path = Path(path).expanduser()
    data = _read_bytes(path)
    if _is_safetensors(data):
        entries, metadata = _parse_safetensors(path, data)
    else:
        entries, metadata = read_checkpoint(path, data), {}
    facts = _Facts(path, metadata)
    return Weights(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        state=without_wrappers(path, entries),
        model=metadata.get('model'),
        classes=facts.integer('classes'),
        label_set=metadata.get('label_set'),
        mean=facts.triple('mean'),
        std=facts.triple('std'),
        training=metadata.get('training'),
        scales=facts.integers('scales'),
        temperature=facts.positive(TEMPERATURE),
    )


def _read_bytes(path: Path) -> bytes:
    try:
        if not path.exists():
            raise WeightsError(f'weights file {path} does not exist')
        if not path.is_file():
            raise WeightsError(f'weights file {path} is not a file: give a .safetensors or .pth')
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f'weights file {path} cannot be read: {error.strerror}') from error
    if not data:
        raise WeightsError(f'weights file {path} is empty: copy or download it again')
    return data


def same_kind(theirs: Tensor, ours: Tensor) -> bool:
    """Return whether two tensors of any shape agree in shape and in being floating point."""
    return theirs.shape == ours.shape and (theirs.dtype in _FLOATS) == ours.is_floating_point()


def listed(names: list[str]) -> str:
    """Return the first names, and how many more there are, for one line of an error."""
    more = f' and {len(names) - _SHOWN} more' if len(names) > _SHOWN else ''
    return ', '.join(names[:_SHOWN]) + more


def _is_safetensors(data: bytes) -> bool:
    return data[8:9] == b'{' and int.from_bytes(data[:8], 'little') < 100_000_000


def _parse_safetensors(path: Path, data: bytes) -> tuple[dict[str, Tensor], dict[str, str]]:
    start = 8 + int.from_bytes(data[:8], 'little')
    try:
        entries = safetensors.torch.load(data)
        header = json.loads(data[8:start])
    except Exception as error:  # whatever a damaged file makes the parsers raise
        refuse_broken(path, error)
    metadata = header.get('__metadata__') or {}
    if metadata.get(SEAL, '') not in ('', hashlib.sha256(data[start:]).hexdigest()):
        raise WeightsError(
            f'{path} is damaged: its tensors are not those it was saved with (their sha256 '
            'differs); copy or download it again'
        )
    return entries, metadata


class _Facts:
    """Numbers in the metadata of a file, which are stored as text."""

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self._path = path
        self._metadata = metadata

    def integer(self, key: str) -> int | None:
        values = self.integers(key)
        return None if values is None else values[0]

    def integers(self, key: str) -> tuple[int, ...] | None:
        return self._numbers(key, int)

    def positive(self, key: str) -> float | None:
        values = self._numbers(key, float)
        if values is None:
            return None
        if len(values) != 1 or not 0 < values[0] < math.inf:
            self._refuse(key)
        return cast('float', values[0])

    def triple(self, key: str) -> Triple | None:
        values = self._numbers(key, float)
        if values is not None and len(values) != 3:
            self._refuse(key)
        return cast('Triple | None', values)

    def _numbers(self, key: str, kind: Any) -> tuple[Any, ...] | None:
        if key not in self._metadata:
            return None
        try:
            return tuple(kind(part) for part in self._metadata[key].split(','))
        except ValueError:
            self._refuse(key)

    def _refuse(self, key: str) -> NoReturn:
        raise WeightsError(
            f'{self._path} has {key} = {self._metadata[key]!r} in its metadata: must be numbers '
            'in range, the file is broken'
        )
