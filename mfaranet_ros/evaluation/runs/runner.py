# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs a network of torch over parts of an image, enlarged and mirrored; see method.py."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mfaranet_ros.core.frame import Frame
from mfaranet_ros.evaluation.runs.method import Method
from mfaranet_ros.pipeline.preprocess import Preprocess
from mfaranet_ros.pipeline.processor import FrameProcessor

MAX_LOGIT = 80.0
"""Larger ones are taken for this before they are exponentiated; float32 ends at 88."""


class Runner:
    """Runs the preprocessing and the backend of a pipeline over frames by a method."""

    def __init__(self, pipeline: FrameProcessor, method: Method) -> None:
        size = pipeline.config.input
        self._pipeline = pipeline
        self._method = method
        self._classes = len(pipeline.label_set)
        self._preprocess = Preprocess(
            pipeline.network.mean,
            pipeline.network.std,
            (size.height, size.width),
            cast(torch.device, pipeline.backend.device),
            torch.float32,
        )

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the labels of a frame, uint8 (H, W); raises InferenceError."""
        with torch.inference_mode():
            return np.asarray(self._scores(frame).argmax(0).to(torch.uint8).cpu())

    def _scores(self, frame: Frame) -> torch.Tensor:
        """Return scores (C, H, W) at camera size; the largest is the label."""
        tensor, geometry = self._preprocess(frame)
        height, width = geometry.content
        image = tensor[:, :, :height, :width]  # (1, 3, h, w) without padding
        total = tensor.new_zeros(1, self._classes, *geometry.camera)
        for scale in self._method.test_time_scales:
            size = max(1, round(height * scale)), max(1, round(width * scale))
            scaled = image
            if size != (height, width):
                scaled = F.interpolate(image, size, mode='bilinear', antialias=True)
            scores = self._sweep(scaled)  # (1, C, *size)
            if size != geometry.camera:
                scores = F.interpolate(scores, geometry.camera, mode='bilinear')
            total += scores
        return total[0]

    def _sweep(self, image: torch.Tensor) -> torch.Tensor:
        """Return the mean of the scores that the parts give each pixel, (1, C, h, w)."""
        height, width = image.shape[2:]
        window = self._method.window or (height, width)
        total = image.new_zeros(1, self._classes, height, width)
        times = image.new_zeros(height, width)
        for rows, columns in cut((height, width), window, self._method.step):
            total[:, :, rows, columns] += self._part_scores(image[:, :, rows, columns])
            times[rows, columns] += 1
        return total.div_(times)

    def _part_scores(self, part: torch.Tensor) -> torch.Tensor:
        """Return the exponentiated logits of a part, at its size."""
        logits = self._logits(part)
        if self._method.flip:
            # Enlarging is symmetric, so that the coarse logits can be turned back and averaged.
            logits = (logits + self._logits(part.flip(3)).flip(3)) / 2
        size = [part.shape[2], part.shape[3]]
        full = F.interpolate(logits, size, mode='bilinear', align_corners=True)
        return full.clamp_(max=MAX_LOGIT).exp_()

    def _logits(self, part: torch.Tensor) -> torch.Tensor:
        backend = self._pipeline.backend
        part = part.to(backend.dtype).contiguous(memory_format=torch.channels_last)
        logits: torch.Tensor = backend(part)
        return logits.float()


def cut(
    size: tuple[int, int], window: tuple[int, int], step: float
) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of the parts of an image; together they cover all of it.

    All parts are of the window's size, or of the image's where that is smaller; the last of a
    row or column is moved back inside.
    """
    yield from itertools.product(
        *(_stretches(*axis, step) for axis in zip(size, window, strict=True))
    )


def _stretches(length: int, window: int, step: float) -> list[slice]:
    window = min(window, length)
    stride = max(1, int(window * step))
    starts = [*range(0, length - window, stride), length - window]
    return [slice(start, start + window) for start in starts]
