# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Weather, light and camera faults, painted over a training image; labels stay as they are.

Each condition is a function of an image, uint8 (H, W, 3) RGB, and a generator, and a row in
CONDITIONS. They are rough: what counts is that a network does not rely on what they take away.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import UnknownNameError
from mfaranet_ros.data.labels import Pixels

Random = np.random.Generator
Floats = NDArray[np.float32]

Condition = Callable[[Pixels, Random], Pixels]


def apply_condition(name: str, image: Pixels, random: Random) -> Pixels:
    """Return an image, uint8 (H, W, 3), under a condition; raises UnknownNameError."""
    if name not in CONDITIONS:
        raise UnknownNameError('condition', name, CONDITIONS)
    return CONDITIONS[name](image, random)


def _finish(values: NDArray[np.floating[Any]]) -> Pixels:
    pixels: Pixels = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return pixels


def _plane(image: Pixels) -> tuple[Floats, Floats]:
    """Return each pixel's place, 0 to 1, from the left, (1, W, 1), and from the top, (H, 1, 1)."""
    height, width = image.shape[:2]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    return x, y


def _spots(image: Pixels, random: Random, count: int, low: float, high: float) -> Floats:
    """Return soft spots, 0 to 1, float32 (H, W, 1); low, high: their radius, of the width."""
    height, width = image.shape[:2]
    spots = np.zeros((height, width), np.float32)
    for _ in range(count):
        center = int(random.integers(width)), int(random.integers(height))
        radius = max(1, round(width * random.uniform(low, high)))
        cv2.circle(spots, center, radius, float(random.uniform(0.4, 1.0)), -1)
    soft = max(0.8, 0.4 * high * width)
    blurred = cv2.GaussianBlur(spots, (0, 0), soft)
    return np.asarray(blurred, np.float32)[..., None]


def night(image: Pixels, random: Random) -> Pixels:
    """Dark, bluish or orange, noisy, with a few lamps."""
    light = random.uniform(0.12, 0.45)
    tint = np.array([1.0, 1.0, 1.0]) + random.uniform(-0.2, 0.25) * np.array([1.0, 0.1, -1.0])
    dark = 255 * light * (image / 255.0) ** random.uniform(1.0, 1.6) * tint
    lamps = _spots(image, random, int(random.integers(0, 6)), 0.004, 0.02)
    halo = cv2.GaussianBlur(lamps, (0, 0), 0.03 * image.shape[1])[..., None]
    glow = 255 * (lamps + 1.5 * halo) * np.array([1.0, 0.85, 0.6])
    noise = random.standard_normal(image.shape, np.float32) * random.uniform(2, 10)
    return _finish(dark + glow + noise)


def rain(image: Pixels, random: Random) -> Pixels:
    """Less contrast, bright slanted streaks, and drops on the windscreen that blur in places."""
    height, width = image.shape[:2]
    grey = random.uniform(90, 150)
    dull = grey + random.uniform(0.55, 0.85) * (image - grey)
    streaks = np.zeros((height, width), np.float32)
    slope, length = random.uniform(-0.4, 0.4), height * random.uniform(0.04, 0.12)
    for _ in range(int(random.integers(40, 160))):
        x, y = int(random.integers(width)), int(random.integers(height))
        end = round(x + slope * length), round(y + length)
        cv2.line(streaks, (x, y), end, float(random.uniform(15, 60)), 1)
    wet = dull + cv2.GaussianBlur(streaks, (0, 0), 0.6)[..., None]
    drops = _spots(image, random, int(random.integers(3, 15)), 0.01, 0.04)
    blurred = cv2.GaussianBlur(wet, (0, 0), 0.015 * width)
    return _finish(wet + drops * (blurred - wet))


def fog(image: Pixels, random: Random) -> Pixels:
    """A pale veil that is thicker towards the horizon, as if the ground were flat."""
    _, y = _plane(image)
    horizon = random.uniform(0.3, 0.55)
    distance = 1 / (0.12 + np.maximum(y - horizon, 0))  # of the ground; what is above is far
    veil = 1 - np.exp(-random.uniform(0.06, 0.3) * distance)
    pale = random.uniform(150, 230)
    return _finish(image + veil * (pale - image))


def low_sun(image: Pixels, random: Random) -> Pixels:
    """A sun near the horizon: glare around it, and less contrast everywhere."""
    x, y = _plane(image)
    ratio = image.shape[0] / image.shape[1]
    across = x - random.uniform(0.05, 0.95)
    down = (y - random.uniform(0.05, 0.5)) * ratio
    distance = across**2 + down**2
    glare = np.exp(-distance / random.uniform(0.01, 0.1)) + 0.25 * np.exp(-distance / 0.4)
    color = np.array([255.0, 240.0, 210.0])
    veiled = image + np.clip(random.uniform(0.6, 1.2) * glare, 0, 1) * (color - image)
    return _finish(veiled)


def motion_blur(image: Pixels, random: Random) -> Pixels:
    """Blur along a line, mostly sideways as in a bend."""
    length = max(3, round(image.shape[1] * random.uniform(0.01, 0.04)))
    kernel = np.zeros((length, length), np.float32)
    angle = math.radians(random.normal(0, 25))
    middle, reach = (length - 1) / 2, (length - 1) / 2
    offset = reach * math.cos(angle), reach * math.sin(angle)
    start = round(middle - offset[0]), round(middle - offset[1])
    end = round(middle + offset[0]), round(middle + offset[1])
    cv2.line(kernel, start, end, 1.0, 1)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def jpeg(image: Pixels, random: Random) -> Pixels:
    """Strong compression, as of a camera behind a slow link."""
    quality = int(random.integers(8, 50))
    _, data = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def lens_dirt(image: Pixels, random: Random) -> Pixels:
    """Soft brown and grey spots on the lens."""
    dirt = _spots(image, random, int(random.integers(4, 20)), 0.008, 0.05)
    shade = random.uniform(30, 130)
    color = shade * np.array([1.0, random.uniform(0.85, 1.0), random.uniform(0.7, 1.0)])
    return _finish(image + random.uniform(0.4, 0.9) * dirt * (color - image))


def color_cast(image: Pixels, random: Random) -> Pixels:
    """A wrong white balance."""
    gains: NDArray[np.float64] = np.exp(random.uniform(-0.3, 0.3, 3))
    return _finish(image.astype(np.float64) * gains)


CONDITIONS: dict[str, Condition] = {
    'night': night,
    'rain': rain,
    'fog': fog,
    'low_sun': low_sun,
    'motion_blur': motion_blur,
    'jpeg': jpeg,
    'lens_dirt': lens_dirt,
    'color_cast': color_cast,
}
"""By the name in `augment.conditions`."""
