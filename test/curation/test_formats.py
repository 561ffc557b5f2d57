# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Masks go out to labelling tools and come back as the same class ids."""

import json
import shutil
import zipfile

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.labels import get_label_set, list_label_sets
from mfaranet_ros.curation.brush import decode_brush, encode_brush
from mfaranet_ros.curation.colors import VOID, distinct_colors, from_colors, to_colors
from mfaranet_ros.curation.corrected import read_corrected
from mfaranet_ros.curation.exports import EXPORTS, INTERFACE, TASKS, Labelled
from mfaranet_ros.curation.picks import Curation, Pick

CAMVID = get_label_set('camvid')
SIZE = 17, 23


def labels(seed=0):
    chance = np.random.default_rng(seed)
    mask = np.kron(chance.integers(0, 11, (9, 12)), np.ones((2, 2), int)).astype(np.uint8)
    mask = mask[: SIZE[0], : SIZE[1]].copy()
    mask[0, :3] = VOID
    return mask


@pytest.fixture
def frames():
    chance = np.random.default_rng(5)
    rgb = chance.integers(0, 256, (*SIZE, 3), np.uint8)
    return [Labelled(f'000{i}_bag_00000{i}', rgb, labels(i)) for i in range(3)]


@pytest.fixture
def curation(frames, tmp_path):
    picks = tuple(Pick(f.stem, tmp_path, i, f.stem, *SIZE) for i, f in enumerate(frames))
    return Curation(CAMVID, '', picks)


def annotated(folder):
    """Return the export that Label Studio makes of tasks whose predictions were accepted."""
    tasks = json.loads((folder / TASKS).read_text())
    for task in tasks:
        task['annotations'] = [{'result': task['predictions'][0]['result']}]
    path = folder / 'export.json'
    path.write_text(json.dumps(tasks))
    return path


def exported(name, folder, frames):
    EXPORTS[name](folder, frames, CAMVID)
    if name == 'cvat':
        return folder / 'cvat.zip'
    return annotated(folder) if name == 'label-studio' else folder


@pytest.mark.parametrize('name', EXPORTS)
def test_masks_come_back_as_they_went_out(name, frames, curation, tmp_path):
    corrected = read_corrected(exported(name, tmp_path / 'out', frames), curation)
    assert list(corrected.masks) == [frame.stem for frame in frames]
    assert corrected.notes == ()
    for frame in frames:
        np.testing.assert_array_equal(corrected.masks[frame.stem], frame.labels)


def test_an_unpacked_zip_of_cvat_is_read(frames, curation, tmp_path):
    path = exported('cvat', tmp_path, frames)
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / 'unpacked')
    corrected = read_corrected(tmp_path / 'unpacked', curation)
    np.testing.assert_array_equal(corrected.masks[frames[1].stem], frames[1].labels)


@pytest.mark.parametrize('name', list_label_sets())
def test_colours_are_different_and_never_black(name):
    label_set = get_label_set(name)
    colors = distinct_colors(label_set)
    assert len({tuple(color) for color in [*colors.tolist(), (0, 0, 0)]}) == len(label_set) + 1
    ids = np.array([[*range(len(label_set)), VOID]], np.uint8)
    back, unknown = from_colors(to_colors(ids, colors), colors)
    np.testing.assert_array_equal(back, ids)
    assert unknown == 0


@pytest.mark.parametrize('shape', [(1, 1), (3, 5), (17, 23), (200, 300)])
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 1.0])
def test_brush_masks_round_trip(shape, share):
    mask = np.random.default_rng(1).random(shape) < share
    np.testing.assert_array_equal(decode_brush(encode_brush(mask), *shape), mask)


def test_single_values_of_a_brush_mask_are_read():
    bits = f'{8:032b}00111' + '0010' + '0011' + '0111' + '1111' + '0' + '00' + '111'
    bits += ''.join(f'{value:08b}' for value in (255, 255, 255, 255, 0, 0, 0, 0))
    bits += '0' * (-len(bits) % 8)
    data = [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]
    assert decode_brush(data, 1, 2).tolist() == [[True, False]]


def test_label_studio_reads_the_brush_masks():
    brush = pytest.importorskip('label_studio_converter.brush')
    mask = np.random.default_rng(2).random((40, 60)) < 0.3
    values = brush.decode_rle(encode_brush(mask)).reshape(40, 60, 4)
    np.testing.assert_array_equal(values[:, :, 0] == 255, mask)


