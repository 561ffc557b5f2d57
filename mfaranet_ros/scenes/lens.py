# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What lens and sensor make of an image: vignette, blur, rain streaks and noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.images.image import Rgb
from mfaranet_ros.scenes.options import DriveOptions
from mfaranet_ros.scenes.view import Singles

_SPARE = 64
"""The noise is so much larger than the image, and laid on it at another place each time."""


def vignette(height: int, width: int) -> Singles:
    """Return how much darker the corners are: float32 (H, W)."""
    x = (np.arange(width, dtype=np.float32) * 2 - (width - 1)) / np.float32(max(width, 2))
    y = (np.arange(height, dtype=np.float32) * 2 - (height - 1)) / np.float32(max(height, 2))
    return np.asarray(1 - np.float32(0.11) * (x[None, :] ** 2 + y[:, None] ** 2), np.float32)


@dataclass(frozen=True)
class Lens:
    """Lens and sensor of one drive."""

    options: DriveOptions
    seed: int
    size: tuple[int, int]

    def take(self, rgb: Rgb, index: int) -> Rgb:
        """Return the image as the camera delivers it; index: of the frame."""
        options = self.options
        if options.rain:
            rgb = cv2.add(rgb, self._streaks(index))
        if options.blur:
            rgb = cv2.GaussianBlur(rgb, (0, 0), options.blur)
        if options.noise:
            chance = generator(self.seed, Purpose.NOISE, 1, index)
            top, left = chance.integers(0, _SPARE, 2).tolist()
            height, width = self.size
            where = slice(top, top + height), slice(left, left + width)
            lighter, darker = self._noise
            rgb = cv2.subtract(cv2.add(rgb, lighter[where]), darker[where])
        return np.asarray(rgb)

    @cached_property
    def _noise(self) -> tuple[Rgb, Rgb]:
        """Noise to be added, and to be taken away: uint8, each larger than the image."""
        chance = generator(self.seed, Purpose.NOISE, 0)
        shape = (self.size[0] + _SPARE, self.size[1] + _SPARE)
        gain = self.options.noise * (1 + 1.5 * self.options.dusk)
        grey = _bell(chance, (*shape, 1)) * np.float32(0.8 * gain)
        noise = np.rint(grey + _bell(chance, (*shape, 3)) * np.float32(0.6 * gain))
        lighter, darker = (np.clip(part, 0, 255).astype(np.uint8) for part in (noise, -noise))
        return lighter, darker

    def _streaks(self, index: int) -> Rgb:
        """Return light streaks of falling drops."""
        chance = generator(self.seed, Purpose.RAIN, index)
        height, width = self.size
        drawn = np.zeros((height, width, 3), np.uint8)
        count = round(self.options.rain * 260)
        places = chance.integers(0, (width, height), (count, 2)).tolist()
        lengths = chance.integers(height // 60 + 1, height // 14 + 2, count).tolist()
        for (x, y), length in zip(places, lengths, strict=True):
            cv2.line(drawn, (x, y), (x - length // 8, y + length), (26, 27, 28), 1)
        return drawn


def _bell(chance: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return values of mean 0 and deviation 1, nearly normal: sums of whole numbers."""
    total = sum(chance.integers(-512, 513, shape, np.int16).astype(np.int32) for _ in range(4))
    return np.asarray(total * np.float32(1 / 592.2), np.float32)
