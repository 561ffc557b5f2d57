# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Counts are exact, are the same in any order, and survive being written down."""

import json
import random

import numpy as np
import pytest

from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.counts import (
    NOWHERE,
    Counts,
    PixelCounter,
    from_plain,
    to_plain,
)
from mfaranet_ros.evaluation.metrics.measures import BINS, flicker, reliability, spreads
from mfaranet_ros.evaluation.metrics.metric import MetricCounts

SIZE = (20, 30)


def draw(seed, classes, high=256):
    return np.random.default_rng(seed).integers(0, min(high, classes + 2), SIZE, np.uint8)


def counted(seed, classes=11):
    """Counts of a random frame, everything in them."""
    chance = np.random.default_rng(seed)
    labels, ground_truth, before, ground_truth_before = (
        draw(10 * seed + i, classes) for i in range(4)
    )
    bands = chance.integers(0, NOWHERE + 1, SIZE, np.uint8)
    ground_truth_before[:10] = ground_truth[:10]
    counter = PixelCounter(classes)
    metric = MetricCounts(free_ground_truth=chance.integers(0, 99, 6), outside=seed)
    metric.errors[:] = chance.integers(0, 3, metric.errors.shape)
    return Counts(
        counter.pixels(labels, ground_truth, bands),
        counter.calibration(chance.integers(0, 256, SIZE, np.uint8), labels, ground_truth, bands),
        counter.flicker((labels, ground_truth), (before, ground_truth_before), bands),
        metric,
    )


@pytest.mark.parametrize('classes', [2, 11, 19, 59, 255])
def test_bands_add_up_to_the_confusion_matrix(classes):
    labels, ground_truth = draw(1, classes), draw(2, classes)
    bands = np.random.default_rng(3).integers(0, NOWHERE + 1, SIZE, np.uint8)
    counts = Counts.none(classes)
    counts.pixels[:] = PixelCounter(classes).pixels(labels, ground_truth, bands)
    whole = ConfusionMatrix(classes)
    whole.update(labels, ground_truth)
    assert (counts.matrix().counts == whole.counts).all()
    assert (counts.matrix().unlabeled == whole.unlabeled).all()
    one = ConfusionMatrix(classes)
    one.update(labels[bands == 2], ground_truth[bands == 2])
    assert (counts.matrix(2).counts == one.counts).all()
    assert (
        counts.found.tolist()
        == np.bincount(np.minimum(labels, classes).ravel(), minlength=classes + 1).tolist()
    )


def test_without_ground_truth_only_what_was_found_is_counted():
    counts = Counts.none(11)
    counts.pixels[:] = PixelCounter(11).pixels(draw(1, 11), None, None)
    assert counts.matrix().pixels == 0
    assert counts.found.sum() == SIZE[0] * SIZE[1]


def test_any_order_gives_the_same_total():
    frames = [counted(seed) for seed in range(8)]
    shuffled = random.Random(0).sample(frames, len(frames))
    none = Counts.none(11)
    halves = sum(shuffled[:3], none) + sum(shuffled[3:], none)
    assert to_plain(sum(frames, none)) == to_plain(halves)


def test_what_is_written_is_read():
    counts = counted(4)
    again = from_plain(json.loads(json.dumps(to_plain(counts))), Counts.none(11))
    assert to_plain(again) == to_plain(counts)
    assert again.metric.outside == 4
    assert again.metric.errors.dtype == counts.pixels.dtype


def test_flicker_is_what_changed_where_the_ground_truth_stays():
    labels = np.array([[1, 2, 3, 4]], np.uint8)
    before = np.array([[1, 2, 0, 0]], np.uint8)
    ground_truth = np.array([[1, 1, 3, 255]], np.uint8)
    ground_truth_before = np.array([[1, 1, 3, 255]], np.uint8)
    counter = PixelCounter(11)
    bands = np.array([[0, 1, 1, 1]], np.uint8)
    counts = counter.flicker((labels, ground_truth), (before, ground_truth_before), bands)
    found = flicker(counts.sum(axis=0))
    assert (found.still, found.still_pixels) == (1 / 3, 3)  # void does not count
    assert (found.all, found.all_pixels) == (0.5, 4)
    assert (flicker(counts[1]).still, flicker(counts[1]).all) == (1 / 2, 2 / 3)
    assert flicker(counts[0]).all == 0
    plain = flicker(counter.flicker((labels, None), (before, None), None)[NOWHERE])
    assert (plain.still_pixels, plain.all) == (0, 0.5)
    assert np.isnan(plain.still)


def test_images_of_other_sizes_are_not_compared():
    other = np.zeros((2, 2), np.uint8)
    assert not PixelCounter(11).flicker((draw(1, 11), None), (other, None), None).any()


def test_reliability_is_that_of_the_pixels_one_by_one():
    chance = np.random.default_rng(0)
    confidence, labels, ground_truth = (
        chance.integers(0, high, SIZE, np.uint8) for high in (256, 3, 4)
    )
    bands = np.where(confidence < 100, 1, 2).astype(np.uint8)
    counts = PixelCounter(3).calibration(confidence, labels, ground_truth, bands)
    found = reliability(counts.sum(axis=0))
    assert not counts[1, 100:].any()
    assert not counts[2, :100].any()
    known = ground_truth < 3
    values, right = confidence[known] / 255, (labels == ground_truth)[known]
    place = np.minimum((values * BINS + 1e-12).astype(int), BINS - 1)
    gaps = [
        (place == number).sum()
        * abs(values[place == number].mean() - right[place == number].mean())
        for number in range(BINS)
    ]
    assert found.ece == pytest.approx(sum(gaps) / known.sum())
    assert found.pixels == known.sum()
    assert [each.pixels for each in found.bins] == np.bincount(place, minlength=BINS).tolist()


def test_always_sure_and_always_right_is_no_error():
    ones = np.ones(SIZE, np.uint8)
    found = reliability(PixelCounter(3).calibration(ones * 255, ones, ones, None)[NOWHERE])
    assert found.ece == 0
    assert np.isnan(reliability(Counts.none(3).calibration[0]).ece)


def test_stages_are_spread_each_over_its_own_frames():
    found = spreads([(('a', 1.0),), (('a', 3.0), ('b', 5.0))])
    assert (found['a'].frames, found['a'].p50, found['a'].max, found['a'].sum) == (
        2,
        2.0,
        3.0,
        4.0,
    )
    assert found['b'].frames == 1
