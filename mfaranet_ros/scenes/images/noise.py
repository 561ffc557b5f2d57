# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Fractal noise in whole numbers, the same on every machine, and seamless when tiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


def fractal(
    chance: np.random.Generator, size: tuple[int, int], octaves: int, rise: float = 1.6
) -> Ints:
    """Return noise of about -128 to 127: int32, height and width of size.

    size: divisible by 2**octaves. octaves: the coarsest grain is 2**octaves pixels.
    rise: how much stronger each coarser grain is than the next finer one.
    """
    height, width = size
    values = np.zeros((height >> octaves, width >> octaves), np.int32)
    total = 0.0
    for octave in range(octaves, -1, -1):
        if octave < octaves:
            values = _doubled(values)
        weight = rise**octave
        total += weight * weight
        grain = chance.integers(-128, 128, values.shape, np.int32)
        values = values + (grain * round(16 * weight))
    return np.asarray(np.clip(values // max(1, round(16 * total**0.5)), -128, 127), np.int32)


def _doubled(values: Ints) -> Ints:
    """Return the values at twice the size, new ones the mean of their neighbours."""
    for axis in (0, 1):
        between = (values + np.roll(values, -1, axis)) >> 1
        shape = [*values.shape]
        shape[axis] *= 2
        values = np.stack((values, between), axis + 1).reshape(shape)
    return values


def shaded(color: tuple[int, int, int], noise: Ints, strength: float) -> NDArray[np.uint8]:
    """Return a colour made lighter and darker by noise: uint8 (H, W, 3).

    strength: by which share, where the noise is at its largest.
    """
    gain = 1 + noise.astype(np.float32) * np.float32(strength / 128)
    planes = [np.clip(gain * np.float32(part), 0, 255) for part in color]
    return np.stack(planes, axis=-1).astype(np.uint8)
