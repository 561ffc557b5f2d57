# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Choosing frames that are worth labelling and different from one another.

Greedy k-center (Sener and Savarese, Active Learning for Convolutional Neural Networks: A Core-Set
Approach, 2018), the distance of each frame multiplied by what it is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.curation.scoring import Candidate

SAME = 1e-6
"""Frames nearer than this to one that is chosen are not chosen."""


def choose(candidates: Sequence[Candidate], worth: NDArray[np.float64], count: int) -> list[int]:
    """Return the indices of up to `count` frames, the best first.

    worth: float64 (N,), 0 to 1. Frames with a problem and duplicates are never chosen, so there
    may be fewer. Raises ConfigError for a count below 1.
    """
    if count < 1:
        raise ConfigError(f'--count {count}: must be 1 or more')
    features = np.array([each.features for each in candidates], np.float32)
    far = np.full(len(candidates), 2.0)
    free = np.array([not each.problem for each in candidates], bool)
    chosen: list[int] = []
    while len(chosen) < count and free.any():
        gain = np.where(free, (worth + 1e-9) * far, -1.0)
        best = int(gain.argmax())
        chosen.append(best)
        far = np.minimum(far, 1 - features @ features[best])
        free &= far > SAME
        free[best] = False
    return chosen
