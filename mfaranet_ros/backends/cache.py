# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Where what was made for this machine is kept between two starts, and what it was made from."""

from __future__ import annotations

import hashlib
import os
from functools import lru_cache
from pathlib import Path

import torch
from torch import nn

from mfaranet_ros.core.files import make_folder

_PACKAGE = Path(__file__).resolve().parents[1]
_CODE = ('models', 'backends')
"""The folders whose code decides what is made of a model."""


CACHE_ADVICE = 'set XDG_CACHE_HOME to a folder that can be written'
"""What to do where a file of the cache cannot be written."""


def cache_folder(kind: str) -> Path:
    """Return the folder for one kind of things, which exists then and may be deleted at any time.

    It is below `$XDG_CACHE_HOME/mfaranet_ros`, else below `~/.cache/mfaranet_ros`. Raises
    OutputError if it cannot be made.
    """
    home = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
    folder = Path(home).expanduser() / 'mfaranet_ros' / kind
    make_folder(folder, advice=CACHE_ADVICE)
    return folder


def model_key(model: nn.Module, *facts: str) -> str:
    """Return a name for what is made of a model: equal for equal weights, code and facts."""
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
    digest = hashlib.sha256(torch.__version__.encode())
    for folder in _CODE:
        for path in sorted((_PACKAGE / folder).rglob('*.py')):
            digest.update(path.read_bytes())
    return digest.hexdigest()
