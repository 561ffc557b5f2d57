# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A backend that runs no network: for tests, and to try the node without weights.

It draws the same street whatever the camera sees: a road that narrows towards the horizon,
another class beside it, the remaining classes as bands above.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mfaranet_ros.backends.device import name_device, name_precision
from mfaranet_ros.backends.protocol import BackendInfo
from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.labels import Role, get_label_set, list_label_sets

LOGIT = 6.0
"""The logit of the drawn class where all others are 0."""

HORIZON = 0.5
"""Share of the image's height that lies above the road."""


@dataclass
class MockLoad:
    """How busy the pretended machine is: mocks that share it take `factor` times their delay.

    factor: may be changed at any time. sleep: waits for a number of seconds; a simulation gives
    one that only moves its clock.
    """

    factor: float = 1.0
    sleep: Callable[[float], None] = time.sleep


class MockBackend:
    """Draws logits instead of computing them.

    classes: their number; the road is the drivable class of the label set of this size, else 0.
    delay_s: how long each call takes at least; may be changed at any time.
    load: lengthens the delay, by default not at all.
    fail: called with the number of the frame (0, 1 ...); an error that it returns is raised.
    """

    name = 'mock'

    def __init__(
        self,
        classes: int,
        *,
        device: torch.device = torch.device('cpu'),  # noqa: B008 (a device is a constant)
        dtype: torch.dtype = torch.float32,
        delay_s: float = 0.0,
        load: MockLoad | None = None,
        fail: Callable[[int], Exception | None] | None = None,
    ) -> None:
        self.classes = classes
        self.device = device
        self.dtype = dtype
        self.delay_s = delay_s
        self.load = load or MockLoad()
        self.fail = fail
        self.frames = 0
        self._closed = False

    def __call__(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return the drawn logits for an input, see Backend."""
        if self._closed:
            raise InferenceError('the backend is closed: make a new one')
        number, self.frames = self.frames, self.frames + 1
        if self.delay_s > 0:
            self.load.sleep(self.delay_s * self.load.factor)
        error = self.fail(number) if self.fail else None
        if error is not None:
            raise error
        height, width = (-(-size // 4) for size in tensor.shape[2:])
        drawn = torch.from_numpy(draw_street(height, width, self.classes))
        hot = drawn == torch.arange(self.classes).view(-1, 1, 1)
        logits = (hot[None] * LOGIT).to(self.device, self.dtype)
        return logits.expand(len(tensor), -1, -1, -1)

    def describe(self) -> BackendInfo:
        """Return that no network runs."""
        return BackendInfo(
            self.name,
            name_device(self.device),
            name_precision(self.dtype),
            'NO NETWORK RUNS: a drawn street, the same for every frame',
        )

    def close(self) -> None:
        """Refuse further calls."""
        self._closed = True


def draw_street(height: int, width: int, classes: int) -> NDArray[np.uint8]:
    """Return the labels (height, width) of the street, uint8."""
    road = road_class(classes)
    others = [label for label in range(classes) if label != road] or [road]
    down = (np.arange(height)[:, None] + 0.5) / height
    aside = np.abs((np.arange(width)[None] + 0.5) / width - 0.5)
    below = (down - HORIZON) / (1 - HORIZON)  # 0 at the horizon, 1 at the bottom
    band = np.clip(down / HORIZON * len(others), 0, len(others) - 1).astype(np.intp)
    street = np.where(below < 0, np.asarray(others)[band], others[-1])
    return np.where((below >= 0) & (aside < 0.05 + 0.4 * below), road, street).astype(np.uint8)


def road_class(classes: int) -> int:
    """Return the drivable class of the label set with this number of classes, else 0."""
    for label_set in map(get_label_set, list_label_sets()):
        drivable = [entry.id for entry in label_set.classes if entry.role == Role.DRIVABLE]
        if len(label_set) == classes and drivable:
            return drivable[0]
    return 0
