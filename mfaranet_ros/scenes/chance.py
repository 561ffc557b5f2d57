# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Random numbers that depend on their purpose, not on what was drawn before."""

from __future__ import annotations

import enum

import numpy as np


class Purpose(enum.IntEnum):
    """The purposes of random numbers; each has its own stream."""

    ROAD = 0
    BLOCK = 1
    LOT = 2
    TRAFFIC = 3
    TEXTURE = 4
    NOISE = 5
    RAIN = 6
    CROSSING = 7
    MOTION = 8
    SENSOR = 9


def generator(seed: int, purpose: Purpose, *keys: int) -> np.random.Generator:
    """Return the generator of one thing; keys may be negative.

    Only its integers and uniform floats are used, which are bit-identical on every machine.
    """
    words = [seed, int(purpose), *(2 * abs(key) + (key < 0) for key in keys)]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words)))
