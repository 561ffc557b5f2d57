# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What was made for this machine and is kept between two starts.

Compiled programs, ONNX graphs and TensorRT engines take minutes to make. Each is kept under a name
made of what decides about it: the weights, the code and the versions. TensorRT names its files by
graph and chip alone and does not always notice that one was built by another version, so each
model's engines have a folder that also says what they were built with; where that differs they are
removed.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mfaranet_ros.core.files import make_folder, unwritable, write_file
from mfaranet_ros.core.parsing import parse_json

if TYPE_CHECKING:
    from torch import nn

_PACKAGE = Path(__file__).resolve().parents[1]
_CODE = ('models', 'backends')
"""The folders whose code decides what is made of a model."""


CACHE_ADVICE = 'set XDG_CACHE_HOME to a folder that can be written'
"""What to do where a file of the cache cannot be written."""


def cache_root() -> Path:
    """Return the folder of the cache: `$XDG_CACHE_HOME/mfaranet_ros`, else in `~/.cache`."""
    home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    return Path(home).expanduser() / 'mfaranet_ros'


def cache_folder(kind: str) -> Path:
    """Return the folder for one kind of things, which exists then and may be deleted at any time.

    It is below `cache_root()`. Raises OutputError if it cannot be made.
    """
    folder = cache_root() / kind
    make_folder(folder, advice=CACHE_ADVICE)
    return folder


def model_key(model: nn.Module, *facts: str) -> str:
    """Return a name for what is made of a model: equal for equal weights, code and facts."""
    import torch

    digest = hashlib.sha256()
    kind = type(model)
    scales = getattr(model, 'scales', ())
    for text in (kind.__module__, kind.__qualname__, str(scales), _code_sha256(), *facts):
        digest.update(text.encode() + b'\0')
    for name, tensor in model.state_dict().items():
        digest.update(f'{name} {tensor.dtype} {tuple(tensor.shape)}\0'.encode())
        plain = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(plain.view(torch.uint8).numpy())
    return digest.hexdigest()


@lru_cache(maxsize=1)
def _code_sha256() -> str:
    """Return the hash of torch's version and of the code that decides."""
    import torch

    digest = hashlib.sha256(torch.__version__.encode())
    for folder in _CODE:
        for path in sorted((_PACKAGE / folder).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()


_log = logging.getLogger(__name__)

_BUILT_WITH = 'built_with.json'
_PATTERNS = ('*.engine', '*.profile', '*.timing', '*.cache')


def use_engines(folder: Path, built_with: Mapping[str, str]) -> str:
    """Make a folder ready for engines built with these versions; return what to say of it.

    Engines built with anything else, and those of which nobody knows, are removed and a warning
    is logged: they are built again at the first frame of each size.
    """
    make_folder(folder, advice=CACHE_ADVICE)
    engines = _engines(folder)
    before = _read(folder / _BUILT_WITH)
    now = dict(built_with)
    if engines and before == now:
        return f'engines from {folder}'
    if engines:
        differing = _difference(before, now)
        _log.warning('engines in %s are built again: %s', folder, differing)
        remove_engines(folder)
    write_file(folder / _BUILT_WITH, json.dumps(now, indent=2), advice=CACHE_ADVICE)
    return f'engines built into {folder}'


def remove_engines(folder: Path) -> bool:
    """Remove the engines of a folder and return whether there were any."""
    engines = _engines(folder)
    try:
        for path in engines:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(folder, error, CACHE_ADVICE) from error
    return bool(engines)


def _engines(folder: Path) -> list[Path]:
    return [path for pattern in _PATTERNS for path in folder.glob(pattern)]


def _read(path: Path) -> dict[str, str] | None:
    try:
        values = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    return values if isinstance(values, dict) else None


def _difference(before: Mapping[str, str] | None, now: Mapping[str, str]) -> str:
    if before is None:
        return 'nothing says what they were built with'
    changed = sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
    return ', '.join(
        f'{name} was {before.get(name, "unknown")} and is {now.get(name, "unknown")}'
        for name in changed
    )
