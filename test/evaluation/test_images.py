# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images and ground truth on disk: matched, checked and read, and every broken one named."""

import hashlib
import struct
import zlib

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.images import (
    LAYOUTS,
    Layout,
    check_pairs,
    find_pairs,
    read_frame,
)
from mfaranet_ros.data.labels import GroundTruthReader

CAMVID, CITYSCAPES = get_label_set('camvid'), get_label_set('cityscapes')
PLAIN, LABEL_IDS = LAYOUTS[-1], LAYOUTS[1]
SIZE = (6, 8)

IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
GROUND_TRUTH = np.arange(48, dtype=np.uint8).reshape(SIZE) % 11
OFFICIAL = {
    'road': 7, 'sidewalk': 8, 'building': 11, 'wall': 12, 'fence': 13, 'pole': 17,
    'traffic light': 19, 'traffic sign': 20, 'vegetation': 21, 'terrain': 22, 'sky': 23,
    'person': 24, 'rider': 25, 'car': 26, 'truck': 27, 'bus': 28, 'train': 31, 'motorcycle': 32,
    'bicycle': 33,
}  # fmt: skip
"""The label ids of the classes that count, as the dataset's publication lists them."""


def names(pairs):
    return [pair.name for pair in pairs.pairs]


def png(array, *flags):
    return cv2.imencode('.png', array, list(flags))[1].tobytes()


# -- matching ------------------------------------------------------------------------------------


def test_images_are_matched_by_stem(make_folders):
    images = {'b.jpg': IMAGE, 'a.png': IMAGE, 'c.JPEG': IMAGE, 'notes.txt': b'no image'}
    ground_truths = {
        'c.png': GROUND_TRUTH,
        'b.png': GROUND_TRUTH,
        'a.png': GROUND_TRUTH,
        'labels.csv': b'',
    }
    images, ground_truth = make_folders(images, ground_truths)
    pairs = find_pairs(images, ground_truth)
    assert names(pairs) == ['a', 'b', 'c']
    assert pairs.layout == PLAIN
    assert all(pair.image.stem == pair.ground_truth.stem == pair.name for pair in pairs.pairs)


@pytest.mark.parametrize('layout', LAYOUTS, ids=['train ids', 'label ids', 'plain'])
def test_every_layout_is_found_below_subfolders(make_folders, layout):
    stems = ['bonn/bonn_000000_000019', 'ulm/ulm_000001_000019']
    images, ground_truth = make_folders(
        {f'{stem}{layout.image}.png': IMAGE for stem in stems},
        {f'{stem}{layout.ground_truth}.png': GROUND_TRUTH for stem in stems},
    )
    pairs = find_pairs(images, ground_truth)
    assert pairs.layout == layout
    assert names(pairs) == stems


def test_other_files_of_cityscapes_do_not_disturb(make_folders):
    stem = 'bonn/bonn_000000_000019'
    others = ('_gtFine_color', '_gtFine_instanceIds', '_gtFine_labelIds', '_gtFine_labelTrainIds')
    images, ground_truth = make_folders(
        {f'{stem}_leftImg8bit.png': IMAGE},
        {f'{stem}{ending}.png': GROUND_TRUTH for ending in others},
    )
    (pair,) = find_pairs(images, ground_truth).pairs
    assert pair.ground_truth.stem.endswith('_gtFine_labelTrainIds')


def test_without_ground_truth_every_image_is_taken(make_folders):
    images, _ = make_folders({'x/a_leftImg8bit.png': IMAGE, 'b.jpg': IMAGE}, {})
    pairs = find_pairs(images, None)
    assert names(pairs) == ['b', 'x/a_leftImg8bit']
    assert all(pair.ground_truth is None for pair in pairs.pairs)


@pytest.mark.parametrize(
    ('images', 'ground_truths', 'said'),
    [
        ('abc', 'ab', '1 images in .*images have no ground truth in .*ground_truth .c.'),
        ('ab', 'abc', '1 ground truth in .*ground_truth have no image in .*images .c.'),
        ('abcdefg', 'a', '6 images .*b, c, d and 3 more'),
        ('ab', 'xy', '2 images'),
        ('', 'ab', 'images holds none of .jpg'),
        ('ab', '', 'ground_truth holds none of .png'),
    ],
)
def test_what_is_missing_is_named(make_folders, images, ground_truths, said):
    folders = make_folders(
        {f'{name}.png': IMAGE for name in images},
        {f'{name}.png': GROUND_TRUTH for name in ground_truths},
    )
    with pytest.raises(SourceError, match=said) as error:
        find_pairs(*folders)
    assert '\n' not in str(error.value)


