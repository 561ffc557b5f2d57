# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The machine and the software that decide about figures, for reports."""

from __future__ import annotations

import os
import platform
import sys

import cv2
import numpy as np

from mfaranet_ros import __version__


def versions() -> dict[str, str]:
    """Return names and versions; torch is `not used` where nothing has imported it."""
    torch = sys.modules.get('torch')
    return {
        'mfaranet_ros': __version__,
        'torch': torch.__version__ if torch else 'not used',
        'numpy': np.__version__,
        'opencv': cv2.__version__,
        'python': platform.python_version(),
        'machine': f'{platform.platform()}, {os.cpu_count()} cores',
    }
