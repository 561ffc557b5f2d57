# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Augmentation: image and labels stay together, what is outside counts for nothing."""

import dataclasses

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.training.config import AugmentConfig
from mfaranet_ros.training.datasets import Sample
from mfaranet_ros.training.paste import LEAST_PX, Paste
from mfaranet_ros.training.transforms import Augment, change_colors, draw_scale

FILL = (10.0, 20.0, 30.0)
SIZE = (60, 80)

NOTHING = AugmentConfig(
    scale_min=1.0, scale_max=1.0, rotation_deg=0.0, flip_share=0.0, height=60, width=80
)


def change(**values):
    return dataclasses.replace(NOTHING, **values)


def augment(sample, config, seed=0):
    return Augment(config, FILL)(sample, np.random.default_rng(seed))


@pytest.fixture
def sample():
    """An image whose red is 20 times its label, in blocks."""
    random = np.random.default_rng(1)
    labels = np.kron(random.integers(1, 11, (6, 8)), np.ones((10, 10))).astype(np.uint8)
    image = np.stack([20 * labels, labels, 255 - labels], axis=-1).astype(np.uint8)
    return Sample('sample', image, labels)


def test_nothing_to_change_changes_nothing(sample):
    result = augment(sample, NOTHING)
    assert np.array_equal(result.image, sample.image)
    assert np.array_equal(result.labels, sample.labels)


def test_flip_is_to_the_pixel(sample):
    result = augment(sample, change(flip_share=1.0))
    assert np.array_equal(result.image, sample.image[:, ::-1])
    assert np.array_equal(result.labels, sample.labels[:, ::-1])


def test_half_turn_is_to_the_pixel(sample):
    half = change(rotation_share=1.0, rotation_deg=180.0)

    class Largest:
        """A generator that draws the largest value of a range, and nothing else by chance."""

        def uniform(self, low, high):
            return high

        def random(self, count=None):
            return 0.0 if count is None else np.zeros(count)

    result = Augment(half, FILL)(sample, Largest())
    assert np.array_equal(result.labels, sample.labels[::-1, ::-1])


def test_double_scale_is_that_of_a_resize(sample):
    config = change(scale_min=2.0, scale_max=2.0, height=120, width=160)
    result = augment(sample, config)
    wanted = cv2.resize(sample.image, (160, 120), interpolation=cv2.INTER_LINEAR)
    inside = (slice(4, -4), slice(4, -4))
    difference = np.abs(result.image[inside].astype(int) - wanted[inside])
    assert difference.max() <= 8  # of steps of 20 and more: both round to parts of a pixel
    assert (result.labels == np.kron(sample.labels, np.ones((2, 2)))).mean() > 0.98


@pytest.mark.parametrize('seed', range(8))
def test_image_and_labels_stay_together(sample, seed):
    config = AugmentConfig(height=48, width=64)
    result = augment(sample, config, seed)
    assert result.image.shape == (48, 64, 3)
    assert result.labels.shape == (48, 64)
    outside = result.labels == 255
    # Away from the edges of blocks and crop every pixel must still have the red of its label.
    low, high = (
        function(np.where(outside, 0, result.labels), np.ones((5, 5)))
        for function in (cv2.erode, cv2.dilate)
    )
    plain = (low == high) & ~outside & (low > 0)
    plain[[0, 1, -2, -1]], plain[:, [0, 1, -2, -1]] = False, False
    assert plain.sum() > 100
    red = result.image[..., 0][plain].astype(int)
    assert np.abs(red - 20 * result.labels[plain].astype(int)).max() <= 2


def test_what_lies_outside_is_filled_and_ignored(sample):
    result = augment(sample, change(scale_min=0.5, scale_max=0.5))
    outside = result.labels == 255
    assert outside.mean() == pytest.approx(0.75, abs=0.02)
    inside = cv2.dilate((~outside).astype(np.uint8), np.ones((3, 3))) > 0
    assert (result.image[~inside] == np.array(FILL, np.uint8)).all()


def test_same_generator_same_result(sample):
    config = AugmentConfig(height=48, width=64, color_share=1.0, blur_share=1.0)
    first, again, other = (augment(sample, config, seed) for seed in (5, 5, 6))
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.image, other.image)


