# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""From bytes to what a network takes while it is trained: device, precision, normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from mfaranet_ros.backends.device import cpu_flags


class Feed:
    """Uploads images and normalises them on the device.

    precision: of the arithmetic, as `run.precision`. mean, std: of red, green and blue, for values
    in 0..1.
    """

    def __init__(
        self, device: torch.device, precision: str, mean: Sequence[float], std: Sequence[float]
    ) -> None:
        self.device = device
        self.precision = precision
        self.mixed = precision == 'bfloat16' or (precision == 'auto' and _has_bfloat16(device))
        factor = 1 / torch.tensor(std, dtype=torch.float32)
        self._gain = (factor / 255).view(1, 3, 1, 1).to(device)
        self._offset = (-torch.tensor(mean) * factor).view(1, 3, 1, 1).to(device)

    def normalised_by(self, mean: Sequence[float], std: Sequence[float]) -> Feed:
        """Return one for a network with other statistics."""
        return Feed(self.device, self.precision, mean, std)

    def normalise(self, images: Tensor) -> Tensor:
        """Return uint8 (N, H, W, 3) RGB as float32 (N, 3, H, W), in memory channels last."""
        float_images = images.to(self.device, non_blocking=True).permute(0, 3, 1, 2).float()
        return torch.addcmul(self._offset, float_images, self._gain)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which the network runs: bfloat16 where it is fit for it."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed)


def _has_bfloat16(device: torch.device) -> bool:
    if device.type == 'cuda':
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(cpu_flags() & {'avx512_bf16', 'amx_bf16'})
