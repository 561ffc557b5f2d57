# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Batches, endlessly and in an order that the seed alone decides, made by threads.

Each sample is drawn from a generator of its own, seeded by its place in the run. So nothing
depends on which thread is quick, and a run is taken up at any step without remembering anything.
Threads are enough: OpenCV leaves the interpreter to others while it works.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfaranet_ros.core.errors import SourceError, TrainingError
from mfaranet_ros.training.datasets import Cache, Sample
from mfaranet_ros.training.distributed import ALONE, DistributedContext

AHEAD = 3
"""Number of batches prepared in advance."""

TRIES = 20
"""Number of other images tried in place of a broken one."""


class Stream(enum.IntEnum):
    """What random numbers are for; each purpose has a sequence of its own."""

    ORDER = 0
    SAMPLE = 1
    STEP = 2


def generator(seed: int, stream: Stream, *place: int) -> np.random.Generator:
    """Return the random numbers of one purpose at one place of a run."""
    return np.random.default_rng([seed, int(stream), *place])


@dataclass(frozen=True, eq=False)
class Batch:
    """A process's part of one step's samples.

    images: uint8 (N, h, w, 3) RGB. labels: uint8 (N, h, w). skipped: what could not be read and
    why, by the image's name.
    """

    images: Tensor
    labels: Tensor
    skipped: dict[str, str]


@dataclass(frozen=True)
class Loader:
    """Makes the batches of a run.

    batch: images of one step, on all processes of the world together. size: (height, width) of
    what `augment` makes. pinned: whether the batches lie where a GPU copies from. parts: the data
    sets of a mixture, in the order of their images: how many each has and its weight.
    """

    data: Cache
    augment: Callable[[Sample, np.random.Generator], Sample]
    size: tuple[int, int]
    batch: int
    seed: int
    threads: int
    world: DistributedContext = ALONE
    pinned: bool = False
    parts: tuple[tuple[int, float], ...] = ()

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches of one pass; what is left of it is left out, other images each time."""
        return max(1, len(self.data) // self.batch)

    def stream(self, first_step: int) -> Generator[Batch, None, None]:
        """Yield this process's batches from one step of the run on, without an end."""
        with ThreadPoolExecutor(self.threads, 'loader') as pool:
            coming: deque[_Coming] = deque()
            step = first_step
            try:
                while True:
                    while len(coming) < AHEAD:
                        coming.append(self._begin(pool, step))
                        step += 1
                    yield coming.popleft().wait()
            finally:
                for batch in coming:
                    batch.cancel()

    def indices(self, step: int) -> NDArray[np.int64]:
        """Return which images all processes together see at a step, int64 (batch,)."""
        epoch, place = divmod(step, self.steps_per_epoch)
        random = generator(self.seed, Stream.ORDER, epoch)
        if len(self.parts) > 1:
            order = self._mixed(random)
        else:
            order = _shuffled(len(self.data), max(self.batch, len(self.data)), random)
        return order[place * self.batch : (place + 1) * self.batch]

    def _mixed(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Return the images of one epoch of a mixture: as many of each data set as it weighs."""
        total = self.steps_per_epoch * self.batch
        weights = np.array([weight for _, weight in self.parts])
        exact = total * weights / weights.sum()
        quotas = np.floor(exact).astype(np.int64)
        rest = exact - quotas
        left = total - int(quotas.sum())
        if left:  # it goes by chance to some of them, so that over many epochs all is exact
            lucky = random.choice(len(quotas), left, replace=False, p=rest / rest.sum())
            quotas[lucky] += 1
        order, first = [], 0
        for (count, _), quota in zip(self.parts, quotas, strict=True):
            order.append(first + _shuffled(count, int(quota), random))
            first += count
        mixed: NDArray[np.int64] = random.permutation(np.concatenate(order))
        return mixed

    def _begin(self, pool: ThreadPoolExecutor, step: int) -> _Coming:
        share = self.batch // self.world.size
        first = self.world.rank * share
        indices = self.indices(step)[first : first + share]
        images = torch.empty((share, *self.size, 3), dtype=torch.uint8, pin_memory=self.pinned)
        labels = torch.empty((share, *self.size), dtype=torch.uint8, pin_memory=self.pinned)
        parts = [
            pool.submit(self._fill, images[place], labels[place], int(index), step, first + place)
            for place, index in enumerate(indices)
        ]
        return _Coming(images, labels, parts)

    def _fill(
        self, image: Tensor, labels: Tensor, index: int, step: int, place: int
    ) -> dict[str, str]:
        """Write one sample into its place; return what was skipped on the way."""
        random = generator(self.seed, Stream.SAMPLE, step, place)
        skipped: dict[str, str] = {}
        for _ in range(TRIES):
            try:
                sample = self.augment(self.data.read(index), random)
            except SourceError as error:
                skipped[self.data.dataset.names[index]] = str(error)
                index = int(random.integers(len(self.data)))
                continue
            image.numpy()[:] = sample.image
            labels.numpy()[:] = sample.labels
            return skipped
        raise TrainingError(
            f'{TRIES} images in a row cannot be read: {"; ".join(skipped.values())}'
        )


def _shuffled(count: int, wanted: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return `wanted` of the numbers below `count`: none comes again before all have come."""
    passes = -(-wanted // count)
    shuffled = [random.permutation(count) for _ in range(passes)] or [np.zeros(0, np.int64)]
    return np.concatenate(shuffled)[:wanted]


@dataclass(frozen=True, eq=False)
class _Coming:
    """A batch that threads are filling."""

    images: Tensor
    labels: Tensor
    parts: list[Future[dict[str, str]]]

    def wait(self) -> Batch:
        skipped: dict[str, str] = {}
        for part in self.parts:
            skipped.update(part.result())
        return Batch(self.images, self.labels, skipped)

    def cancel(self) -> None:
        for part in self.parts:
            part.cancel()
