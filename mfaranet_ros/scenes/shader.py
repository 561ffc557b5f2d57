# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Colours from what pixels show, and what lens and sensor make of the image.

Light and haze first; then vignette, blur, rain streaks and noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.atlas import Atlas
from mfaranet_ros.scenes.chance import Purpose, generator
from mfaranet_ros.scenes.images.image import Rgb
from mfaranet_ros.scenes.light import CELLS_PER_M, SHADOW_CELLS, Light
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.painter import CHUNK, Canvas
from mfaranet_ros.scenes.things import Pose
from mfaranet_ros.scenes.view import GroundView, Ints, Singles
from mfaranet_ros.scenes.world import GROUND, SKY, Snapshot

STAINS_M = 128
"""Length after which the uneven brightness of the ground repeats, a power of two."""


class Shader:
    """Turns what pixels show into colours, for one camera and one light.

    vignette: float32 (H, W), the gain of each pixel.
    """

    def __init__(self, light: Light, atlas: Atlas, ground: GroundView, vignette: Singles) -> None:
        self._light = light
        self._colors = atlas.colors
        self._ground = ground
        self._vignette = vignette
        self._cell = _shadow_cells(ground)
        self._wet = np.float32(light.options.rain)
        self._lamps = light.lamps(ground.x, ground.y).astype(np.float32)

    def shade(self, canvas: Canvas, snapshot: Snapshot, pose: Pose) -> NDArray[np.uint8]:
        """Return the image: uint8 (H, W, 3)."""
        gains = self._light.gains(canvas, pose)
        shadows = self._light.shadows(snapshot, pose).ravel().astype(np.float32) / np.float32(255)
        height, width = canvas.address.shape
        rgb = np.empty((height, width, 3), np.uint8)
        step = max(1, CHUNK // width)
        for first in range(0, height, step):
            rows = slice(first, min(first + step, height))
            number = canvas.number[rows]
            gain = np.take(gains, number)
            below = self._ground.rows
            inner = slice(max(first, below.start), min(rows.stop, below.stop))
            if inner.start < inner.stop:
                part = slice(inner.start - first, inner.stop - first)
                bright = self._on_ground(inner, pose, shadows)
                np.copyto(gain[part], bright, where=number[part] == GROUND)
            gain *= self._vignette[rows]
            self._blend(rgb[rows], canvas, rows, gain)
        return rgb

    def _on_ground(self, rows: slice, pose: Pose, shadows: Singles) -> Singles:
        """Return how bright the ground is."""
        there = slice(rows.start - self._ground.rows.start, rows.stop - self._ground.rows.start)
        x, y = self._ground.x[there], self._ground.y[there]
        cosine, sine = np.float32(2 * pose.cosine), np.float32(2 * pose.sine)
        across = (2 * pose.x_m) % (2 * STAINS_M) + 4 * STAINS_M
        down = (2 * pose.y_m) % (2 * STAINS_M) + 4 * STAINS_M
        column = (x * cosine - y * sine + np.float32(across)).astype(np.int32) & 255
        row = (x * sine + y * cosine + np.float32(down)).astype(np.int32) & 255
        row <<= 8
        row += column
        bright = np.take(self._light.stains.ravel(), row)
        bright *= np.take(shadows, self._cell[there])
        bright *= self._lamps[there]
        bright *= 1 - np.float32(0.35) * self._wet
        return np.asarray(bright)

    def _blend(self, rgb: NDArray[np.uint8], canvas: Canvas, rows: slice, gain: Singles) -> None:
        """Put light and haze on the colours of some rows."""
        light = self._light
        reach = np.float32(light.haze_m)
        number, distance = canvas.number[rows], canvas.distance[rows]
        clear = reach / (distance + reach)
        if self._wet:
            mirror = np.float32(0.55) * self._wet * (1 - 9 / (distance + np.float32(9)))
            clear *= np.where(number == GROUND, 1 - mirror, 1)
        np.copyto(clear, 1 - np.float32(0.8) * self._wet, where=number == SKY)
        colors = np.take(self._colors, canvas.address[rows])
        gain *= clear
        clear -= 1
        for channel in range(3):
            value = (colors >> np.uint32(8 * channel) & np.uint32(255)).astype(np.float32)
            value *= gain
            value -= clear * light.haze[channel]
            value *= light.tint[channel] * np.float32(light.options.exposure)
            np.minimum(value, 255, out=value)
            rgb[..., channel] = value


def _shadow_cells(ground: GroundView) -> Ints:
    """Return the cell of the map of shadows that each pixel shows; far away that of a corner."""
    column = ground.x * CELLS_PER_M + np.float32(SHADOW_CELLS[1] / 2)
    row = ground.y * CELLS_PER_M + np.float32(SHADOW_CELLS[0] / 2)
    inside = (column >= 0) & (column < SHADOW_CELLS[1]) & (row >= 0) & (row < SHADOW_CELLS[0])
    cell = row.astype(np.int32) * SHADOW_CELLS[1] + column.astype(np.int32)
    return np.where(inside, cell, 0).astype(np.int32)


_SPARE = 64
"""Pixels by which the noise is larger than the image; each frame uses another part of it."""


def vignette(height: int, width: int) -> Singles:
    """Return how much darker the corners are: float32 (H, W)."""
    x = (np.arange(width, dtype=np.float32) * 2 - (width - 1)) / np.float32(max(width, 2))
    y = (np.arange(height, dtype=np.float32) * 2 - (height - 1)) / np.float32(max(height, 2))
    return np.asarray(1 - np.float32(0.11) * (x[None, :] ** 2 + y[:, None] ** 2), np.float32)


@dataclass(frozen=True)
class Lens:
    """Lens and sensor of one scene."""

    options: SceneOptions
    seed: int
    size: tuple[int, int]

    def take(self, rgb: Rgb, index: int) -> Rgb:
        """Return an image, uint8 (H, W, 3), as the camera delivers it; index: of the frame."""
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
