# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Conditions: named, drawn from a seed, and doing to an image what they are named for."""

import dataclasses

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.training.conditions import CONDITIONS, apply_condition
from mfaranet_ros.training.config import AugmentConfig, make_config
from mfaranet_ros.training.datasets import Sample
from mfaranet_ros.training.transforms import Augment


@pytest.fixture
def image():
    """A pale sky over textured ground with a dark box."""
    random = np.random.default_rng(3)
    image = np.full((120, 160, 3), (150, 180, 210), np.uint8)
    image[60:] = random.integers(70, 130, (60, 160, 1))
    image[40:90, 70:100] = (40, 30, 60)
    return image


def apply(name, image, seed=0):
    return apply_condition(name, image, np.random.default_rng(seed))


@pytest.mark.parametrize('name', CONDITIONS)
@pytest.mark.parametrize('size', [(32, 32), (33, 47), (360, 480)])
def test_every_condition_changes_an_image_of_any_size(name, size, image):
    given = cv2.resize(image, size[::-1])
    before = given.copy()
    result = apply(name, given)
    assert result.dtype == np.uint8
    assert result.shape == given.shape
    assert np.array_equal(given, before)
    assert not np.array_equal(result, given)


@pytest.mark.parametrize('name', CONDITIONS)
def test_the_seed_decides(name, image):
    assert np.array_equal(apply(name, image, 5), apply(name, image, 5))
    others = [apply(name, image, seed) for seed in range(6)]
    assert any(not np.array_equal(others[0], other) for other in others[1:])


def mean(values):
    return float(np.mean(values, dtype=float))


@pytest.mark.parametrize('seed', range(8))
def test_conditions_do_what_they_are_named_for(image, seed):
    assert mean(apply('night', image, seed)) < 0.75 * mean(image)
    assert apply('rain', image, seed).std() < image.std()
    foggy = apply('fog', image, seed)
    assert foggy.std() < image.std()
    near = np.abs(foggy[-10:].astype(float) - image[-10:]).mean()
    far = np.abs(foggy[64:70].astype(float) - image[64:70]).mean()
    assert near < far
    assert mean(apply('low_sun', image, seed)) > mean(image)
    ground = np.abs(np.diff(image[100:].astype(float), axis=1)).mean()
    blurred = np.abs(np.diff(apply('motion_blur', image, seed)[100:].astype(float), axis=1)).mean()
    assert blurred < ground
    cast = apply('color_cast', image, seed).reshape(-1, 3).mean(0) / image.reshape(-1, 3).mean(0)
    assert cast.max() - cast.min() > 0.02


def test_a_name_that_is_none():
    with pytest.raises(UnknownNameError, match="did you mean 'night'"):
        apply('nigth', np.zeros((8, 8, 3), np.uint8))


# -- in the augmentation -------------------------------------------------------------------------

STILL = AugmentConfig(
    scale_min=1.0, scale_max=1.0, rotation_deg=0.0, flip_share=0.0, height=120, width=160
)


def augment(image, **values):
    labels = np.tile(np.arange(160, dtype=np.uint8) // 20, (120, 1))
    config = dataclasses.replace(STILL, **values)
    return Augment(config, (0, 0, 0))(Sample('x', image, labels), np.random.default_rng(0)), labels


def test_labels_stay_and_the_image_changes(image):
    sample, labels = augment(image, condition_share=1.0)
    assert np.array_equal(sample.labels, labels)
    assert not np.array_equal(sample.image, image)


def test_without_a_share_nothing_is_drawn(image):
    """So a run without conditions stays bit for bit what it was before there were any."""
    random, untouched = (np.random.default_rng(0) for _ in range(2))
    config = dataclasses.replace(STILL, color_share=0.5)
    labels = np.zeros((120, 160), np.uint8)
    Augment(config, (0, 0, 0))(Sample('x', image, labels), random)
    Augment(dataclasses.replace(config, conditions=()), (0, 0, 0))(
        Sample('x', image, labels), untouched
    )
    assert random.random() == untouched.random()


@pytest.mark.parametrize(
    ('values', 'error', 'message'),
    [
        ({'augment.conditions': ('fog', 'snwo')}, UnknownNameError, 'snwo'),
        ({'augment.conditions': (), 'augment.condition_share': 0.5}, ConfigError, 'names none'),
    ],
)
def test_conditions_are_checked_before_a_run(values, error, message):
    with pytest.raises(error, match=message):
        make_config('small', {'data.root': 'x', **values})
