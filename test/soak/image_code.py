# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images that carry their own number, so that an output shows which image it was made from.

The number fills the upper quarter of the image as 8 x 4 cells, black or white. It can be read from
the camera image and from an overlay of it whose alpha is at most MAX_ALPHA.
"""

import numpy as np

COLUMNS, ROWS = 8, 4
MAX_ALPHA = 0.4
UNREADABLE = -1
"""The number of an image that carries none, because it is black or white all over."""


def with_code(body, code):
    """Return a copy of an image, uint8 (H, W, 3), that carries a number below 2**32."""
    pixels = body.copy()
    height, width = pixels.shape[:2]
    bits = (code >> np.arange(COLUMNS * ROWS) & 1).reshape(ROWS, COLUMNS)
    rows = np.arange(height // 4) * ROWS // (height // 4)
    columns = np.arange(width) * COLUMNS // width
    pixels[: height // 4] = 255 * bits[rows][:, columns, None]
    return pixels


def read_code(pixels):
    """Return the number that an image or overlay, uint8 (H, W, 3), carries."""
    height, width = pixels.shape[:2]
    rows = (2 * np.arange(ROWS) + 1) * (height // 4) // (2 * ROWS)
    columns = (2 * np.arange(COLUMNS) + 1) * width // (2 * COLUMNS)
    cells = pixels[rows][:, columns].mean(axis=2) > 127
    return int((cells.reshape(-1).astype(np.int64) << np.arange(COLUMNS * ROWS)).sum())
