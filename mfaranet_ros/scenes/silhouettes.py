"""Outlines of what is not a box: masks that patches are cut out by."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


def _person() -> Mask:
    mask = np.zeros((128, 48), np.uint8)
    cv2.ellipse(mask, (24, 12), (8, 11), 0, 0, 360, 1, -1)
    cv2.fillPoly(mask, [np.array(((8, 28), (40, 28), (42, 70), (38, 127), (10, 127), (6, 70)))], 1)
    return mask.astype(bool)


def _crown() -> Mask:
    mask = np.zeros((128, 128), np.uint8)
    cv2.ellipse(mask, (64, 50), (62, 49), 0, 0, 360, 1, -1)
    cv2.rectangle(mask, (60, 90), (68, 127), 1, -1)
    return mask.astype(bool)


_DRAWN: dict[str, Callable[[], Mask]] = {'person': _person, 'crown': _crown}


@cache
def silhouette(name: str) -> Mask | None:
    """Return a mask, bool (height, width), first row on top; None for the empty name: whole."""
    return _DRAWN[name]() if name else None
