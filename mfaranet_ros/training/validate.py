# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scores of a network during training: whole images, at their own size, as they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.models import SegmentationModel
from mfaranet_ros.training.datasets import Cache, Sample
from mfaranet_ros.training.distributed import ALONE, DistributedContext
from mfaranet_ros.training.feed import Feed

TOGETHER_PX = 2_000_000
"""Maximum number of pixels in a batch; only images of one size share a batch."""


@torch.no_grad()
def validate(
    model: SegmentationModel,
    data: Cache,
    feed: Feed,
    threads: int,
    world: DistributedContext = ALONE,
) -> tuple[ConfusionMatrix, dict[str, str]]:
    """Return the confusion of all processes together, and what could not be read and why.

    Each process takes its part of the images. The network is left as it was.
    """
    matrix = ConfusionMatrix(model.classes, data.dataset.codes.sets)
    skipped: dict[str, str] = {}
    training = model.training
    model.eval()
    for samples in _together(
        _read(data, range(world.rank, len(data), world.size), threads, skipped)
    ):
        images = torch.from_numpy(np.stack([sample.image for sample in samples]))
        labels = predict(model, feed, images).cpu().numpy()
        for ours, sample in zip(labels, samples, strict=True):
            matrix.update(ours, sample.labels)
    model.train(training)
    if world.size > 1:
        whole = torch.from_numpy(np.concatenate([matrix.counts, matrix.partial])).to(feed.device)
        matrix.counts, matrix.partial = np.split(world.sum(whole).cpu().numpy(), [model.classes])
        for part in world.collect(skipped):
            skipped.update(part)
    return matrix, skipped


def predict(model: SegmentationModel, feed: Feed, images: Tensor) -> Tensor:
    """Return the labels uint8 (N, H, W) of images uint8 (N, H, W, 3)."""
    with feed.autocast():
        logits = model(feed.normalise(images))  # (N, C, H, W)
    return logits.argmax(1).to(torch.uint8)  # type: ignore[no-any-return]


def _read(
    data: Cache, indices: Iterable[int], threads: int, skipped: dict[str, str]
) -> Iterator[Sample]:
    """Yield the samples in order, read ahead by threads; what is broken is noted."""
    with ThreadPoolExecutor(threads, 'reader') as pool:
        coming: deque[tuple[int, Future[Sample]]] = deque()
        waiting = iter(indices)
        while True:
            while len(coming) < 2 * threads and (index := next(waiting, None)) is not None:
                coming.append((index, pool.submit(data.read, index)))
            if not coming:
                return
            index, sample = coming.popleft()
            try:
                yield sample.result()
            except SourceError as error:
                skipped[data.dataset.names[index]] = str(error)


def _together(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    """Yield runs of samples of one size that are not too large together."""
    group: list[Sample] = []
    for sample in samples:
        height, width = sample.labels.shape
        full = (len(group) + 1) * height * width > TOGETHER_PX
        if group and (full or group[0].labels.shape != sample.labels.shape):
            yield group
            group = []
        group.append(sample)
    if group:
        yield group
