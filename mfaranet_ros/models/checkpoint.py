# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Torch checkpoints of other people: finds the state_dict in them without running anything.

A checkpoint is a bare state_dict, or a dictionary that holds one beside other things: under
`state_dict`, `model` and the like, or under any other name if there is only one. Averaged weights
(EMA) are preferred to those of the last step, as timm does. What wrappers add to the names
(data-parallel training, torch.compile, Lightning) is removed.
"""

from __future__ import annotations

import argparse
import io
import logging
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeGuard

import numpy as np
import torch
from torch import Tensor

from mfaranet_ros.core.errors import WeightsError

logger = logging.getLogger(__name__)

_AVERAGED = ('state_dict_ema', 'model_ema', 'ema_state_dict', 'ema', 'params_ema')
_ENTRIES = (*_AVERAGED, 'state_dict', 'model_state_dict', 'model', 'network', 'net')
"""Where checkpoints hold the state_dict, the preferred names first."""

_PREFIXES = ('module.', 'model.', 'network.', 'net.')
_AVERAGED_PREFIXES = ('ema_model.', 'model_ema.', 'ema.')
_INSIDE = re.compile(
    r'(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.'
)
"""What torch.compile and others put into names, also in front of an inner module."""

_COUNTER = 'n_averaged'
"""What torch.optim.swa_utils.AveragedModel adds to a state_dict."""

_LARGEST_RATIO = 2
"""Torch stores tensors as they are; an archive that unpacks to more than this is a bomb."""

_ZIP, _PICKLE, _ONNX = b'PK\x03\x04', b'\x80', b'\x08'


def read_checkpoint(path: Path, data: bytes) -> dict[str, Tensor]:
    """Return the state_dict of a torch checkpoint, its names as they are stored.

    path: for messages. data: the whole file.
    Raises WeightsError, in one line, for anything else; nothing in the data is run.
    """
    if data.startswith(_ZIP):
        _check_archive(path, data)
    elif not data.startswith(_PICKLE):
        start = data[:16].decode('ascii', 'replace').split('\n')[0]
        onnx = ', it may be an ONNX file' if data.startswith(_ONNX) else ''
        raise WeightsError(
            f'{path} is neither a .safetensors file nor a torch checkpoint '
            f'(it begins with {start!r}{onnx}): give other weights'
        )
    state = _find_state(path, _unpickle(path, data))
    for name, value in state.items():
        if not isinstance(name, str) or not _is_plain(value):
            raise WeightsError(
                f'{path} holds no state_dict: {name!r} is {_kind(value)}, not a tensor of numbers'
            )
    return {name: value.detach() for name, value in state.items()}


def without_wrappers(path: Path, entries: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state_dict without what wrappers add to its names.

    Raises WeightsError if two names become one.
    """
    averaged = {
        name: tensor for name, tensor in entries.items() if name.startswith(_AVERAGED_PREFIXES)
    }
    if averaged:
        logger.info('%s: the averaged weights (EMA) are used', path)
        entries = averaged
    state = {_bare_name(name): tensor for name, tensor in entries.items() if name != _COUNTER}
    if len(state) < len(entries) - (_COUNTER in entries):
        raise WeightsError(
            f'{path} holds some names both with and without the prefix of a wrapper, such as '
            '`module.`: give a file that holds one network'
        )
    return state


def refuse_broken(path: Path, error: Exception) -> NoReturn:
    """Raise the WeightsError of a file that a parser cannot read."""
    text = str(error).strip().splitlines()
    reason = text[0][:120] if text else type(error).__name__
    raise WeightsError(
        f'{path} is truncated, broken or not a weights file ({reason}): copy or download it again'
    ) from error


def _bare_name(name: str) -> str:
    name = _INSIDE.sub('', name)
    for prefix in (*_AVERAGED_PREFIXES, *_PREFIXES):
        if name.startswith(prefix):
            return _bare_name(name[len(prefix) :])
    return name


