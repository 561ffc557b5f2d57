# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every layout on a tiny tree, and what is said of trees that are wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, SourceError, UnknownNameError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.labels import CAMVID_COLORS, to_label_ids
from mfaranet_ros.training.config import DataConfig
from mfaranet_ros.training.datasets import (
    KINDS,
    Cache,
    count_classes,
    drive_of,
    open_data,
    open_dataset,
)

SIZE = (16, 24)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = pixels[..., ::-1] if pixels.ndim == 3 else pixels
    assert cv2.imwrite(str(path), np.ascontiguousarray(pixels))


def draw(number, classes):
    """Return an image and labels of all ids and 255, other ones for each number."""
    random = np.random.default_rng(number)
    image = random.integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    ids = np.append(np.arange(classes), 255)
    labels = np.resize(np.roll(ids, number), SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint8)
    return image, labels


def make_camvid(root, name, image, labels, split):
    write(root / split / 'images' / f'{name}.png', image)
    write(root / split / 'labels' / f'{name}.png', np.where(labels == 255, 11, labels))


def make_folders(root, name, image, labels, split):
    write(root / split / 'images' / f'{name}.png', image)
    write(root / split / 'labels' / f'{name}.png', labels)


def make_cityscapes(root, name, image, labels, split):
    city = name.partition('_')[0]
    start = root / 'leftImg8bit' / split / city / name
    write(start.with_name(f'{name}_leftImg8bit.png'), image)
    start = root / 'gtFine' / split / city / name
    write(start.with_name(f'{name}_gtFine_labelIds.png'), to_label_ids()[labels])
    write(start.with_name(f'{name}_gtFine_color.png'), image)


def make_camvid_colors(root, name, image, labels, split):
    colors = np.zeros((256, 3), np.uint8)
    for number, of_class in enumerate(CAMVID_COLORS.values()):
        colors[number] = of_class[-1]
    write(root / '701_StillsRaw_full' / f'{name}.png', image)
    write(root / 'LabeledApproved_full' / f'{name}_L.png', colors[labels])
    add_to_list(root / f'{split}.txt', f'/data/{split}/{name}.png /data/{split}annot/{name}.png')


def make_pascal_context(root, name, image, labels, split):
    write(root / 'JPEGImages' / f'{name}.jpg', image)
    write(
        root / 'SegmentationClassContext' / f'{name}.png', np.where(labels == 255, 0, labels + 1)
    )
    add_to_list(root / 'ImageSets' / 'SegmentationContext' / f'{split}.txt', name)


def add_to_list(path, line):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write(f'{line}\n')


MAKERS = {
    'camvid': make_camvid,
    'camvid_colors': make_camvid_colors,
    'cityscapes': make_cityscapes,
    'folders': make_folders,
    'pascal_context': make_pascal_context,
}
LABELS = {'folders': 'camvid'}
NAMES = {'train': ('a_0', 'a_1', 'b_2'), 'val': ('c_3', 'c_4')}


@pytest.fixture(params=sorted(MAKERS))
def tree(request, tmp_path):
    """A kind of layout and a data root in it."""
    kind = request.param
    root = tmp_path / 'data'
    classes = len(get_label_set(LABELS.get(kind, KINDS[kind].labels)))
    for split, names in NAMES.items():
        for name in names:
            MAKERS[kind](root, name, *draw(int(name[-1]), classes), split)
    return kind, root


def test_every_layout_is_tested():
    assert MAKERS.keys() == KINDS.keys()


@pytest.mark.parametrize('split', NAMES)
def test_layout_is_read(tree, split):
    kind, root = tree
    dataset = open_dataset(kind, root, split, LABELS.get(kind, ''))
    assert [name.rpartition('/')[2] for name in dataset.names] == list(NAMES[split])
    for index, name in enumerate(NAMES[split]):
        image, labels = draw(int(name[-1]), len(dataset.label_set))
        sample = dataset.read(index)
        assert sample.name == dataset.names[index]
        assert np.array_equal(sample.labels, labels)
        assert sample.labels.dtype == np.uint8
        if kind != 'pascal_context':  # whose images are jpeg
            assert np.array_equal(sample.image, image)
    assert drive_of(dataset.names[0]) == NAMES[split][0][0]


def test_parts_that_are_missing_are_named_with_what_is_there(tree):
    kind, root = tree
    part = sorted(path for path in root.iterdir() if path.is_dir())[0]
    part.rename(root / 'elsewhere')
    if kind == 'folders':  # which may also be for all splits
        (root / 'val').rename(root / 'beside')
    with pytest.raises(SourceError, match=r'looked for .* missing .* found .*elsewhere'):
        open_dataset(kind, root, 'train', LABELS.get(kind, ''))


def test_label_that_is_missing_is_named(tree):
    kind, root = tree
    dataset = open_dataset(kind, root, 'train', LABELS.get(kind, ''))
    dataset.pairs[1].ground_truth.unlink()
    with pytest.raises(SourceError, match='a_1'):
        open_dataset(kind, root, 'train', LABELS.get(kind, ''))


def test_image_that_is_missing_is_named(tree):
    kind, root = tree
    dataset = open_dataset(kind, root, 'train', LABELS.get(kind, ''))
    dataset.pairs[2].image.unlink()
    with pytest.raises(SourceError, match='b_2'):
        open_dataset(kind, root, 'train', LABELS.get(kind, ''))


def test_labels_of_another_size_are_named(tree):
    kind, root = tree
    dataset = open_dataset(kind, root, 'train', LABELS.get(kind, ''))
    path = dataset.pairs[0].ground_truth
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(path), labels[:8])
    with pytest.raises(SourceError, match=rf'{path.name} is 24x8 px, its image 24x16'):
        dataset.read(0)


