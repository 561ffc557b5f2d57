# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Colours from what pixels show: how bright and how clear each is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.scenes.atlas import Atlas
from mfaranet_ros.scenes.light import CELLS_PER_M, SHADOW_CELLS, Light
from mfaranet_ros.scenes.painter import CHUNK, Canvas
from mfaranet_ros.scenes.pose import Pose
from mfaranet_ros.scenes.scene import GROUND, SKY, Scene
from mfaranet_ros.scenes.view import GroundView, Ints, Singles

STAINS_M = 128
"""Length after which the uneven brightness of the ground repeats, a power of two."""


class Shader:
    """Turns what pixels show into colours, for one camera and one light."""

    def __init__(self, light: Light, atlas: Atlas, ground: GroundView, vignette: Singles) -> None:
        self._light = light
        self._colors = atlas.colors
        self._ground = ground
        self._vignette = vignette
        self._cell = _shadow_cells(ground)
        self._wet = np.float32(light.options.rain)
        self._lamps = light.lamps(ground.x, ground.y).astype(np.float32)

    def shade(self, canvas: Canvas, scene: Scene, pose: Pose) -> NDArray[np.uint8]:
        """Return the image: uint8 (H, W, 3)."""
        gains = self._light.gains(canvas, pose)
        shadows = self._light.shadows(scene, pose).ravel().astype(np.float32) / np.float32(255)
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
