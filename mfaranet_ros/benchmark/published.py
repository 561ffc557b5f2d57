# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The network as its authors publish it, which all rows of a benchmark are compared with."""

from __future__ import annotations

import dataclasses
from typing import cast

import torch
from torch import Tensor

from mfaranet_ros.adaptive.operating_points import OperatingPoint
from mfaranet_ros.backends import resolve_device
from mfaranet_ros.backends.network import Network
from mfaranet_ros.benchmark.subjects import REFERENCE, Labels, Row
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.models import SegmentationModel


class Reference:
    """The network as published: plain float32, eager, logits at full resolution, the largest one.

    Images go through it at their own size. Nothing of ours is used but the network itself.
    """

    def __init__(self, config: PipelineConfig, network: Network, size: tuple[int, int]) -> None:
        self.device = resolve_device(config.runtime.device)
        self.network = cast(SegmentationModel, network.model).to(self.device)
        self.label_set = network.label_set
        self.input_size = size
        self.detail = 'as published: eager, logits at full resolution'
        operating_point = dataclasses.replace(OperatingPoint.of(config), size=size)
        self.row = Row(config.model.name, str(operating_point), 'float32', REFERENCE)
        self._mean, self._std = (
            torch.tensor(values, device=self.device).view(1, 3, 1, 1)
            for values in (network.mean, network.std)
        )

    @torch.inference_mode()
    def __call__(self, frame: Frame) -> tuple[Labels, Timings]:
        """Run it as the authors' code does, from bytes in RGB or BGR."""
        lap = Laps()
        pixels = frame.pixels if frame.encoding == 'rgb8' else frame.pixels[..., ::-1]
        x = torch.from_numpy(pixels.copy()).to(self.device).permute(2, 0, 1)[None]
        x = (x.float() / 255 - self._mean) / self._std
        self._settle()
        preprocess_ms = lap()
        logits: Tensor = self.network(x)
        self._settle()
        inference_ms = lap()
        labels: Labels = logits[0].argmax(0).to(torch.uint8).cpu().numpy()
        return labels, Timings(None, preprocess_ms, inference_ms, lap())

    def _settle(self) -> None:
        if self.device.type == 'cuda':
            torch.cuda.synchronize(self.device)

    def close(self) -> None:
        """Free the device."""
        del self.network