def test_crops_reach_all_of_a_larger_image(sample):
    seen = np.zeros(SIZE, bool)
    numbers = np.arange(60 * 80).reshape(SIZE)
    coded = np.stack([numbers % 256, numbers // 256, numbers * 0], axis=-1).astype(np.uint8)
    for seed in range(60):
        crop = augment(Sample('', coded, sample.labels), change(height=32, width=32), seed)
        middle = crop.image[16, 16].astype(int)
        seen.flat[middle[0] + 256 * middle[1]] = True
    rows, columns = np.nonzero(seen)
    assert rows.min() <= 18
    assert rows.max() >= 42
    assert columns.min() <= 20
    assert columns.max() >= 58


@pytest.mark.parametrize('log_scale', [False, True])
def test_scales_keep_to_their_range(log_scale):
    config = AugmentConfig(scale_min=0.5, scale_max=2.0, log_scale=log_scale)
    random = np.random.default_rng(0)
    scales = [draw_scale(config, random) for _ in range(500)]
    assert min(scales) >= 0.5
    assert max(scales) <= 2.0
    middle = 1.0 if log_scale else 1.25
    assert np.median(scales) == pytest.approx(middle, abs=0.12)


# -- colours -------------------------------------------------------------------------------------

STILL = AugmentConfig(brightness=0.0, contrast=0.0, saturation=0.0, hue_deg=0.0, gamma=0.0)


class Top:
    """A generator that always draws the largest value."""

    def uniform(self, low, high):
        return high


def colored(pixels, **values):
    config = dataclasses.replace(STILL, **values)
    return change_colors(np.array([pixels], np.uint8), config, Top())[0].tolist()


def test_no_change_of_colors_is_none(sample):
    assert np.array_equal(change_colors(sample.image, STILL, Top()), sample.image)


def test_brightness_is_a_factor():
    assert colored([[50, 100, 200]], brightness=0.5) == [[75, 150, 255]]


def test_contrast_is_the_distance_from_gray():
    assert colored([[128, 100, 178]], contrast=0.5) == [[128, 86, 203]]


def test_saturation_keeps_gray_and_luma():
    assert colored([[90, 90, 90]], saturation=0.4) == [[90, 90, 90]]
    (pixel,) = colored([[120, 90, 60]], saturation=0.4)
    assert pixel[0] - pixel[2] == pytest.approx(1.4 * 60, abs=1)
    luma = np.dot([0.299, 0.587, 0.114], pixel)
    assert luma == pytest.approx(np.dot([0.299, 0.587, 0.114], [120, 90, 60]), abs=1)


def test_third_of_a_turn_of_the_hue_exchanges_the_channels_and_keeps_the_luma():
    before = np.array([120, 90, 60])
    (after,) = np.array(colored([before], hue_deg=120.0))
    assert np.ptp(after - np.roll(before, 1)) <= 1
    luma = np.array([0.299, 0.587, 0.114])
    assert luma @ after == pytest.approx(luma @ before, abs=1)


def test_gamma_keeps_black_and_white():
    (black,), (middle,), (white,) = (colored([[v, v, v]], gamma=0.5) for v in (0, 128, 255))
    assert (black[0], white[0]) == (0, 255)
    assert middle[0] < 128


def test_blur_makes_smooth(sample):
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    noisy = Sample('', noise, sample.labels)
    result = augment(noisy, change(blur_share=1.0, blur_px=3.0))
    assert result.image.std() < 0.9 * noise.std()
    assert np.array_equal(result.labels, sample.labels)


# -- objects of rare classes ---------------------------------------------------------------------


@pytest.fixture
def street():
    """Images of road; one has a square of class 7 and a speck of class 8."""
    plain = Sample('plain', np.full((*SIZE, 3), 50, np.uint8), np.full(SIZE, 3, np.uint8))
    image, labels = plain.image.copy(), plain.labels.copy()
    image[20:32, 10:20], labels[20:32, 10:20] = 200, 7
    labels[50:52, 50:52] = 8
    return [plain, Sample('donor', image, labels)]


def counts_of(samples):
    return np.array([np.bincount(s.labels.ravel(), minlength=11)[:11] for s in samples])


def pasting(**values):
    return AugmentConfig(**{'paste_below': 0.05, **values})


def test_rare_objects_are_pasted_at_their_height(street):
    paste = Paste(street.__getitem__, counts_of(street), pasting(paste_objects=1))
    assert paste.rare == (7,)  # the speck of class 8 is below LEAST_PX
    changed = 0
    for seed in range(10):
        before = street[0].labels.copy()
        result = paste(street[0], np.random.default_rng(seed))
        new = result.labels == 7
        rows = np.flatnonzero(new.any(axis=1))
        assert (rows[0], rows[-1]) == (20, 31)
        assert new.sum() == 120
        assert set(np.unique(result.labels)) == {3, 7}
        core = cv2.erode(new.astype(np.uint8), np.ones((3, 3))) > 0
        assert (result.image[core] == 200).all()
        around = cv2.dilate(new.astype(np.uint8), np.ones((3, 3))) > 0
        assert (result.image[~around] == 50).all()
        assert np.array_equal(street[0].labels, before)
        changed += int(np.flatnonzero(new.any(axis=0))[0])
    assert changed > 0


def test_several_objects_in_other_light(street):
    paste = Paste(street.__getitem__, counts_of(street), pasting(paste_objects=9, paste_light=0.5))
    most, lights = 0, set()
    for seed in range(20):
        result = paste(street[0], np.random.default_rng(seed))
        most = max(most, (result.labels == 7).sum() // 120)
        core = cv2.erode((result.labels == 7).astype(np.uint8), np.ones((3, 3))) > 0
        lights |= set(result.image[core].ravel().tolist())
    assert most > 1
    assert min(lights) >= 200 * np.exp(-0.5) - 1
    assert min(lights) < 160 < 240 < max(lights)


def test_a_pole_two_pixels_wide_is_pasted_as_it_is(street):
    thin = Sample('thin', street[0].image.copy(), street[0].labels.copy())
    thin.image[10:40, 30:32], thin.labels[10:40, 30:32] = 200, 7
    paste = Paste([thin].__getitem__, counts_of([thin]), pasting(paste_objects=1))
    result = paste(street[0], np.random.default_rng(0))
    rows = np.flatnonzero((result.labels == 7).any(axis=1))[1:-1]
    assert (result.image[rows][result.labels[rows] == 7] == 200).all()


def test_nothing_rare_nothing_pasted(street):
    paste = Paste(street.__getitem__, counts_of(street), pasting(paste_below=0.0))
    assert paste(street[0], np.random.default_rng(0)) is street[0]


def test_object_larger_than_the_image_is_left_out(street):
    paste = Paste(street.__getitem__, counts_of(street), pasting())
    small = Sample('small', np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8))
    assert not paste(small, np.random.default_rng(0)).labels.any()


def test_donor_that_cannot_be_read_is_left_out(street):
    def broken(index):
        raise SourceError('broken')

    paste = Paste(broken, counts_of(street), pasting())
    result = paste(street[0], np.random.default_rng(0))
    assert np.array_equal(result.labels, street[0].labels)


def test_least_area_is_a_few_pixels():
    assert 1 < LEAST_PX < 100
