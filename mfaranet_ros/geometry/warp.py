# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images of a camera that has tilted a little, as they would be if it had not.

The tables of a ground projection are made for one pose, which takes up to a second. For another
pose near it each frame is resampled instead: a pixel of the tables shows the same ground point in
the new image. Where that is changes smoothly, so it is computed exactly, distortion included, at
the nodes of a coarse net and interpolated in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.geometry.camera import CameraModel
from mfaranet_ros.geometry.mounting import MountingPose

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Bytes = NDArray[np.uint8]

NODES = 32
"""Number of nodes across the longer side of an image."""

OUTSIDE = -1e4
"""Stands for a pixel outside the image."""


class ImageWarp:
    """Where the pixels of some rows of a camera are in its image from other poses.

    camera: of the masks. pose: of the tables. rows: those that the tables use.
    """

    def __init__(self, camera: CameraModel, pose: MountingPose, rows: slice) -> None:
        self._camera = camera
        self._pose = pose
        self._rows = rows
        self._step = max(4, -(-max(camera.size) // NODES))
        counts = (-(-(rows.stop - rows.start) // self._step), -(-camera.width // self._step))
        self._shape = tuple(count + 2 for count in counts)
        v, u = (
            (np.arange(-1, count + 1) + 0.5) * self._step - 0.5 + first
            for count, first in zip(counts, (rows.start, 0), strict=True)
        )
        pixels = np.stack(np.meshgrid(u, v), axis=-1).reshape(-1, 2)
        self._directions = pose.to_base(camera.rays(pixels))
        """float64 (N, 3), NaN where no light comes from."""

    def to_image(self, pose: MountingPose) -> Places:
        """Return where the pixels are in the image of a camera at a pose.

        They belong to the ground point that the pixel sees from the pose of the tables; above
        the horizon, to its direction.
        """
        moved = np.array(self._pose.position_m) - pose.position_m
        per_height = -self._directions[:, 2:] / self._pose.position_m[2]
        nodes, valid = self._camera.project(
            pose.rotate_to_camera(self._directions + per_height * moved)
        )
        rows = self._used_rows(nodes[valid])
        nodes[:, 1] -= rows.start
        nodes[~valid] = OUTSIDE
        height, width = self._shape
        size = width * self._step, height * self._step
        net = nodes.astype(np.float32).reshape(height, width, 2)
        whole = cv2.resize(net, size, interpolation=cv2.INTER_LINEAR)
        count = self._rows.stop - self._rows.start
        inner = slice(self._step, self._step + count)
        return Places(rows, whole[inner, self._step : self._step + self._camera.width])

    def _used_rows(self, nodes: Floats) -> slice:
        """Return the rows of the image in which places between these nodes lie."""
        height = self._camera.height
        if not len(nodes):
            return slice(0, height)
        first = int(np.clip(nodes[:, 1].min() - 1, 0, height - 1))
        last = int(np.clip(nodes[:, 1].max() + 1, first, height - 1))
        return slice(first, last + 1)


@dataclass(frozen=True, eq=False)
class Places:
    """Where pixels of the tables are in an image.

    rows: the rows of the image that are read. pixels: float32 (rows of the tables, width, 2),
    column and row, counted from the first of `rows`.
    """

    rows: slice
    pixels: Singles

    def resample(self, image: Bytes, outside: int) -> Bytes:
        """Return the nearest pixels of the rows of an image, uint8.

        outside: what stands where a place is not among them.
        """
        found = cv2.remap(
            image, self.pixels, None, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT,
            borderValue=outside,
        )  # fmt: skip
        return np.asarray(found, np.uint8)

    def touched(self, mask: Bytes) -> Bytes:
        """Return where any of the four pixels around a place is set: uint8, not 0 where one is.

        mask: uint8, 0 or 255, the rows of an image.
        """
        found = cv2.remap(
            mask, self.pixels, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
        return np.asarray(found, np.uint8)

    def index(self, pixels: NDArray[np.int64], height: int) -> NDArray[np.int64]:
        """Return the indices in a whole image, row by row, of pixel indices of the tables."""
        width = self.pixels.shape[1]
        row, column = np.divmod(pixels, width)
        u, v = np.rint(self.pixels[row, column]).astype(np.int64).T
        v = np.clip(v + self.rows.start, 0, height - 1)
        return np.asarray(v * width + np.clip(u, 0, width - 1))
