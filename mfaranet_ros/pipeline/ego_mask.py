# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The pixels of an image that show the own vehicle: bonnet, mirrors, roof.

They are unlabeled in every mask. In metres they count as if they were outside the image, so that
they are neither free nor an obstacle, and the free space begins behind them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import InputConfig
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.files import printable

Bytes = NDArray[np.uint8]

POLYGON_SIZE = 2048
"""Height and width, in pixels, to which polygons are drawn; they have no size of their own."""


@dataclass(frozen=True, eq=False)
class EgoMask:
    """Which pixels of a camera show the own vehicle.

    pixels: uint8 (H, W), 255 on the own vehicle, else 0. has_size: whether images have its
    proportions; polygons fit all of them.
    """

    pixels: Bytes
    has_size: bool
    _sizes: dict[tuple[int, int], Bytes] = field(default_factory=dict, init=False)

    def at(self, size: tuple[int, int], camera: tuple[int, int]) -> Bytes:
        """Return the mask for masks of a height and width: uint8, 255 on the own vehicle.

        camera: height and width of the camera image. A pixel that shows any of the own vehicle
        belongs to it. Raises InferenceError for a camera of other proportions than the mask.
        """
        if size not in self._sizes:
            self._check(camera)
            if len(self._sizes) > 8:
                self._sizes.clear()
            self._sizes[size] = _scaled(self.pixels, size)
        return self._sizes[size]

    def _check(self, camera: tuple[int, int]) -> None:
        (height, width), (rows, columns) = camera, self.pixels.shape
        if self.has_size and abs(width * rows - height * columns) > max(camera):
            raise InferenceError(
                f'input.ego_mask has {columns}x{rows} pixels, but the images have '
                f'{width}x{height}: use a mask of the proportions of the images'
            )


def load_ego_mask(config: InputConfig) -> EgoMask | None:
    """Return the own vehicle of `input.ego_mask` and `input.ego_polygon`; None without either.

    Raises ConfigError for a file that is no image, and for a mask without an own vehicle or of
    nothing else.
    """
    if not config.ego_mask and not config.ego_polygon:
        return None
    masks = []
    if config.ego_mask:
        masks.append(_read(config.ego_mask))
    if config.ego_polygon:
        size = masks[0].shape if masks else (POLYGON_SIZE, POLYGON_SIZE)
        masks.append(_draw(config.ego_polygon, (size[0], size[1])))
    pixels = masks[0] | masks[-1]
    share = np.count_nonzero(pixels) / pixels.size
    if not 0 < share < 1:
        what = 'the whole image' if share else 'no pixel'
        raise ConfigError(
            f'input.ego_mask = {config.ego_mask!r}, input.ego_polygon = {config.ego_polygon!r}: '
            f'{what} would be the own vehicle; mark its pixels and no others, or leave both empty'
        )
    return EgoMask(pixels, bool(config.ego_mask))


def without_own(labels: Bytes, confidence: Bytes | None, own: Bytes) -> tuple[Bytes, Bytes | None]:
    """Return labels and confidence (H, W) with the own vehicle unlabeled and of confidence 0.

    own: uint8 (H, W), 255 on the own vehicle.
    """
    unlabeled: Bytes = cv2.bitwise_or(labels, own)  # 255 is UNLABELED
    if confidence is None:
        return unlabeled, None
    unsure: Bytes = cv2.bitwise_and(confidence, cv2.bitwise_not(own))
    return unlabeled, unsure


def _read(name: str) -> Bytes:
    path = Path(name).expanduser()
    data = path.read_bytes() if path.is_file() else b''
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if image is None:
        raise ConfigError(
            f'input.ego_mask = {printable(name)}: not an image file that can be read; give a PNG '
            'that is black but for the own vehicle'
        )
    return np.asarray(np.where(image > 0, 255, 0), np.uint8)


def _draw(text: str, size: tuple[int, int]) -> Bytes:
    """Return polygons drawn; raises ConfigError for a text that is none."""
    result = np.zeros(size, np.uint8)
    scale = np.array((size[1], size[0]))
    for part in text.split(';'):
        corners = np.array([_corner(text, corner) for corner in part.split()]).reshape(-1, 2)
        if len(corners) < 3:
            raise _no_polygon(text, f'{part.strip()!r} has {len(corners)} corners, not 3 or more')
        points = np.floor(corners * scale).astype(np.int32)
        cv2.fillPoly(result, [points], 255)
    return result


def _corner(text: str, corner: str) -> tuple[float, float]:
    try:
        x, y = map(float, corner.split(','))
    except ValueError:
        raise _no_polygon(text, f'{corner!r} is not X,Y') from None
    if not all(math.isfinite(value) and 0 <= value <= 1 for value in (x, y)):
        raise _no_polygon(text, f'{corner!r} is not within 0 to 1')
    return x, y


def _no_polygon(text: str, problem: str) -> ConfigError:
    return ConfigError(
        f'input.ego_polygon = {text!r}: {problem}; give corners X,Y as shares of width and '
        "height, as '0,1 0.2,0.8 0.8,0.8 1,1', and ; between polygons"
    )


def _scaled(pixels: Bytes, size: tuple[int, int]) -> Bytes:
    """Return a mask in another size; a pixel that shows any of the own vehicle belongs to it."""
    if pixels.shape == size:
        return pixels
    is_smaller = size[0] < pixels.shape[0]
    way = cv2.INTER_AREA if is_smaller else cv2.INTER_NEAREST
    # 16 bits, so that a small part of a pixel is not rounded to nothing.
    scaled = cv2.resize(pixels.astype(np.uint16) * 257, size[::-1], interpolation=way)
    return np.asarray(np.where(scaled > 0, 255, 0), np.uint8)