def test_two_images_of_one_name_are_refused(make_folders):
    folders = make_folders({'a.png': IMAGE, 'a.jpg': IMAGE}, {'a.png': GROUND_TRUTH})
    with pytest.raises(SourceError, match=r'a\.jpg and .*a\.png have one name'):
        find_pairs(*folders)


def test_linked_folders_are_followed_and_circles_end(make_folders, tmp_path):
    images, ground_truth = make_folders({'a.png': IMAGE}, {'a.png': GROUND_TRUTH})
    for folder, content in ((images, IMAGE), (ground_truth, GROUND_TRUTH)):
        elsewhere = tmp_path / f'elsewhere_{folder.name}'
        elsewhere.mkdir()
        (elsewhere / 'b.png').write_bytes(png(content))
        (elsewhere / 'back').symlink_to(folder)
        for name in ('first', 'second'):
            (folder / name).symlink_to(elsewhere)
    found = find_pairs(images, ground_truth)
    assert [pair.name for pair in found.pairs] == ['a', 'first/b', 'second/b']


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SourceError, match='nowhere is no folder: give the folder of the images'):
        find_pairs(tmp_path / 'nowhere', tmp_path)


# -- ground truth --------------------------------------------------------------------------------


def test_class_ids_are_kept_and_void_is_255(tmp_path):
    path = tmp_path / 'a.png'
    values = np.array([[0, 10, 11, 255, 77]], np.uint8)
    path.write_bytes(png(values))
    ground_truth = GroundTruthReader(CAMVID, PLAIN, ignored=[77])(path, values.shape)
    assert ground_truth.tolist() == [[0, 10, 255, 255, 255]]
    assert ground_truth.dtype == np.uint8


def test_an_ignored_class_is_void(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(png(np.array([[2, 3]], np.uint8)))
    assert GroundTruthReader(CAMVID, PLAIN, ignored=[3])(path, (1, 2)).tolist() == [[2, 255]]


def test_label_ids_of_cityscapes_become_train_ids(tmp_path):
    path = tmp_path / 'a_gtFine_labelIds.png'
    values = np.arange(34, dtype=np.uint8)[None]
    path.write_bytes(png(values))
    ground_truth = GroundTruthReader(CITYSCAPES, LABEL_IDS)(path, values.shape)[0]
    assert {
        CITYSCAPES.names[ground_truth[i]]: i for i in range(34) if ground_truth[i] != 255
    } == OFFICIAL


def test_label_ids_need_a_network_of_cityscapes():
    with pytest.raises(ConfigError, match='label ids of cityscapes, the labels are camvid'):
        GroundTruthReader(CAMVID, LABEL_IDS)


@pytest.mark.parametrize('bits', [1, 2, 4, 8, 16])
@pytest.mark.parametrize('color_type', [0, 3], ids=['gray', 'palette'])
def test_every_depth_and_palette_gives_the_stored_ids(tmp_path, bits, color_type):
    if (bits, color_type) == (16, 3):
        pytest.skip('a PNG has no palette of 16 bits')
    values = np.arange(SIZE[0] * SIZE[1]).reshape(SIZE) % min(2**bits, 11)
    path = tmp_path / 'a.png'
    path.write_bytes(make_png(values, bits, color_type))
    assert (GroundTruthReader(CAMVID, PLAIN)(path, SIZE) == values).all()


def make_png(values, bits, color_type):
    """Return a PNG of values (H, W) by the specification; a palette is of reversed grays."""

    def chunk(name, data):
        return (
            struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        )

    height, width = values.shape
    shifts = np.arange(bits)[::-1]
    rows = np.packbits(
        (values[..., None] >> shifts & 1).reshape(height, -1).astype(np.uint8), axis=1
    )
    header = struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0)
    palette = bytes(255 - entry // 3 for entry in range(3 * 2 ** min(bits, 8)))
    return b''.join(
        (
            b'\x89PNG\r\n\x1a\n',
            chunk(b'IHDR', header),
            chunk(b'PLTE', palette) + chunk(b'tRNS', bytes(2)) if color_type == 3 else b'',
            chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))),
            chunk(b'IEND', b''),
        )
    )


