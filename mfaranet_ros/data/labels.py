# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The two numberings of Cityscapes: train ids, which networks use, and label ids, which its
server and its `_labelIds` files use (Cordts et al., CVPR 2016)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import UNLABELED

LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of each train id."""

LARGEST_LABEL_ID = 33


def to_label_ids() -> NDArray[np.uint8]:
    """Return the label id of each mask value, uint8 (256,); 0 is unlabeled."""
    ids = np.zeros(256, np.uint8)
    ids[: len(LABEL_IDS)] = LABEL_IDS
    return ids


def to_train_ids() -> NDArray[np.uint8]:
    """Return the train id of each label id, uint8 (256,); 255 where it has none."""
    ids = np.full(256, UNLABELED, np.uint8)
    ids[list(LABEL_IDS)] = range(len(LABEL_IDS))
    return ids
