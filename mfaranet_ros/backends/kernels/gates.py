# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The sum over the kept scales of score times attention, with the attention's sigmoid."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from mfaranet_ros.backends.kernels import FUSED

_VALUES = 1024
"""How many values one program computes."""


def sum_gated(scores: Sequence[Tensor], gates: Sequence[Tensor]) -> Tensor:
    """Return the sum of score times sigmoid of gate, as `fast_mfaranet.sum_gated` does.

    scores, gates: one (N, C, h, w) for each of one to four scales, of one float type. All is
    computed in float32 and rounded once.
    """
    first = scores[0].contiguous(memory_format=torch.channels_last)
    result = torch.empty_like(first)
    # One layout for all: what convolutions give has it already.
    pairs = [
        tensor.contiguous(memory_format=torch.channels_last)
        for pair in zip(scores, gates, strict=True)
        for tensor in pair
    ]
    pairs += pairs[:2] * (4 - len(scores))  # of scales that are left out nothing is read
    with torch.cuda.device_of(result):
        _sum[(triton.cdiv(result.numel(), _VALUES),)](
            *pairs, result, result.numel(), scales=len(scores), block=_VALUES, **FUSED
        )
    return result


@triton.jit
def _sum(
    score1, gate1, score2, gate2, score3, gate3, score4, gate4,
    result, count, scales: tl.constexpr, block: tl.constexpr,
):  # fmt: skip
    at = tl.program_id(0) * block + tl.arange(0, block)
    inside = at < count
    total = _gated(score1, gate1, at, inside)
    if scales >= 2:
        total += _gated(score2, gate2, at, inside)
    if scales >= 3:
        total += _gated(score3, gate3, at, inside)
    if scales >= 4:
        total += _gated(score4, gate4, at, inside)
    tl.store(result + at, total.to(result.dtype.element_ty), mask=inside)


@triton.jit
def _gated(score, gate, at, inside):
    weight = tl.load(gate + at, mask=inside, other=0.0).to(tl.float32)
    return tl.load(score + at, mask=inside, other=0.0).to(tl.float32) / (1 + tl.exp(-weight))
