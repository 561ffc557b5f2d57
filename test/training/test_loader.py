# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The loader: the seed decides everything, threads and processes nothing."""

import itertools

import numpy as np
import pytest
import torch

from mfaranet_ros.core.errors import SourceError, TrainingError
from mfaranet_ros.training.datasets import Sample
from mfaranet_ros.training.distributed import DistributedContext
from mfaranet_ros.training.loader import Loader

SIZE = (4, 6)


class Images:
    """Stands for a cache: each image's pixels are its number."""

    def __init__(self, count, broken=()):
        self.dataset = self
        self.names = tuple(f'image{number}' for number in range(count))
        self.broken = broken

    def __len__(self):
        return len(self.names)

    def read(self, index):
        if index in self.broken:
            raise SourceError(f'{self.names[index]} is broken')
        pixels = np.full((*SIZE, 3), index, np.uint8)
        return Sample(self.names[index], pixels, pixels[..., 0])


def shuffle_pixels(sample, random):
    """Stands for the augmentation: what it draws shows in the pixels."""
    image = sample.image.copy()
    image[0, 0] = random.integers(0, 256, 3)
    return Sample(sample.name, image, sample.labels)


def make_mixture(parts, batch=4, **options):
    count = sum(number for number, _ in parts)
    return Loader(Images(count), shuffle_pixels, SIZE, batch, 1, 2, parts=tuple(parts), **options)


def make_loader(count=10, batch=4, *, seed=1, threads=3, world=DistributedContext(), broken=()):  # noqa: B008
    return Loader(Images(count, broken), shuffle_pixels, SIZE, batch, seed, threads, world)


def take(loader, steps, first=0):
    stream = loader.stream(first)
    batches = list(itertools.islice(stream, steps))
    stream.close()
    return batches


def numbers(batch):
    return batch.labels[:, 0, 0].tolist()


def same(ours, theirs):
    return all(
        torch.equal(a.images, b.images) and torch.equal(a.labels, b.labels)
        for a, b in zip(ours, theirs, strict=True)
    )


def test_an_epoch_shows_no_image_twice():
    loader = make_loader()
    assert loader.steps_per_epoch == 2
    for epoch in range(4):
        seen = [n for step in (0, 1) for n in loader.indices(2 * epoch + step)]
        assert len(set(seen)) == 8


def test_epochs_have_other_orders_and_leave_out_other_images():
    loader = make_loader()
    epochs = [tuple(int(n) for s in (0, 1) for n in loader.indices(2 * e + s)) for e in range(6)]
    assert len(set(epochs)) == 6
    assert set().union(*epochs) == set(range(10))


@pytest.mark.parametrize('threads', [1, 8])
def test_number_of_threads_changes_nothing(threads):
    assert same(take(make_loader(), 7), take(make_loader(threads=threads), 7))


@pytest.mark.parametrize('first', [1, 2, 5])
def test_stream_is_taken_up_at_any_step(first):
    assert same(take(make_loader(), 7)[first:], take(make_loader(), 7 - first, first))


def test_seed_decides():
    assert not same(take(make_loader(), 2), take(make_loader(seed=2), 2))


@pytest.mark.parametrize('size', [2, 4])
def test_processes_share_the_batch_of_one(size):
    whole = take(make_loader(), 5)
    parts = [take(make_loader(world=DistributedContext(rank, size)), 5) for rank in range(size)]
    for step, batch in enumerate(whole):
        together = torch.cat([part[step].images for part in parts])
        assert torch.equal(batch.images, together)


def test_batch_larger_than_the_data_repeats_them():
    loader = make_loader(3, 8)
    assert loader.steps_per_epoch == 1
    (batch,) = take(loader, 1)
    assert sorted(set(numbers(batch))) == [0, 1, 2]
    assert batch.images.shape == (8, *SIZE, 3)


def test_broken_image_is_replaced_and_named():
    batches = take(make_loader(broken=(3,)), 2)
    skipped = {name: why for batch in batches for name, why in batch.skipped.items()}
    shown = [n for batch in batches for n in numbers(batch)]
    assert 3 not in shown
    if 3 in [n for step in (0, 1) for n in make_loader().indices(step)]:
        assert skipped == {'image3': 'image3 is broken'}
    assert same(batches, take(make_loader(broken=(3,), threads=1), 2))


def test_nothing_but_broken_images():
    with pytest.raises(TrainingError, match='in a row'):
        take(make_loader(broken=range(10)), 1)


def test_error_of_the_augmentation_comes_through():
    def fail(sample, random):
        raise ZeroDivisionError

    loader = Loader(Images(4), fail, SIZE, 2, 0, 2)
    with pytest.raises(ZeroDivisionError):
        take(loader, 1)


# -- a mixture of data sets -----------------------------------------------------------------------


def epoch_of(loader, number=0):
    steps = range(loader.steps_per_epoch)
    first = number * loader.steps_per_epoch
    return np.concatenate([loader.indices(first + step) for step in steps])


def test_data_sets_are_seen_by_their_weights_whatever_their_sizes():
    loader = make_mixture([(10, 1.0), (80, 2.0), (30, 3.0)])
    first, second = (np.bincount(np.digitize(epoch_of(loader, n), [10, 90])) for n in (0, 1))
    assert first.tolist() == second.tolist() == [20, 40, 60]


def test_a_small_data_set_is_seen_evenly():
    seen = np.bincount(epoch_of(make_mixture([(10, 1.0), (80, 2.0), (30, 3.0)])))
    assert set(seen[:10]) == {2}
    assert set(seen[10:90]) == {0, 1}
    assert set(seen[90:]) == {2}


def test_shares_that_do_not_divide_are_right_on_average():
    loader = make_mixture([(5, 1.0), (5, 2.0)], batch=5)
    seen = sum(np.bincount(epoch_of(loader, n) // 5, minlength=2) for n in range(60))
    assert seen.sum() == 600
    assert seen[0] == pytest.approx(200, abs=15)


def test_a_mixture_is_taken_up_at_any_step():
    loader = make_mixture([(3, 1.0), (9, 2.0)])
    assert same(take(loader, 7)[4:], take(make_mixture([(3, 1.0), (9, 2.0)]), 3, 4))


def test_a_mixture_is_shared_by_processes():
    parts = [(3, 1.0), (9, 2.0)]
    whole = take(make_mixture(parts), 3)
    halves = [take(make_mixture(parts, world=DistributedContext(r, 2)), 3) for r in (0, 1)]
    for step, batch in enumerate(whole):
        together = torch.cat([half[step].images for half in halves])
        assert torch.equal(batch.images, together)
