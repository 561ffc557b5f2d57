# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Tiny data in the layouts they are published in, and a tiny network to train on them."""

import copy
import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from mfaranet_ros.models import registry
from mfaranet_ros.training.config import make_config

SCRIPT = Path(__file__).with_name('tiny_network.py')

COLORS = np.array(
    [[230, 30, 30], [30, 230, 30], [30, 30, 230], [230, 230, 30], [30, 230, 230]], np.uint8
)
"""Of the first classes in the images that are made here; anyone can learn them."""


@pytest.fixture
def tiny_network(monkeypatch):
    """The name of a network that is in the zoo for one test."""
    monkeypatch.setattr(registry, 'MODELS', copy.copy(registry.MODELS))
    spec = importlib.util.spec_from_file_location('tiny_network', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.register()
    return module.NAME


@pytest.fixture
def script():
    """The script that is the command with the tiny network in its zoo."""
    return SCRIPT


def draw_labels(number, size=(32, 48), classes=5):
    """Make labels of blocks, other ones for each number: uint8 (H, W)."""
    random = np.random.default_rng(number)
    blocks = random.integers(0, classes, (size[0] // 8, size[1] // 8)).astype(np.uint8)
    return np.kron(blocks, np.ones((8, 8), np.uint8))


def draw_image(labels):
    """Make the image of labels, uint8 (H, W, 3) RGB."""
    return COLORS[labels % len(COLORS)]


def write(path, pixels):
    """Write an image, RGB or gray, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels))


@pytest.fixture
def make_folders(tmp_path):
    """Return what makes a data root of plain folders with camvid's ids, and returns it."""

    def make(train=8, validation=2, *, drives=('a', 'b'), size=(32, 48), root='data'):
        folder = tmp_path / root
        for split, count, start in (('train', train, 0), ('val', validation, 1000)):
            for number in range(count):
                labels = draw_labels(start + number, size)
                name = f'{drives[number % len(drives)]}_{start + number:04d}'
                write(folder / split / 'images' / f'{name}.png', draw_image(labels))
                write(folder / split / 'labels' / f'{name}.png', labels)
        return folder

    return make


TINY = {
    'data.kind': 'folders',
    'data.labels': 'camvid',
    'data.threads': 2,
    'augment.height': 32,
    'augment.width': 32,
    'augment.paste_share': 0.0,
    'loss.stride': 1,
    'optim.batch': 2,
    'run.device': 'cpu',
    'run.precision': 'float32',
    'run.epochs': 2,
    'run.validate_every': 1,
    'run.threads': 1,
}


@pytest.fixture
def make_tiny_config(make_folders, tiny_network):
    """Return what makes a config that trains in a second, on data that are made where needed."""

    def make(values=None, *, recipe='small', root=None):
        given = {'data.root': str(root or make_folders()), 'network.name': tiny_network}
        return make_config(recipe, {**TINY, **given, **(values or {})})

    return make


# -- mixtures -------------------------------------------------------------------------------------

COARSE = '0 : Sky\n1 : Road\n2 : Building, Tree\n3 : 4,7\n'
"""What the ids of the second data set may be in camvid."""


MIXTURE_COLORS = np.array([[i % 3, i // 3 % 3, i // 9] for i in range(11)], np.uint8) * 110
"""Of camvid's classes in the images; anyone can learn them."""


def make_set(root, count, classes, *, size=(32, 48), seed=0):
    """Write images of blocks, whose colours are those of their classes; classes: by id."""
    for number in range(count):
        random = np.random.default_rng([seed, number])
        blocks = random.choice(list(classes), (size[0] // 8, size[1] // 8)).astype(np.uint8)
        labels = np.kron(blocks, np.ones((8, 8), np.uint8))
        name = f'{number:03d}'
        image = MIXTURE_COLORS[np.vectorize(classes.get)(labels)]
        image[0, 0] = seed, number, 0
        write(root / 'images' / f'{name}.png', image)
        write(root / 'labels' / f'{name}.png', labels)


@pytest.fixture
def mixture_folder(tmp_path):
    """Two data sets: `fine` with camvid's ids, `coarse` of another shape with a table."""
    make_set(tmp_path / 'fine', 6, {number: number for number in range(11)}, seed=1)
    make_set(tmp_path / 'coarse', 10, {0: 0, 1: 3, 2: 5, 3: 4, 255: 9}, size=(24, 32), seed=2)
    (tmp_path / 'coarse.txt').write_text(COARSE)
    return tmp_path


@pytest.fixture
def make_mixture(mixture_folder):
    """Return what writes a mixture of both, changed as given, and returns its path."""

    def make_file(fine=None, coarse=None, **top):
        sets = [
            {'name': 'fine', 'root': 'fine', 'weight': 2, **(fine or {})},
            {'name': 'coarse', 'root': 'coarse', 'table': 'coarse.txt', 'hold_out': 3}
            | (coarse or {}),
        ]
        path = mixture_folder / 'mixture.yaml'
        path.write_text(yaml.safe_dump({'labels': 'camvid', 'sets': sets, **top}))
        return path

    return make_file