GRAY16 = png(GROUND_TRUTH.astype(np.uint16) + 300)


@pytest.mark.parametrize(
    ('content', 'layout', 'said'),
    [
        (png(GROUND_TRUTH + 2), PLAIN, 'holds the values 12, which are not of camvid'),
        (png(GROUND_TRUTH * 20), PLAIN, 'holds the values 20, 40'),
        (png(GROUND_TRUTH[:, :5].copy()), PLAIN, 'is 5x6 px, its image 8x6 px'),
        (png(IMAGE), PLAIN, 'must be a gray or palette PNG of class ids'),
        (GRAY16, PLAIN, 'holds the values 300, 301'),
        (cv2.imencode('.jpg', GROUND_TRUTH)[1].tobytes(), PLAIN, 'must be a gray or palette PNG'),
        (png(GROUND_TRUTH)[:-20], PLAIN, 'is broken: '),
        (b'', PLAIN, 'is broken: '),
        (b'GIF89a nothing', PLAIN, 'is broken: '),
    ],
)
def test_a_ground_truth_that_does_not_fit_is_named(tmp_path, content, layout, said):
    path = tmp_path / 'broken.png'
    path.write_bytes(content)
    with pytest.raises(SourceError, match=said) as error:
        GroundTruthReader(CAMVID, layout)(path, SIZE)
    assert str(path) in str(error.value)
    assert '\n' not in str(error.value)


def test_label_ids_beyond_the_table_are_named(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(png(np.array([[7, 33, 34, 255]], np.uint8)))
    with pytest.raises(SourceError, match='holds the values 34'):
        GroundTruthReader(CITYSCAPES, LABEL_IDS)(path, (1, 4))


def test_train_ids_of_cityscapes_refuse_label_ids(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(png(np.array([[7, 21, 26, 255]], np.uint8)))
    with pytest.raises(SourceError, match='holds the values 21, 26'):
        GroundTruthReader(CITYSCAPES, Layout())(path, (1, 4))


# -- reading -------------------------------------------------------------------------------------


def test_a_image_is_read_as_it_is_stored(tmp_path):
    path = tmp_path / 'a.png'
    path.write_bytes(png(IMAGE))
    frame = read_frame(path)
    assert frame.encoding == 'bgr8'
    assert (frame.pixels == IMAGE).all()


def test_all_files_are_checked_and_hashed(make_folders):
    files = {'a.png': png(IMAGE), 'b.png': png(IMAGE[::-1].copy())}
    ground_truths = {'a.png': png(GROUND_TRUTH), 'b.png': png(GROUND_TRUTH[::-1].copy())}
    pairs = find_pairs(*make_folders(files, ground_truths))
    seen = []
    digest = check_pairs(pairs, GroundTruthReader(CAMVID, PLAIN), lambda: seen.append(1))
    everything = b''.join(files[name] + ground_truths[name] for name in ('a.png', 'b.png'))
    assert digest == hashlib.sha256(everything).hexdigest()
    assert len(seen) == 2


def test_every_broken_file_is_named_at_once(make_folders):
    images = dict.fromkeys(('a.png', 'b.png', 'c.png', 'd.png', 'e.png'), IMAGE)
    ground_truths = dict.fromkeys(images, GROUND_TRUTH)
    folders = make_folders(
        {**images, 'b.png': png(IMAGE)[:100], 'e.png': b''},
        {**ground_truths, 'c.png': GROUND_TRUTH[:3], 'd.png': GROUND_TRUTH + 5},
    )
    with pytest.raises(SourceError) as error:
        check_pairs(find_pairs(*folders), GroundTruthReader(CAMVID, PLAIN))
    text = str(error.value)
    assert all(f'{name}.png' in text for name in 'bcd')
    assert text.endswith('and 1 more')
    assert 'camera driver' not in text
    assert '\n' not in text


def test_a_file_that_is_gone_is_named(make_folders):
    pairs = find_pairs(*make_folders({'a.png': IMAGE}, {'a.png': GROUND_TRUTH}))
    pairs.pairs[0].ground_truth.unlink()
    with pytest.raises(SourceError, match=r'truth/a\.png cannot be read: No such file'):
        check_pairs(pairs, GroundTruthReader(CAMVID, PLAIN))
