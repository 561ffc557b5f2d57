# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Colours by which a tool of others knows the classes in a mask: all different, none black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.labels import LabelSet

VOID = 255
"""The id of pixels without a class; black in the masks of CVAT, 0 in those of FiftyOne."""


def distinct_colors(label_set: LabelSet) -> NDArray[np.uint8]:
    """Return the RGB colour of each class, uint8 (C, 3): its own, or another if that is taken."""
    taken = {(0, 0, 0)}
    colors = []
    for entry in label_set.classes:
        red, green, blue = entry.color
        while (red, green, blue) in taken:
            red, green, blue = (red + 37) % 256, (green + 91) % 256, (blue + 53) % 256
        taken.add((red, green, blue))
        colors.append((red, green, blue))
    return np.array(colors, np.uint8)


def to_colors(labels: NDArray[np.uint8], colors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return class ids, uint8 (H, W), as colours, uint8 (H, W, 3); ids without class are black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = colors
    return table[labels]


def from_colors(
    image: NDArray[np.uint8], colors: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], int]:
    """Return the class ids of an image, uint8 (H, W, 3), and how many pixels have another colour.

    Black is VOID, and so is a colour of no class.
    """
    codes = image.astype(np.int64) @ (65536, 256, 1)
    labels = np.full(codes.shape, VOID, np.uint8)
    known = codes == 0
    for index, color in enumerate(colors.astype(np.int64) @ (65536, 256, 1)):
        here = codes == color
        labels[here] = index
        known |= here
    return labels, int((~known).sum())