def test_datumaro_reads_the_masks_of_cvat(frames, tmp_path):
    datumaro = pytest.importorskip('datumaro')
    with zipfile.ZipFile(exported('cvat', tmp_path, frames)) as archive:
        archive.extractall(tmp_path / 'unpacked')
    items = {
        item.id: item
        for item in datumaro.Dataset.import_from(str(tmp_path / 'unpacked'), 'voc_segmentation')
    }
    assert set(items) == {frame.stem for frame in frames}
    for frame in frames:
        found = np.full(SIZE, VOID, np.uint8)
        for mask in items[frame.stem].annotations:
            found[mask.image.astype(bool)] = mask.label - 1  # 0 is the background
        np.testing.assert_array_equal(found, frame.labels)


def test_fiftyone_reads_its_folder(frames, tmp_path):
    importers = pytest.importorskip('fiftyone.utils.data')
    folder = exported('fiftyone', tmp_path, frames)
    with importers.ImageSegmentationDirectoryImporter(dataset_dir=str(folder)) as importer:
        labels = {path: label for path, _, label in importer}
    for frame in frames:
        label = labels[str(folder / 'data' / f'{frame.stem}.png')]
        mask = cv2.imread(label.mask_path, cv2.IMREAD_UNCHANGED)  # it is not loaded before
        np.testing.assert_array_equal(mask, np.where(frame.labels == VOID, 0, frame.labels + 1))


def test_the_interface_of_label_studio_names_every_class(frames, tmp_path):
    EXPORTS['label-studio'](tmp_path, frames, CAMVID)
    text = (tmp_path / INTERFACE).read_text()
    assert all(f'<Label value="{name}"' in text for name in CAMVID.names)
    assert '$image' in text


def broken_size(path):
    file = next((path / 'labels').glob('*.png'))
    cv2.imwrite(str(file), np.zeros((3, 3), np.uint8))


def wrong_id(path):
    file = next((path / 'labels').glob('*.png'))
    cv2.imwrite(str(file), np.full(SIZE, 42, np.uint8))


def colours(path):
    file = next((path / 'labels').glob('*.png'))
    cv2.imwrite(str(file), np.zeros((*SIZE, 3), np.uint8))


def other_names(path):
    for file in (path / 'labels').glob('*.png'):
        file.rename(file.with_name(f'x{file.name}'))


def nothing(path):
    shutil.rmtree(path / 'labels')


@pytest.mark.parametrize(
    ('damage', 'text'),
    [
        (broken_size, 'is 3x3 px, its image 23x17: export it at the size of the image'),
        (wrong_id, 'has the id 42: choose from 0 to 10, or 255 for no class'),
        (colours, 'must be a gray or palette PNG of class ids'),
        (other_names, 'has no mask of the chosen frames'),
        (nothing, 'is no export that is known'),
    ],
)
def test_bad_masks_are_refused(damage, text, frames, curation, tmp_path):
    path = exported('plain', tmp_path / 'out', frames)
    damage(path)
    with pytest.raises(SourceError, match=text) as caught:
        read_corrected(path, curation)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('name', 'content', 'text'),
    [
        ('a.zip', b'no zip', 'cannot be read'),
        ('a.json', b'{', 'is no JSON export of Label Studio'),
        ('a.json', b'[1]', 'is no JSON export of Label Studio'),
        ('a.json', b'[]', 'has no mask of the chosen frames'),
    ],
)
def test_broken_files_are_refused(name, content, text, curation, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SourceError, match=text):
        read_corrected(path, curation)


def test_a_cvat_export_with_another_class_is_refused(frames, curation, tmp_path):
    path = tmp_path / 'a.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('labelmap.txt', '# label:color_rgb:parts:actions\nunicorn:1,2,3::\n')
    with pytest.raises(SourceError, match="'unicorn:1,2,3::', choose from Sky, Building"):
        read_corrected(path, curation)


def test_missing_masks_are_counted(frames, curation, tmp_path):
    path = exported('plain', tmp_path / 'out', frames[:2])
    assert read_corrected(path, curation).notes == ('1 of 3 frames have no mask',)


def test_a_cancelled_annotation_is_no_mask(frames, curation, tmp_path):
    path = exported('label-studio', tmp_path, frames)
    tasks = json.loads(path.read_text())
    tasks[0]['annotations'][0]['was_cancelled'] = True
    path.write_text(json.dumps(tasks))
    assert frames[0].stem not in read_corrected(path, curation).masks
