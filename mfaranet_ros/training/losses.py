# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Multi-scale joint supervision: the loss MFARANet is trained with (arXiv 2402.02286).

Written from the published description. Everything stays on the device: what would be picked by
index is picked by multiplication, and what would be 0 / 0 is 0. With several processes each part
is normalised over the batch of all of them, so that the mean of their losses is the loss that one
process would have with the whole batch.

Labels may be partial: a code from the number of classes on stands for a set of classes
(`LabelCodes`), and its loss is -log of the sum of their probabilities, in every term.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.data.label_table import ClassSet
from mfaranet_ros.models import StageOutputs
from mfaranet_ros.models.layers import resize
from mfaranet_ros.training.config import LossConfig
from mfaranet_ros.training.distillation import distillation_loss
from mfaranet_ros.training.distributed import ALONE, DistributedContext

BOUNDARY_WINDOW = 5
"""Rows and columns of the window in which a label must differ for a pixel to be a boundary."""

MAX_PARTIAL_CLASSES = 62
"""Largest number of classes with partial labels: a bit for each and one for void in an int64."""

BOUNDARY_LOGIT = 0.8
"""Above it a boundary head is taken to see a boundary."""


@dataclass(frozen=True, eq=False)
class LossParts:
    """The weighted parts of a loss, each a tensor without shape, and their sum."""

    fused: Tensor
    segmentation: Tensor
    boundary: Tensor
    attention: Tensor
    distillation: Tensor

    @property
    def total(self) -> Tensor:
        """What is minimised."""
        supervised = self.fused + self.segmentation + self.boundary + self.attention
        return supervised + self.distillation


