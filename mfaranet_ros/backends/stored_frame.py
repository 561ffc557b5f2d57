# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The frame of the self-test: one of the synthetic scene, stored beside this file as JPEG.

It has what makes a network's answer sensitive: slanted edges, thin things, texture, and colours
that mean something, so that a swapped channel or a lost interpolation shows. Networks are about as
sure of it as of a real frame, so that rounding to bfloat16 tips few of its pixels. It is frame 140
of `mfaranet scene --frames 141` with seed 0.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import Frame

FILE = Path(__file__).with_suffix('.jpg')


@lru_cache(maxsize=1)
def stored_frame() -> Frame:
    """Return the street, bgr8, 360 x 480 pixels, the same each time; its pixels are read-only.

    Raises SourceError where the installed package lacks the file.
    """
    try:
        data = np.frombuffer(FILE.read_bytes(), np.uint8)
    except OSError as error:
        raise SourceError(
            f'{FILE} cannot be read: {error.strerror}; install mfaranet_ros again'
        ) from error
    pixels = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    pixels.flags.writeable = False
    return Frame(pixels, 'bgr8', 0, 'stored_frame')
