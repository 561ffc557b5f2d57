# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Validation: whole images of any size, counted as the evaluation counts them."""

import numpy as np
import pytest
import torch

from mfaranet_ros.models import create_model
from mfaranet_ros.training import validate as module
from mfaranet_ros.training.datasets import Cache, open_dataset
from mfaranet_ros.training.feed import Feed
from mfaranet_ros.training.validate import predict, validate

CPU = torch.device('cpu')
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


@pytest.fixture
def feed():
    return Feed(CPU, 'float32', MEAN, STD)


@pytest.fixture
def model(tiny_network):
    torch.manual_seed(0)
    return create_model(tiny_network, classes=11).train()


@pytest.fixture
def data(make_folders):
    """Four images of two sizes."""
    root = make_folders(2, 1, size=(32, 48))
    other = make_folders(2, 1, size=(40, 24), root='other')
    for part in ('images', 'labels'):
        for path in (other / 'train' / part).iterdir():
            path.rename(root / 'train' / part / f'z{path.name}')
    return Cache(open_dataset('folders', root, 'train', 'camvid'), 1e9)


def count_alone(model, data, feed):
    """Count pixel by pixel what the network says of each image alone."""
    counts = np.zeros((11, 11), np.int64)
    model.eval()
    for index in range(len(data)):
        sample = data.read(index)
        with torch.no_grad():
            labels = predict(model, feed, torch.from_numpy(sample.image)[None])[0].numpy()
        for ground_truth, label in zip(sample.labels.ravel(), labels.ravel(), strict=True):
            counts[ground_truth, label] += ground_truth < 11
    model.train()
    return counts


@pytest.mark.parametrize('together', [1, 2 * 32 * 48, 10**9])
def test_every_pixel_is_counted_once(model, data, feed, monkeypatch, together):
    monkeypatch.setattr(module, 'TOGETHER_PX', together)
    matrix, skipped = validate(model, data, feed, threads=2)
    assert np.array_equal(matrix.counts, count_alone(model, data, feed))
    assert matrix.pixels == 2 * 32 * 48 + 2 * 40 * 24
    assert not skipped
    assert model.training


def test_broken_image_is_left_out_and_named(model, data, feed):
    data.dataset.pairs[1].image.write_bytes(b'broken')
    matrix, skipped = validate(model, data, feed, threads=2)
    assert list(skipped) == [data.dataset.names[1]]
    assert matrix.pixels == 32 * 48 + 2 * 40 * 24


def test_images_are_normalised(feed):
    images = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    values = feed.normalise(images)
    assert values.shape == (1, 3, 1, 1)
    wanted = [(x / 255 - m) / s for x, m, s in zip((0, 51, 255), MEAN, STD, strict=True)]
    assert values.flatten().tolist() == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ('precision', 'flags', 'mixed'),
    [
        ('float32', {'avx512_bf16'}, False),
        ('bfloat16', set(), True),
        ('auto', {'avx512_bf16'}, True),
        ('auto', {'amx_bf16'}, True),
        ('auto', set(), False),
    ],
)
def test_precision_that_fits_the_processor(monkeypatch, precision, flags, mixed):
    monkeypatch.setattr('mfaranet_ros.training.feed.cpu_flags', lambda: frozenset(flags))
    feed = Feed(CPU, precision, MEAN, STD)
    with feed.autocast():
        product = torch.ones(2, 2) @ torch.ones(2, 2)
    assert feed.mixed == mixed
    assert product.dtype == (torch.bfloat16 if mixed else torch.float32)
