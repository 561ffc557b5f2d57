# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Objects of rare classes, cut out of one image and pasted into another.

After Ghiasi et al., Simple Copy-Paste (arXiv 2012.07177), but of rare classes alone: an object
stays at its height in the image, where perspective gives it its size, and moves sideways.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.labels import Pixels
from mfaranet_ros.training.config import AugmentConfig
from mfaranet_ros.training.datasets import Sample

LEAST_PX = 40
"""Smaller objects are not worth pasting."""


class Paste:
    """Adds one or more objects of rare classes to a sample.

    read: of the dataset the objects come from. counts: int64 (N, C), pixels of each class in each
    image. config: which classes are rare, how many objects are added and in which light.
    """

    def __init__(
        self, read: Callable[[int], Sample], counts: NDArray[np.int64], config: AugmentConfig
    ) -> None:
        self._read = read
        self._most, self._light = config.paste_objects, config.paste_light
        below = config.paste_below
        shares = counts.sum(axis=0) / max(1, counts.sum())
        enough = counts >= LEAST_PX
        self.rare = tuple(int(c) for c in np.flatnonzero((shares < below) & enough.any(axis=0)))
        self._donors = {label: np.flatnonzero(enough[:, label]) for label in self.rare}

    def __call__(self, sample: Sample, random: np.random.Generator) -> Sample:
        """Return a sample with the objects; the given one stays as it is."""
        if not self.rare:
            return sample
        image, labels = sample.image.copy(), sample.labels.copy()
        for _ in range(int(random.integers(1, self._most + 1))):
            label = self.rare[int(random.integers(len(self.rare)))]
            donors = self._donors[label]
            try:
                donor = self._read(int(donors[int(random.integers(len(donors)))]))
            except SourceError:
                continue  # it is counted when it is an image of its own
            found = _cut(donor, label, random)
            if found is not None:
                pixels, own, row = found
                light = math.exp(random.uniform(-self._light, self._light))
                _put(image, labels, label, np.minimum(light * pixels, 255), own, row, random)
        return Sample(sample.name, image, labels, sample.scale)


def _cut(
    donor: Sample, label: int, random: np.random.Generator
) -> tuple[Pixels, Pixels, int] | None:
    """Return one object: its pixels (h, w, 3), which of them it has (h, w), and its first row."""
    mask = np.asarray(donor.labels == label, np.uint8)
    _, parts, boxes, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    large = np.flatnonzero(boxes[1:, cv2.CC_STAT_AREA] >= LEAST_PX) + 1
    if not len(large):
        return None
    part = int(large[int(random.integers(len(large)))])
    x, y, width, height = (int(value) for value in boxes[part, :4])
    rows, columns = slice(y, y + height), slice(x, x + width)
    pixels = donor.image[rows, columns]
    own = np.asarray(parts[rows, columns] == part, np.uint8)
    if random.random() < 0.5:
        pixels, own = pixels[:, ::-1], own[:, ::-1]
    return pixels, own, y


def _put(
    image: Pixels,
    labels: Pixels,
    label: int,
    pixels: NDArray[np.float64],
    own: Pixels,
    row: int,
    random: np.random.Generator,
) -> None:
    """Paste an object at its row and any column; one that is larger than the image is not."""
    height, width = own.shape
    spare_rows, spare_columns = labels.shape[0] - height, labels.shape[1] - width
    if spare_rows < 0 or spare_columns < 0:
        return
    y, x = min(row, spare_rows), int(random.integers(spare_columns + 1))
    there = slice(y, y + height), slice(x, x + width)
    # Its corners are mixed with what is behind it, but a pole of two pixels stays as it is.
    soft = np.minimum(1.5 * cv2.blur(np.pad(own, 1).astype(np.float32), (3, 3))[1:-1, 1:-1], 1)
    alpha = (soft * own)[..., None]
    image[there] = np.rint(alpha * pixels + (1 - alpha) * image[there]).astype(np.uint8)
    labels[there][own > 0] = label
