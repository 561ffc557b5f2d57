# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How a network is run over an image: once over the whole, or in parts, enlarged and mirrored.

The four ways of the paper are in METHODS (models.md 1.7, from the authors' code): parts of
1024x1024, logits of the image and its mirror image averaged, then exponentiated, summed over
windows and test-time scales. Unlike theirs, an image smaller than a window is not padded: the
networks take any size.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.specification import NetworkFile
from mfaranet_ros.pipeline.preprocess import Preprocess
from mfaranet_ros.pipeline.processor import FrameProcessor

LARGEST_SCALE = 8.0

MAX_LOGIT = 80.0
"""Larger ones are taken for this before they are exponentiated; float32 ends at 88."""


@dataclass(frozen=True)
class Method:
    """How a network is run; by default once, over the whole image.

    window: height and width of the parts in pixels, None for the whole; an image is not padded
        to it. step: by which share of itself a part is away from the next.
    test_time_scales: factors by which the image is resized; the scores are added.
    flip: the mirror image is run, too.
    """

    window: tuple[int, int] | None = None
    step: float = 1.0
    test_time_scales: tuple[float, ...] = (1.0,)
    flip: bool = False

    def __post_init__(self) -> None:
        if self.window is not None and min(self.window) < 1:
            raise ConfigError(f'window {self.window}: height and width must be 1 px or more')
        if not 0 < self.step <= 1:
            raise ConfigError(f'step {self.step}: must be above 0, and 1 at most')
        if not self.test_time_scales or not all(
            0 < scale <= LARGEST_SCALE for scale in self.test_time_scales
        ):
            raise ConfigError(
                f'test-time scales {list(self.test_time_scales)}: give one or more above 0 and '
                f'up to {LARGEST_SCALE:g}'
            )

    def __str__(self) -> str:
        parts = ['whole image']
        if self.window is not None:
            parts = [f'windows of {self.window[0]}x{self.window[1]} px, step {self.step:.2g}']
        if self.test_time_scales != (1.0,):
            parts.append(
                f'test-time scales {", ".join(f"{scale:g}" for scale in self.test_time_scales)}'
            )
        return ', '.join([*parts, *(['flip'] if self.flip else [])])


PAPER_WINDOW = (1024, 1024)

METHODS = {
    'whole': Method(),
    'window': Method(PAPER_WINDOW),
    'window-flip': Method(PAPER_WINDOW, flip=True),
    'multi-scale': Method(PAPER_WINDOW, 2 / 3, (0.5, 0.75, 1.0, 1.25, 1.5, 1.75), flip=True),
}
"""The ways in which the paper's figures were measured."""


class Runner:
    """Runs a pipeline's network over frames by a method.

    Once over the whole image is the pipeline itself; else its preprocessing and its backend.
    """

    def __init__(self, pipeline: FrameProcessor, method: Method) -> None:
        if method != METHODS['whole'] and isinstance(pipeline.network.model, NetworkFile):
            raise ConfigError(
                f'method {method}: {pipeline.network.name} is a network file, which runs over the '
                'whole image only: leave the method out'
            )
        size = pipeline.config.input
        self._pipeline = pipeline
        self._method = method
        self._classes = len(pipeline.label_set)
        self._preprocess = Preprocess(
            pipeline.network.mean,
            pipeline.network.std,
            (size.height, size.width),
            pipeline.backend.device,
            torch.float32,
        )

    def __call__(self, frame: Frame) -> NDArray[np.uint8]:
        """Return the labels of a frame, uint8 (H, W); raises InferenceError."""
        if self._method == METHODS['whole']:
            return self._pipeline(frame).labels
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
