# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What an image looks like to a network: the mean of the last features of its backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.backends.network import Network

if TYPE_CHECKING:
    from torch import nn

Floats = NDArray[np.float32]

HEIGHT_PX, WIDTH_PX = 256, 512
"""The size at which images are compared, whatever their own."""

CELLS = 8
"""Rows and columns of the image that stands in where a network has no backbone to look into."""

_LAST_STAGES = ('layer4', 'backbone')
"""The modules of our networks whose last output is the coarsest of the backbone."""


class FeatureExtractor:
    """Gives images a vector; the angle between two vectors says how different the images are.

    kind: what the vectors are made of, for the report.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self._model, self._stage = _last_stage(network)
        self.kind = 'backbone' if self._stage is not None else 'colours'

    def __call__(self, rgb: NDArray[np.uint8]) -> Floats:
        """Return the vector of an image, uint8 (H, W, 3): float32 (D,), of length 1."""
        if self._stage is None:
            small = cv2.resize(rgb, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
            vector = np.asarray(small, np.float32).ravel() - 127.5
        else:
            vector = self._features(rgb, self._stage)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-12), np.float32)

    def _features(self, rgb: NDArray[np.uint8], stage: nn.Module) -> Floats:
        import torch

        small = cv2.resize(rgb, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        mean, std = (
            np.array(each, np.float32) for each in (self._network.mean, self._network.std)
        )
        scaled = (np.asarray(small, np.float32) / 255 - mean) / std
        weight = next(self._model.parameters())
        tensor = torch.from_numpy(scaled.transpose(2, 0, 1)[None].copy()).to(weight)
        seen: list[Any] = []
        hook = stage.register_forward_hook(lambda module, given, out: seen.append(out))
        try:
            with torch.inference_mode():
                self._model(tensor)
        finally:
            hook.remove()
        last = seen[-1] if isinstance(seen[-1], torch.Tensor) else seen[-1][-1]
        pooled: Floats = last.float().mean(dim=(0, 2, 3)).cpu().numpy()
        return pooled


def _last_stage(network: Network) -> tuple[Any, nn.Module | None]:
    for name in _LAST_STAGES:
        stage = getattr(network.model, name, None)
        if stage is not None:
            return network.model, stage
    return None, None
