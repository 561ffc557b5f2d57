# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Coarse logits -> labels and confidence in one pass: no enlarged logit is ever written."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from mfaranet_ros.backends.kernels import FUSED

_PIXELS = 256
"""How many pixels of a row one program labels."""


Neighbours = tuple[Tensor, Tensor]
"""Where the pixels of one axis of a mask lie in the logits, on the device of these: int32 (n,),
the logit before each pixel, and float32 (n,), how far the pixel is on its way to the next one,
which is the last one again at the end."""


def label_pixels(
    logits: Tensor, rows: Neighbours, columns: Neighbours, *, with_confidence: bool
) -> Tensor:
    """Return uint8 (1, H, W), the labels, or with the confidence (2, H, W).

    logits: (C, h, w) of any float type and layout, C up to 255, all finite; they are
    interpolated in float32, along the columns first, and of equal ones the lowest class wins.
    """
    classes, coarse_height, coarse_width = logits.shape
    height, width = len(rows[0]), len(columns[0])
    planes = 2 if with_confidence else 1
    result = torch.empty((planes, height, width), dtype=torch.uint8, device=logits.device)
    with torch.cuda.device_of(logits):
        _label[height, triton.cdiv(width, _PIXELS)](
            logits, *logits.stride(), classes, coarse_height - 1, coarse_width - 1,
            *rows, *columns, result, height, width, int(with_confidence), block=_PIXELS, **FUSED,
        )  # fmt: skip
    return result


# Sizes change with the camera and the confidence is asked for at any time: neither may bring the
# compiler in between two frames, so that nothing is made for special values of them.
@triton.jit(
    do_not_specialize=[
        'class_step', 'row_step', 'column_step', 'classes', 'last_row', 'last_column',
        'height', 'width', 'with_confidence',
    ]
)  # fmt: skip
def _label(
    logits, class_step, row_step, column_step, classes, last_row, last_column,
    row_lower, row_share, column_lower, column_share,
    result, height, width, with_confidence, block: tl.constexpr,
):  # fmt: skip
    row = tl.program_id(0)
    columns = tl.program_id(1) * block + tl.arange(0, block)
    inside = columns < width
    top = tl.load(row_lower + row)
    down = tl.load(row_share + row)
    left = tl.load(column_lower + columns, mask=inside, other=0)
    right = tl.load(column_share + columns, mask=inside, other=0.0)
    above = logits + top * row_step
    below = logits + tl.minimum(top + 1, last_row) * row_step
    first = left * column_step
    second = tl.minimum(left + 1, last_column) * column_step

    label = tl.zeros((block,), tl.int32)
    peak = tl.full((block,), float('-inf'), tl.float32)
    total = tl.zeros((block,), tl.float32)  # of exp(logit - peak) over the classes so far
    for c in range(classes):
        plane = c * class_step
        upper = tl.load(above + plane + first).to(tl.float32) * (1 - right)
        upper += tl.load(above + plane + second).to(tl.float32) * right
        lower = tl.load(below + plane + first).to(tl.float32) * (1 - right)
        lower += tl.load(below + plane + second).to(tl.float32) * right
        logit = upper * (1 - down) + lower * down
        new_peak = tl.maximum(peak, logit)
        if with_confidence:
            total = total * tl.exp(peak - new_peak) + tl.exp(logit - new_peak)
        label = tl.where(logit > peak, c, label)
        peak = new_peak

    place = row * width + columns
    tl.store(result + place, label.to(tl.uint8), mask=inside)
    if with_confidence:
        # Adding 1.5 * 2 ** 23 leaves a float32 no bits below one: rounded to even, as torch does.
        rounded = (255 / total + 12582912.0) - 12582912.0
        confidence = rounded.to(tl.int32).to(tl.uint8)
        tl.store(result + height * width + place, confidence, mask=inside)
