# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The two packages that only ONNX needs: imported where they are, else how to get them."""

from __future__ import annotations

import os
import re
from typing import Any

from mfaranet_ros.core.errors import ConfigError

OLDEST_RUNTIME = (1, 18)
"""From here on GridSample runs on a GPU in all the forms that opset 18 has."""


def import_onnx() -> Any:
    """Return the package onnx, which makes files; raises ConfigError with how to install it."""
    try:
        import onnx
        import onnx.reference
        import onnx.shape_inference
    except ImportError as error:
        raise ConfigError(
            f'making an ONNX file needs the package onnx ({error}): pip install onnx onnxruntime'
        ) from error
    return onnx


def import_onnxruntime() -> Any:
    """Return the package onnxruntime, which runs files.

    Its builds report their use to Microsoft unless told otherwise before they start, which a
    vehicle should not do unasked: set ORT_DISABLE_TELEMETRY to 0 to allow it.
    Raises ConfigError with how to install it where it is missing or too old.
    """
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')
    try:
        import onnxruntime
    except ImportError as error:
        raise ConfigError(
            f'running an ONNX file needs ONNX Runtime ({error}): pip install onnxruntime, '
            'or onnxruntime-gpu for an NVIDIA GPU'
        ) from error
    if version_of(onnxruntime) < OLDEST_RUNTIME:
        raise ConfigError(
            f'onnxruntime {onnxruntime.__version__} is too old: install '
            f'{".".join(map(str, OLDEST_RUNTIME))} or newer with pip install -U onnxruntime, '
            'or onnxruntime-gpu for an NVIDIA GPU'
        )
    return onnxruntime


def version_of(package: Any) -> tuple[int, int]:
    """Return the first two numbers of a package's version."""
    first, second = re.findall(r'\d+', package.__version__)[:2]
    return int(first), int(second)
