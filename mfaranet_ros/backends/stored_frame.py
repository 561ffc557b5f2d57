# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The frame of the self-test: a street drawn by rule, so that no image need be shipped.

It has what makes a network's answer sensitive: slanted edges, thin things, texture, and colours
that mean something, so that a swapped channel or a lost interpolation shows.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import Frame

_HEIGHT, _WIDTH, _HORIZON = 360, 480, 165

Image = NDArray[np.uint8]
Color = tuple[int, int, int]
"""Blue, green and red, each 0 to 255."""


@lru_cache(maxsize=1)
def stored_frame() -> Frame:
    """Return the street, bgr8, 360 x 480 pixels, the same each time; its pixels are read-only."""
    image = _sky()
    _houses(image)
    _trees(image)
    _ground(image)
    _car(image, left=285, top=178, width=96, color=(32, 28, 96))
    _car(image, left=208, top=166, width=34, color=(120, 118, 112))
    _pedestrian(image, x=415, foot=270, height=92)
    _pedestrian(image, x=82, foot=232, height=60)
    for x, top in ((120, 40), (362, 62)):
        cv2.line(image, (x, top), (x, 222), (48, 50, 50), 4)
    pixels = _grain(cv2.GaussianBlur(image, (0, 0), 0.8))
    pixels.flags.writeable = False
    return Frame(pixels, 'bgr8', 0, 'stored_frame')


def _sky() -> Image:
    down = np.linspace(0, 1, _HEIGHT)[:, None, None]
    column = (1 - down) * (196, 188, 178) + down * (214, 212, 208)  # (H, 1, 3)
    image: Image = np.repeat(column, _WIDTH, axis=1).round().astype(np.uint8)
    return image


def _houses(image: Image) -> None:
    """Draw two rows of house fronts that run towards the vanishing point."""
    for side, edges in ((0, (0, 70, 125, 160, 185)), (_WIDTH, (0, 60, 110, 150, 178))):
        for index, (near, far) in enumerate(pairwise(edges)):
            x0, x1 = abs(side - near), abs(side - far)
            top0, top1 = 4 + 0.75 * near + 12 * index, 4 + 0.75 * far + 12 * index
            shade = np.array((52, 62, 74)) * (1.0 - 0.12 * index) + 14 * (index % 2)
            color = tuple(int(value) for value in shade)
            corners = np.array([(x0, top0), (x1, top1), (x1, 200), (x0, 240)], np.int32)
            cv2.fillConvexPoly(image, corners, color)
            for row in range(4):
                for column in range(3):
                    x = int(x0 + (x1 - x0) * (0.15 + 0.3 * column))
                    y = int(top0 + (top1 - top0) * 0.5 + 14 + row * (200 - top1) / 5)
                    size = 2 + abs(x1 - x0) // 9
                    cv2.rectangle(image, (x, y), (x + size // 2, y + size), (30, 26, 24), -1)


def _trees(image: Image) -> None:
    random = np.random.default_rng(7)
    for x, y, radius in ((150, 120, 34), (330, 132, 26), (440, 100, 40)):
        cv2.line(image, (x, y), (x, y + 2 * radius + 30), (25, 30, 36), radius // 5)
        for _ in range(60):
            angle, share = random.random() * 2 * np.pi, random.random() ** 0.5
            at = int(x + radius * share * np.cos(angle)), int(y + radius * share * np.sin(angle))
            light = 0.5 + 0.7 * random.random()
            leaf = tuple(int(value * light) for value in (28, 52, 42))
            cv2.circle(image, at, radius // 5, leaf, -1)


def _ground(image: Image) -> None:
    """Draw pavements, kerbs and the road with its marks, all towards the vanishing point."""
    vanishing, bottom = (236, _HORIZON), _HEIGHT

    def wedge(left: int, right: int, color: Color) -> None:
        corners = np.array([vanishing, (left, bottom), (right, bottom)], np.int32)
        cv2.fillConvexPoly(image, corners, color)

    wedge(-900, 1400, (84, 88, 92))  # pavements
    wedge(-230, 760, (112, 114, 116))  # kerbs
    wedge(-205, 735, (58, 57, 57))  # road
    for near, far in ((0.9, 0.68), (0.52, 0.4), (0.32, 0.26)):
        y0, y1 = (int(_HORIZON + share * (bottom - _HORIZON)) for share in (near, far))
        x0, x1 = (int(236 + share * 24) for share in (near, far))
        corners = [(x0 - int(8 * near), y0), (x0 + int(8 * near), y0), (x1 + 1, y1), (x1 - 1, y1)]
        cv2.fillConvexPoly(image, np.array(corners, np.int32), (150, 152, 152))


def _car(image: Image, *, left: int, top: int, width: int, color: Color) -> None:
    """Draw a car from behind in a box of about three quarters of its width in height."""

    def box(x0: float, y0: float, x1: float, y1: float, fill: Color) -> None:
        start = left + int(x0 * width), top + int(y0 * width)
        cv2.rectangle(image, start, (left + int(x1 * width), top + int(y1 * width)), fill, -1)

    box(-0.03, 0.7, 1.03, 0.78, (26, 26, 26))  # shadow
    box(0.06, 0.6, 0.24, 0.76, (16, 16, 16))  # wheels
    box(0.76, 0.6, 0.94, 0.76, (16, 16, 16))
    box(0.12, 0.0, 0.88, 0.35, color)
    box(0.0, 0.28, 1.0, 0.68, color)
    box(0.19, 0.06, 0.81, 0.28, (48, 42, 38))  # window
    box(0.03, 0.36, 0.16, 0.46, (30, 30, 150))  # lamps
    box(0.84, 0.36, 0.97, 0.46, (30, 30, 150))
    box(0.36, 0.5, 0.64, 0.6, (130, 150, 155))  # plate


def _pedestrian(image: Image, *, x: int, foot: int, height: int) -> None:
    step = height // 10
    cv2.line(image, (x - step, foot), (x, foot - 5 * step), (36, 28, 26), step + 1)
    cv2.line(image, (x + step, foot), (x, foot - 5 * step), (36, 28, 26), step + 1)
    cv2.ellipse(image, (x, foot - 6 * step), (2 * step, 3 * step), 0, 0, 360, (30, 34, 58), -1)
    cv2.circle(image, (x, foot - 9 * step), step, (80, 96, 122), -1)


def _grain(image: Image) -> Image:
    """Return the image with fine noise, and coarser spots as asphalt and stone have them."""
    random = np.random.default_rng(11)
    fine = random.random((_HEIGHT, _WIDTH, 1)) - 0.5
    coarse = cv2.resize(random.random((_HEIGHT // 8, _WIDTH // 8)) - 0.5, (_WIDTH, _HEIGHT))
    noisy = image + 12 * fine + 16 * coarse[..., None]
    grained: Image = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    return grained