class JointLoss:
    """The published loss of one batch, over all scales and what fuses them.

    class_weights: float (C + K,), of the classes and then of the partial labels, or None for equal
    ones. world: the processes that share the batch. sets: the K partial labels.
    """

    def __init__(
        self,
        config: LossConfig,
        class_weights: Tensor | None = None,
        world: DistributedContext = ALONE,
        sets: Sequence[ClassSet] = (),
    ) -> None:
        self.config = config
        self.class_weights = class_weights
        self.world = world
        self.sets = tuple(sets)

    def __call__(
        self, outputs: StageOutputs, labels: Tensor, teacher: Tensor | None = None
    ) -> LossParts:
        """Return the parts; labels: uint8 (N, H, W), 255 where a pixel counts for nothing.

        They are classes and, from the number of classes on, the partial labels of `sets`.
        teacher: coarse logits of another network, float (N, C, h, w), None without one.
        """
        config = self.config
        classes = outputs.scores[0].shape[1]
        boundary_ground_truth = boundary_of(labels)  # (N, H, W)
        known = boundary_known(labels, boundary_ground_truth, classes, self.sets)
        rows, columns = (_sampled(size, config.stride, labels) for size in labels.shape[1:])
        boundary_ground_truth = boundary_ground_truth[:, rows][
            :, :, columns
        ]  # (N, h, w), as all below
        known = None if known is None else known[:, rows][:, :, columns]
        labels = labels[:, rows][:, :, columns].long()
        zero = outputs.scores[0].new_zeros((), dtype=torch.float32)
        fused = segmentation = boundary = attention = distillation = zero
        if outputs.attentions and config.fused:
            loss = pixel_loss(outputs.fused, labels, self.sets)
            fused = config.fused * mean_loss(loss, labels, self.class_weights, self.world)
        for index, score in enumerate(outputs.scores):
            loss = pixel_loss(score, labels, self.sets)
            segmentation = segmentation + config.segmentation * self._hard(loss, labels)
            if outputs.boundaries:
                logits = resize(outputs.boundaries[index].float(), labels.shape[1:])[:, 0]
                boundary = boundary + config.boundary * boundary_loss(
                    logits, boundary_ground_truth, self.world, known
                )
                attention = attention + config.attention * self._attention(loss, labels, logits)
        if teacher is not None:
            distillation = config.distillation * distillation_loss(
                outputs.fused, teacher, config.distillation_temperature
            )
        return LossParts(fused, segmentation, boundary, attention, distillation)

    def _hard(self, loss: Tensor, labels: Tensor) -> Tensor:
        config = self.config
        least = max(1, config.hard_pixels // config.stride**2)
        kept = hard_pixels(loss, labels, config.hard_probability, least, self.world)
        return mean_loss(loss, labels, self.class_weights, self.world, kept)

    def _attention(self, loss: Tensor, labels: Tensor, logits: Tensor) -> Tensor:
        images = image_losses(loss, labels, logits > BOUNDARY_LOGIT)  # (N,)
        if self.config.attention_images:
            return self.config.attention_images * images.mean()
        return images.sum() * self.world.size


def boundary_of(labels: Tensor) -> Tensor:
    """Return where labels (N, H, W) uint8 are at a boundary: bool (N, H, W).

    255 counts as a label like any other, so the border of what is ignored is a boundary.
    """
    margin = BOUNDARY_WINDOW // 2
    values = F.pad(labels[:, None].float(), (margin,) * 4, mode='replicate')
    means = F.avg_pool2d(values, BOUNDARY_WINDOW, 1)[:, 0]
    # The sums are integers below 2^24, so a difference is at least 1 / 25 or rounding.
    return (means - labels.float()).abs() > 0.005


def boundary_known(
    labels: Tensor, boundary: Tensor, classes: int, sets: Sequence[ClassSet]
) -> Tensor | None:
    """Return where partial labels leave no doubt about a boundary: bool (N, H, W).

    labels: uint8 (N, H, W). boundary: what `boundary_of` says of them. Inside a partial label
    there may be unlabeled boundaries, and two of them that share a class may be one region:
    there the boundary is not known. It is where no class fits all pixels of the window, which are
    then of several classes. None where nothing is partial, so that all is known.
    """
    if not sets:
        return None
    void = 1 << classes
    bits = torch.full((UNLABELED + 1,), void, dtype=torch.int64)
    for code, entries in enumerate([*((entry,) for entry in range(classes)), *sets]):
        bits[code] = sum(1 << entry for entry in entries)
    common = bits.to(labels.device)[labels.long()]  # (N, H, W), a bit for each possible class
    margin = BOUNDARY_WINDOW // 2
    for axis in (1, 2):
        whole = common
        for shift in range(1, margin + 1):
            for way in (shift, -shift):
                common = common & _shifted(whole, way, axis)
    certain = labels.long() < classes
    certain |= labels == UNLABELED
    return torch.where(boundary, common == 0, certain)


def _shifted(values: Tensor, shift: int, axis: int) -> Tensor:
    """Return values moved along an axis; what comes in is the nearest value of the border."""
    size = values.shape[axis]
    places = (torch.arange(size, device=values.device) - shift).clamp(0, size - 1)
    return values.index_select(axis, places)


def pixel_loss(logits: Tensor, labels: Tensor, sets: Sequence[ClassSet] = ()) -> Tensor:
    """Return each pixel's cross entropy, float (N, H, W), 0 where labels are 255.

    logits: (N, C, h, w), brought to the size of the labels, int64 (N, H, W), in float32.
    sets: partial labels, with codes from C on: -log of the summed probabilities of their classes.
    """
    full = resize(logits.float(), labels.shape[1:])  # (N, C, H, W)
    if not sets:
        return F.cross_entropy(full, labels, ignore_index=UNLABELED, reduction='none')
    classes = full.shape[1]
    logs = F.log_softmax(full, 1)
    certain = labels.masked_fill(labels >= classes, UNLABELED)
    loss = F.nll_loss(logs, certain, ignore_index=UNLABELED, reduction='none')
    for code, entries in enumerate(sets, start=classes):
        # Rounding can make the sum of all probabilities a little more than 1.
        partial = -torch.logsumexp(logs[:, list(entries)], 1).clamp(max=0.0)
        loss = torch.where(labels == code, partial, loss)
    return loss


def hard_pixels(
    loss: Tensor, labels: Tensor, probability: float, least: int, world: DistributedContext
) -> Tensor:
    """Return which labeled pixels are hard, bool (N, H, W): online hard example mining.

    Hard are those whose class has at most this probability, but at least the `least` hardest of
    the batch. All where there are no more.
    """
    labeled = labels != UNLABELED
    # Unlabeled pixels are given 2 for a probability, so that they come last and past the limit.
    given = torch.where(labeled, torch.exp(-loss.detach()), 2.0)
    flat = world.gather(given.flatten())
    limit = _kth_smallest(flat, min(least, flat.numel())).clamp(min=probability)
    return labeled & (given <= limit)


def _kth_smallest(values: Tensor, k: int) -> Tensor:
    if values.is_cuda:  # where sorting uses the whole GPU and kthvalue does not
        return values.sort().values[k - 1]
    return values.kthvalue(k).values


def mean_loss(
    loss: Tensor,
    labels: Tensor,
    class_weights: Tensor | None,
    world: DistributedContext,
    kept: Tensor | None = None,
) -> Tensor:
    """Return the weighted mean of a pixel loss over the kept pixels; 0 where there is none.

    kept: bool (N, H, W); None for all that are labeled.
    """
    kept = labels != UNLABELED if kept is None else kept
    weights = kept.to(loss.dtype)
    if class_weights is not None:
        weights = weights * class_weights[labels.clamp(max=len(class_weights) - 1)]
    return world.size * (loss * weights).sum() / _positive(world.sum(weights.sum()))


def boundary_loss(
    logits: Tensor, ground_truth: Tensor, world: DistributedContext, known: Tensor | None = None
) -> Tensor:
    """Return the mean cross entropy of boundary logits (N, H, W) with bool ground truth.

    Each side weighs as much as the other one is frequent, so a batch without a boundary gives 0.
    known: bool (N, H, W), where the ground truth counts; None for everywhere.
    """
    if known is None:
        share = world.sum(ground_truth.float().mean()) / world.size
        weights = torch.where(ground_truth, 1 - share, share)
        return F.binary_cross_entropy_with_logits(logits, ground_truth.to(logits.dtype), weights)
    counted = _positive(world.sum(known.float().sum()))
    share = world.sum((ground_truth & known).float().sum()) / counted
    weights = torch.where(ground_truth, 1 - share, share) * known
    loss = F.binary_cross_entropy_with_logits(
        logits, ground_truth.to(logits.dtype), weights, reduction='sum'
    )
    return world.size * loss / counted


def image_losses(loss: Tensor, labels: Tensor, chosen: Tensor) -> Tensor:
    """Return each image's mean loss over its chosen labeled pixels, (N,); 0 without any.

    A class weighs two less its share of these pixels, and so does a partial label. chosen: bool
    (N, H, W).
    """
    chosen = (chosen & (labels != UNLABELED)).flatten(1)
    ids = labels.flatten(1)
    counts = ids.new_zeros((len(ids), UNLABELED + 1)).scatter_add_(1, ids, chosen.long())
    shares = counts / counts.sum(1, keepdim=True).clamp(min=1)
    weights = (2 - shares).gather(1, ids) * chosen
    return (loss.flatten(1) * weights).sum(1) / _positive(weights.sum(1))


def _positive(weight: Tensor) -> Tensor:
    """Return what can be divided by: where it is 0, so is what is divided."""
    return weight.clamp(min=torch.finfo(weight.dtype).tiny)


def _sampled(size: int, stride: int, like: Tensor) -> Tensor:
    """Return the rows or columns the loss looks at: evenly from the first to the last."""
    count = -(-size // stride)
    return torch.linspace(0, size - 1, count, device=like.device).round().long()


def class_weights(shares: Tensor, kind: str) -> Tensor | None:
    """Return what each class weighs, float32 (C,), by its share of the labeled pixels.

    kind: as `loss.class_weights`. A pixel weighs 1 on average; a class that never occurs weighs
    what one of a millionth would.
    """
    if kind == 'none':
        return None
    shares = shares.double().clamp(min=1e-6)
    weights = shares**-0.5 if kind == 'sqrt' else 1 / torch.log(1.02 + shares)
    return (weights / (shares * weights).sum()).float()


def set_weights(weights: Tensor, shares: Tensor, sets: Sequence[ClassSet]) -> Tensor:
    """Return the weights of the classes with those of partial labels behind them, (C + K,).

    A partial label weighs what its classes weigh on average, by their shares of the pixels (C,).
    """
    partial = []
    for entries in sets:
        frequent = shares[list(entries)].double().clamp(min=1e-6)
        partial.append((weights[list(entries)].double() * frequent).sum() / frequent.sum())
    return torch.cat([weights, *(value.float().view(1) for value in partial)])