def _check_archive(path: Path, data: bytes) -> None:
    """Refuse zip archives that are no checkpoints, or that unpack to far more than they are."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        refuse_broken(path, error)
    names = {member.filename.partition('/')[2] or member.filename for member in members}
    if 'constants.pkl' in names:
        raise WeightsError(
            f'{path} is a TorchScript program, which holds code: save its weights alone by '
            'torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE) and give that file'
        )
    if 'data.pkl' not in names:
        raise WeightsError(
            f'{path} is a zip archive but no torch checkpoint (it holds '
            f'{", ".join(sorted(names)[:3]) or "nothing"}): give a file saved by torch.save'
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > _LARGEST_RATIO * len(data):
        raise WeightsError(
            f'{path} is refused: its {len(data)} bytes unpack to {unpacked}, which torch.save '
            'never writes; give other weights'
        )


def _unpickle(path: Path, data: bytes) -> object:
    """Return what a checkpoint holds: tensors, plain values and the inert types below."""
    try:
        with torch.serialization.safe_globals(_inert_types()):
            return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)
    except Exception as error:  # whatever a damaged or hostile file makes the parsers raise
        found = re.search(r'(?:GLOBAL|unsafe global|Unsupported class) (\S+)', str(error))
        if found is None:
            refuse_broken(path, error)
        raise WeightsError(
            f'{path} is refused: besides tensors it holds {found[1]!r}, which could run code; '
            'nothing was run; give a file that holds only a state_dict '
            '(torch.save(network.state_dict(), FILE))'
        ) from error


def _inert_types() -> list[Any]:
    """Return the types beside tensors that training scripts store and that run nothing."""
    scalar = np.float64(0).__reduce__()[0]
    types = {type(np.dtype(kind)) for kind in ('f8', 'f4', 'i8', 'i4', '?')}
    if torch.__version__ < '2.6':  # which knows types by their own names alone
        return [argparse.Namespace, np.dtype, *types, scalar]
    older = [(scalar, f'{package}.multiarray.scalar') for package in ('numpy.core', 'numpy._core')]
    return [argparse.Namespace, np.dtype, *types, scalar, *older]


def _find_state(path: Path, loaded: object) -> Mapping[Any, Any]:
    """Return the state_dict of a checkpoint, which may lie some levels deep."""
    while isinstance(loaded, Mapping) and not _is_state(loaded):
        entry = _entry_of(path, loaded)
        if entry is None:
            break
        loaded = loaded[entry]
    if isinstance(loaded, Mapping) and {'state', 'param_groups'} <= loaded.keys():
        raise WeightsError(
            f'{path} holds the state of an optimizer, not of a network: give the checkpoint that '
            'holds the network'
        )
    if not isinstance(loaded, Mapping) or not loaded:
        raise WeightsError(f'{path} holds no state_dict but {_kind(loaded)}: give other weights')
    return loaded


def _entry_of(path: Path, loaded: Mapping[Any, Any]) -> str | None:
    """Return under which name a checkpoint holds its state_dict; None if there is none."""
    known = [name for name in _ENTRIES if isinstance(loaded.get(name), Mapping)]
    if known:
        if known[0] in _AVERAGED and len(known) > 1:
            logger.info('%s: the averaged weights %r are used, not %r', path, known[0], known[1])
        return known[0]
    states = [name for name, value in loaded.items() if _is_state(value)]
    if len(states) > 1:
        raise WeightsError(
            f'{path} holds {len(states)} networks ({", ".join(map(str, states))}): give a file '
            'that holds one'
        )
    return states[0] if states else None


def _is_state(value: object) -> bool:
    """Return whether a value is a dictionary of named tensors."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(name, str) and isinstance(each, Tensor) for name, each in value.items())
    )


def _is_plain(value: object) -> TypeGuard[Tensor]:
    return (
        isinstance(value, Tensor) and value.layout == torch.strided and value.device.type == 'cpu'
    )


def _kind(value: object) -> str:
    return f'{"an empty " if value == {} else ""}{type(value).__name__}'
