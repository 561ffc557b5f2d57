# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Views of other cameras: image and labels change together, and each view does what it says."""

import dataclasses

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.frame import UNLABELED
from mfaranet_ros.training.config import AugmentConfig, make_config
from mfaranet_ros.training.datasets import Sample
from mfaranet_ros.training.transforms import Augment
from mfaranet_ros.training.views import VIEWS, draw_view

STILL = AugmentConfig(
    scale_min=1.0, scale_max=1.0, rotation_deg=0.0, flip_share=0.0, height=120, width=160
)
FILL = (1.0, 2.0, 3.0)


def draw(name, seed=0):
    return draw_view(name, np.random.default_rng(seed))


def grid(rows=9, columns=11):
    """Points over an image of 4:3, (2, rows, columns)."""
    x, y = np.linspace(-1, 1, columns), np.linspace(-0.75, 0.75, rows)
    return np.stack(np.meshgrid(x, y)).astype(np.float32)


@pytest.fixture
def sample():
    """Labels in blocks, and an image whose red channel is a function of them."""
    labels = (np.arange(120)[:, None] // 30 * 6 + np.arange(160)[None] // 30).astype(np.uint8)
    image = np.repeat((10 * labels)[..., None], 3, 2)
    return Sample('x', image, labels)


@pytest.mark.parametrize('name', VIEWS)
def test_image_and_labels_change_together(name, sample):
    config = dataclasses.replace(STILL, view_share=1.0, views=(name,))
    changed = Augment(config, FILL)(sample, np.random.default_rng(3))
    assert changed.image.shape == sample.image.shape
    assert not np.array_equal(changed.labels, sample.labels)
    inside = changed.labels != UNLABELED
    # Linear interpolation mixes values only where blocks meet.
    right = changed.image[..., 0] == 10 * changed.labels
    assert right[inside].mean() > 0.85
    assert inside.mean() > 0.5


@pytest.mark.parametrize('name', VIEWS)
def test_the_seed_decides(name):
    assert np.array_equal(draw(name, 5)(grid()), draw(name, 5)(grid()))
    assert not np.array_equal(draw(name, 5)(grid()), draw(name, 6)(grid()))


@pytest.mark.parametrize('seed', range(6))
def test_a_tilt_keeps_straight_lines_straight(seed):
    turned = draw('tilt', seed)(grid()).astype(float)
    for lines in (turned, turned.transpose(0, 2, 1)):
        start, end = lines[:, :, :1], lines[:, :, -1:]
        along, off = end - start, lines - start
        cross = along[0] * off[1] - along[1] * off[0]
        assert np.abs(cross).max() < 1e-5


@pytest.mark.parametrize('seed', range(6))
def test_a_higher_camera_scales_the_ground_below_the_horizon(seed):
    points = grid(61)
    changed = draw('height', seed)(points)
    assert np.array_equal(changed[0], points[0])
    above = points[1] < -0.2
    assert np.array_equal(changed[1][above], points[1][above])
    steps = np.diff(changed[1][points[1][:, 0] > 0.15, 0]) / np.diff(
        points[1][points[1][:, 0] > 0.15, 0]
    )
    assert np.allclose(steps, steps[0], atol=1e-4)
    assert 1 / 1.7 - 0.01 <= steps[0] <= 1 / 0.6 + 0.01


@pytest.mark.parametrize('seed', range(6))
def test_a_wide_angle_lens_shows_more_towards_the_corners(seed):
    points = grid()
    before, after = (np.hypot(*p) for p in (points, draw('wide_angle', seed)(points)))
    outer = before > 0.1
    ratio = after[outer] / before[outer]
    assert (ratio > 1).all()
    assert np.argmax(ratio) == np.argmax(before[outer])


def test_without_a_share_nothing_is_drawn(sample):
    random, untouched = (np.random.default_rng(0) for _ in range(2))
    Augment(STILL, FILL)(sample, random)
    Augment(dataclasses.replace(STILL, views=()), FILL)(sample, untouched)
    assert random.random() == untouched.random()


def test_a_name_that_is_none():
    with pytest.raises(UnknownNameError, match="did you mean 'tilt'"):
        draw('tlit')


@pytest.mark.parametrize(
    ('values', 'error', 'message'),
    [
        ({'augment.views': ('tilt', 'heigth')}, UnknownNameError, 'heigth'),
        ({'augment.views': (), 'augment.view_share': 0.5}, ConfigError, 'names none'),
    ],
)
def test_views_are_checked_before_a_run(values, error, message):
    with pytest.raises(error, match=message):
        make_config('small', {'data.root': 'x', **values})