WRONG_VALUES = {
    'camvid': 12,
    'camvid_colors': (1, 2, 3),
    'cityscapes': 34,
    'folders': 11,
    'pascal_context': 60,
}


def test_values_outside_the_set_are_named(tree):
    kind, root = tree
    dataset = open_dataset(kind, root, 'train', LABELS.get(kind, ''))
    path = dataset.pairs[0].ground_truth
    labels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    labels[3, 4] = WRONG_VALUES[kind]
    cv2.imwrite(str(path), labels)
    if kind == 'folders':
        assert dataset.read(0).labels[3, 4] == 255  # camvid's own void
        return
    value = str(WRONG_VALUES[kind])[-2:].strip('()')
    with pytest.raises(SourceError, match=rf'{path.name} holds .*{value}'):
        dataset.read(0)


def test_broken_image_is_named(tree):
    kind, root = tree
    dataset = open_dataset(kind, root, 'train', LABELS.get(kind, ''))
    path = dataset.pairs[0].image
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(SourceError, match=path.name):
        dataset.read(0)


@pytest.mark.parametrize('kind', sorted(MAKERS))
def test_root_that_is_none(kind, tmp_path):
    with pytest.raises(SourceError, match='is no folder'):
        open_dataset(kind, tmp_path / 'nowhere', 'train', LABELS.get(kind, ''))


def test_empty_list_is_refused(tmp_path):
    make_pascal_context(tmp_path, 'a', *draw(0, 59), 'train')
    (tmp_path / 'ImageSets/SegmentationContext/train.txt').write_text('\n')
    with pytest.raises(SourceError, match="split 'train' is empty"):
        open_dataset('pascal_context', tmp_path, 'train')


def test_empty_folder_is_refused(tmp_path):
    make_camvid(tmp_path, 'a', *draw(0, 11), 'train')
    (tmp_path / 'train/images/a.png').unlink()
    with pytest.raises(SourceError, match='images'):
        open_dataset('camvid', tmp_path, 'train')


def test_camvid_colors_are_those_of_its_palette():
    """The first colour of each class is the one its label set shows it in."""
    camvid = get_label_set('camvid')
    assert tuple(CAMVID_COLORS) == camvid.names
    assert [colors[0] for colors in CAMVID_COLORS.values()] == [c.color for c in camvid.classes]
    every = [color for colors in CAMVID_COLORS.values() for color in colors]
    assert len(set(every)) == len(every) == 31


def test_folders_without_splits_serve_for_both(tmp_path, caplog):
    for name in ('a_0', 'a_1'):
        make_folders(tmp_path, name, *draw(0, 11), '')
    train, validation = open_data(DataConfig('folders', str(tmp_path), 'camvid'))
    assert train.names == validation.names == ('a_0', 'a_1')
    assert 'are those validated on' in caplog.text


@pytest.mark.parametrize(
    ('kind', 'labels', 'error'),
    [
        ('folders', '', ConfigError),
        ('camvid', 'cityscapes', ConfigError),
        ('folders', 'camvidd', UnknownNameError),
        ('camvit', '', UnknownNameError),
    ],
)
def test_kind_or_labels_that_do_not_fit(kind, labels, error, tmp_path):
    with pytest.raises(error):
        open_dataset(kind, tmp_path, 'train', labels)


# -- a drive that is left out --------------------------------------------------------------------


def test_drive_that_is_left_out_is_validated_on(tree):
    kind, root = tree
    config = DataConfig(kind, str(root), LABELS.get(kind, ''), leave_out='a')
    train, validation = open_data(config)
    names = [[name.rpartition('/')[2] for name in one.names] for one in (train, validation)]
    assert names == [['b_2'], ['a_0', 'a_1']]


@pytest.mark.parametrize(('leave_out', 'error'), [('x', UnknownNameError), ('a, b', ConfigError)])
def test_drives_that_cannot_be_left_out(leave_out, error, tmp_path):
    for name in NAMES['train']:
        make_camvid(tmp_path, name, *draw(0, 11), 'train')
    with pytest.raises(error):
        open_data(DataConfig('camvid', str(tmp_path), leave_out=leave_out))


# -- the cache and the counts --------------------------------------------------------------------


@pytest.fixture
def camvid(tmp_path):
    for name in NAMES['train']:
        make_camvid(tmp_path, name, *draw(int(name[-1]), 11), 'train')
    return open_dataset('camvid', tmp_path, 'train')


@pytest.mark.parametrize(('limit', 'kept'), [(0, 0), (4 * 16 * 24, 1), (1e9, 3)])
def test_cache_keeps_up_to_its_limit(camvid, limit, kept):
    cache = Cache(camvid, limit)
    first = [cache.read(index) for index in range(3)]
    again = [cache.read(index) for index in range(3)]
    assert sum(a is b for a, b in zip(first, again, strict=True)) == kept
    for a, b in zip(first, again, strict=True):
        assert np.array_equal(a.image, b.image)


def test_classes_are_counted(camvid):
    camvid.pairs[1].image.write_bytes(b'broken')
    counts = count_classes(Cache(camvid, 0), threads=2)
    labels = camvid.read(0).labels
    assert counts.shape == (3, 11)
    assert counts[0].tolist() == [int((labels == label).sum()) for label in range(11)]
    assert not counts[1].any()


def test_labels_of_16_bits_are_read():
    root = Path(__file__).resolve().parents[3] / 'shared' / 'cases' / 'pascal_context_16bit'
    if not root.is_dir():
        pytest.skip(f'{root} is not here')
    labels = open_dataset('pascal_context', root, 'train').read(0).labels
    assert (labels != 255).all()
    assert len(np.unique(labels)) > 1
