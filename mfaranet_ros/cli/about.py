# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What a report says of the machine and the software it was made with."""

from __future__ import annotations

import os
import platform

import cv2
import numpy as np
import torch

from mfaranet_ros import __version__


def about() -> dict[str, str]:
    """Return name and version of all that decides about figures."""
    return {
        'mfaranet_ros': __version__,
        'torch': torch.__version__,
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'python': platform.python_version(),
        'machine': f'{platform.platform()}, {os.cpu_count()} cores',
    }
