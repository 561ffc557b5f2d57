# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The check, when the node is configured, that the fast backend gives the network's answer.

A stored frame of the synthetic scene goes through the pipeline like a camera frame. Its labels are
compared with those of the network as published: plain float32, full-resolution logits, largest
one. The reference is written here a second time on purpose, as plainly as torch allows, so that it
shares no bug.

Two figures decide. Rounding to half precision only tips pixels between classes that are nearly
equal anyway: measured with the CamVid weights over all kinds of scale sets and input sizes,
bfloat16 tips 0.2 to 0.6 % of them and makes none clearly wrong. Mistakes move borders: sampling
the nearest instead of bilinearly, aligning corners otherwise or leaving out a scale makes 0.17 %
clearly wrong at the least; swapped colours or a wrong normalisation change the labels as such.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn

from mfaranet_ros.backends.agreement import (
    MAX_CLEARLY_WRONG,
    MIN_AGREEMENT,
    SelfTestResult,
    failure,
)
from mfaranet_ros.backends.protocol import Backend
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.frame import Frame, Geometry

CLEAR = 0.1
"""A label is clearly wrong if float32 puts its logit so far below the largest, measured in
standard deviations of all its logits."""


class Preprocess(Protocol):
    """What makes the network's input of a frame, see pipeline/preprocess.py."""

    @property
    def mean(self) -> tuple[float, ...]:
        """Of red, green and blue in 0..1."""
        ...

    @property
    def std(self) -> tuple[float, ...]:
        """Of red, green and blue in 0..1."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the input is made."""
        ...

    def __call__(self, frame: Frame) -> tuple[torch.Tensor, Geometry]:
        """Return the input (1, 3, h, w) and its geometry."""
        ...


class Postprocess(Protocol):
    """What makes labels of logits, see pipeline/postprocess.py."""

    def __call__(
        self, logits: torch.Tensor, geometry: Geometry, *, resolution: str, with_confidence: bool
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        """Return labels and, if wanted, confidence (H, W)."""
        ...


def run_self_test(
    backend: Backend,
    model: nn.Module | None,
    preprocess: Preprocess,
    postprocess: Postprocess,
    *,
    classes: int,
) -> SelfTestResult:
    """Segment the stored frame and compare it with plain float32 on the same device.

    model: the network that the backend runs; None where it runs none.
    preprocess, postprocess: those that camera frames go through.
    classes: how many classes the label set has.

    Raises ConfigError if shapes, values or labels are not as they must be or two runs differ, and
    InferenceError if the backend fails.
    """
    frame = stored_frame()
    tensor, geometry = preprocess(frame)
    logits, warm_up_ms = _run(backend, tensor)
    _check_logits(backend, logits, geometry, classes)
    labels = postprocess(logits, geometry, resolution='network', with_confidence=False)[0]
    again, run_ms = _run(backend, tensor)
    labels_again = postprocess(again, geometry, resolution='network', with_confidence=False)[0]
    differing = float(np.mean(labels != labels_again))
    if differing > 0:
        raise failure(backend, f'two runs of one frame differ on {differing:.2%} of the pixels')
    agreement = clearly_wrong = math.nan
    if model is not None:
        reference = _published_logits(model, preprocess, frame, geometry)
        agreement, clearly_wrong = compare_labels(labels, reference)
        if agreement < MIN_AGREEMENT or clearly_wrong > MAX_CLEARLY_WRONG:
            raise failure(
                backend,
                f'{agreement:.2%} of the pixels have the label of plain float32 and '
                f'{clearly_wrong:.2%} are clearly wrong, but it must be {MIN_AGREEMENT:.0%} or '
                f'more and {MAX_CLEARLY_WRONG:.2%} or less',
            )
    return SelfTestResult(agreement, clearly_wrong, warm_up_ms, run_ms)


def _run(backend: Backend, tensor: torch.Tensor) -> tuple[torch.Tensor, float]:
    start_ns = time.perf_counter_ns()
    logits = backend(tensor)
    return logits, (time.perf_counter_ns() - start_ns) / 1e6


def _check_logits(
    backend: Backend, logits: torch.Tensor, geometry: Geometry, classes: int
) -> None:
    height, width = geometry.input
    expected = (1, classes, -(-height // 4), -(-width // 4))
    if tuple(logits.shape) != expected:
        raise failure(backend, f'logits of shape {tuple(logits.shape)} instead of {expected}')
    if not torch.isfinite(logits).all().item():
        raise failure(backend, 'logits that are not finite')


@torch.inference_mode()
def _published_logits(
    model: nn.Module, preprocess: Preprocess, frame: Frame, geometry: Geometry
) -> torch.Tensor:
    """Return the logits (1, C, H, W) of the image within the network input, float32."""
    device = preprocess.device
    network: Any = copy.deepcopy(model).eval().to(device, torch.float32)
    x = plain_input(frame, geometry.content, preprocess.mean, preprocess.std, device)
    (height, width), (rows, columns) = geometry.input, geometry.content
    x = F.pad(x, (0, width - columns, 0, height - rows))
    coarse = network.coarse_logits(x)
    logits = F.interpolate(coarse, geometry.input, mode='bilinear', align_corners=True)
    return logits[..., :rows, :columns]


def plain_input(
    frame: Frame,
    size: tuple[int, int],
    mean: Sequence[float],
    std: Sequence[float],
    device: torch.device,
) -> torch.Tensor:
    """Return a bgr8 frame, stretched to a height and width, as network input (1, 3, H, W)."""
    rgb = torch.from_numpy(frame.pixels[..., ::-1].copy()).to(device)
    x = rgb.permute(2, 0, 1)[None].float() / 255  # (1, 3, H, W)
    if size != frame.size:
        x = F.interpolate(x, size, mode='bilinear', antialias=True)
    means, deviations = (
        torch.tensor(values, dtype=torch.float32, device=device).view(1, 3, 1, 1)
        for values in (mean, std)
    )
    return (x - means) / deviations


@torch.inference_mode()
def compare_labels(labels: NDArray[np.uint8], reference: torch.Tensor) -> tuple[float, float]:
    """Return the share of equal labels and that of clearly wrong ones.

    labels: (H, W). reference: the logits (1, C, H, W) of plain float32.
    """
    chosen = torch.from_numpy(labels.astype(np.int64)).to(reference.device)[None, None]
    largest = reference.amax(dim=1, keepdim=True)
    deficit = largest - reference.gather(1, chosen)  # (1, 1, H, W)
    agreement = (chosen == reference.argmax(dim=1, keepdim=True)).double().mean()
    clearly_wrong = (deficit > CLEAR * reference.std()).double().mean()
    return float(agreement), float(clearly_wrong)
