# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What stands before and after the network in a FrameProcessor.

Networks of torch take and give tensors, network files NumPy arrays. Neither the processor nor the
self-test looks into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.frame import Frame, Geometry


class Preprocess(Protocol):
    """Turns frames into the input of one backend."""

    def __call__(self, frame: Frame) -> tuple[Any, Geometry]:
        """Return the network input of a frame, a batch of one, and how the two relate."""
        ...

    def geometry(self, height: int, width: int) -> Geometry:
        """Return how a camera image of this height and width will stand in the input."""
        ...

    def join(self, inputs: Sequence[Any]) -> Any:
        """Return one batch of inputs that are of one size."""
        ...


class Postprocess(Protocol):
    """Turns what one backend gives into labels and confidence."""

    def __call__(
        self, logits: Any, geometry: Geometry, *, resolution: str, with_confidence: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Return the labels uint8 (H, W) of a batch of one and, if wanted, their confidence.

        resolution: size of the result: 'camera', or 'network' for the part of the network input
        that holds the image. confidence: uint8 (H, W), a probability times 255.
        """
        ...
