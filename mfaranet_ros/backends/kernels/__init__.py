# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Triton kernels for NVIDIA GPUs; each replaces torch code that gives the same result.

Triton is optional (the wheels of a Jetson come without it), so a module of this folder is imported
only where `why_no_kernels` finds nothing missing. Without a GPU they run in Triton's interpreter,
on the CPU and slowly: that is how tests hold them to the torch code.
"""

from __future__ import annotations

import importlib.util
import logging
from functools import lru_cache

import torch

FUSED = {'enable_fp_fusion': True}
"""How kernels are compiled: a product and a sum in one instruction, as torch's own are. Triton
warns where it is not set, as its default will change."""

_log = logging.getLogger(__name__)


@lru_cache(maxsize=8)
def why_no_kernels(device: torch.device) -> str:
    """Return why the kernels do not run on a device; empty if they do.

    The first question for a GPU runs each of them there: Triton needs a C compiler, the headers
    of Python and a GPU that it knows, and says so only when it is used.
    """
    if device.type != 'cuda':
        return f'they are for NVIDIA GPUs, not for {device}'
    if importlib.util.find_spec('triton') is None:
        return 'Triton is not installed'
    try:
        from mfaranet_ros.backends.kernels.trial import run_each

        run_each(device)
    except Exception as error:  # whatever a foreign compiler raises, there is torch instead
        _log.debug('the kernels do not run on %s', device, exc_info=True)
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return ''


def name_kernels(device: torch.device) -> str:
    """Return what of the kernels runs on a GPU, for `describe`; empty for another device."""
    if device.type != 'cuda':
        return ''
    missing = why_no_kernels(device)
    return f'torch operators for kernels: {missing}' if missing else 'Triton kernels'
