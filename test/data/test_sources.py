# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images to play: the order, what is passed on, the ground truth, and what cannot be read."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data.image_sources import (
    IMAGES_RATE_HZ,
    ImageCursor,
    ImageFolder,
    SourceImage,
    Unreadable,
)
from mfaranet_ros.data.video import VideoFile

SIZE = (24, 32)


def pixels(seed=0, size=SIZE):
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)


def write(path, image, *flags):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image, flags)
    return path


@pytest.fixture
def images(tmp_path):
    """A folder with three jpeg images, whose names need a natural order."""
    for number in (10, 2, 1):
        write(tmp_path / 'images' / f'frame{number}.jpg', pixels(number))
    return tmp_path / 'images'


def make_video(path, frames=12, rate_hz=25.0, size=(48, 64)):
    code = cv2.VideoWriter.fourcc(*('MJPG' if path.suffix == '.avi' else 'mp4v'))
    writer = cv2.VideoWriter(str(path), code, rate_hz, (size[1], size[0]))
    for number in range(frames):
        writer.write(np.full((*size, 3), 10 * number % 250, np.uint8))
    writer.release()
    return path


# -- a folder ------------------------------------------------------------------------------------


def test_images_come_in_natural_order_and_can_be_gone_through_twice(images):
    source = ImageFolder(images)
    for _ in range(2):
        found = list(source)
        assert [image.name for image in found] == ['frame1.jpg', 'frame2.jpg', 'frame10.jpg']
        assert [image.number for image in found] == [0, 1, 2]
    assert len(source) == len(source.files) == 3
    assert source.rate_hz == IMAGES_RATE_HZ


@pytest.mark.parametrize(
    ('suffix', 'exact', 'file_format'),
    [('.jpg', False, 'jpeg'), ('.JPEG', False, 'jpeg'), ('.png', True, 'png'),
     ('.bmp', True, ''), ('.ppm', True, ''), ('.tif', True, '')],
)  # fmt: skip
def test_pixels_are_those_of_the_file(tmp_path, suffix, exact, file_format):
    smooth = np.dstack([np.add.outer(np.arange(24), np.arange(32)).astype(np.uint8)] * 3)
    path = write(tmp_path / f'a{suffix}', smooth)
    (image,) = ImageFolder(tmp_path)
    assert (image.encoding, image.size, image.format) == ('bgr8', SIZE, file_format)
    assert image.file == (path.read_bytes() if file_format else None)
    assert np.abs(image.pixels.astype(int) - smooth).max() <= (0 if exact else 8)


def test_gray_images_stay_gray(tmp_path):
    gray = pixels()[:, :, 0]
    write(tmp_path / 'a.png', gray)
    (image,) = ImageFolder(tmp_path)
    assert image.encoding == 'mono8'
    np.testing.assert_array_equal(image.pixels[:, :, 0], gray)


@pytest.mark.parametrize('suffix', ['.jpg', '.png', '.bmp', '.tif'])
@pytest.mark.parametrize('share', [0.0, 0.5])
def test_a_broken_image_is_named_and_the_others_are_read(images, suffix, share):
    whole = write(images / f'frame5{suffix}', pixels(5, (64, 64)))
    data = whole.read_bytes()
    whole.write_bytes(data[: int(len(data) * share)])
    found = list(ImageFolder(images))
    assert [item.name for item in found if isinstance(item, SourceImage)] == [
        'frame1.jpg', 'frame2.jpg', 'frame10.jpg',
    ]  # fmt: skip
    (bad,) = (item for item in found if isinstance(item, Unreadable))
    assert (bad.name, bad.number) == (whole.name, 2)
    assert bad.reason
    assert '\n' not in bad.reason


def test_a_image_that_went_away_is_skipped(images):
    source = ImageFolder(images)
    (images / 'frame2.jpg').unlink()
    assert [type(item) for item in source] == [SourceImage, Unreadable, SourceImage]


@pytest.mark.parametrize(
    ('make', 'text'),
    [
        (lambda path: None, 'No such file'),
        (lambda path: path.mkdir(), r'holds no image; an image ends in \.jpg'),
        (lambda path: (path / 'images').mkdir(parents=True), r'holds no image; give .*/images'),
        (lambda path: path.write_text('x'), 'is a file, not a folder'),
    ],
    ids=['missing', 'empty', 'one too high', 'file'],
)
def test_what_is_no_folder_of_images_is_refused(tmp_path, make, text):
    make(tmp_path / 'given')
    with pytest.raises(SourceError, match=text) as caught:
        ImageFolder(tmp_path / 'given')
    assert '\n' not in str(caught.value)


# -- ground truth --------------------------------------------------------------------------------


def test_labels_beside_the_folder_are_the_ground_truth(images):
    labels = np.random.default_rng(0).integers(0, 12, SIZE, np.uint8)
    write(images.parent / 'labels' / 'frame2.png', labels)
    source = ImageFolder(images)
    assert source.has_ground_truth
    first, second, third = source
    assert first.ground_truth is None
    assert third.ground_truth is None
    np.testing.assert_array_equal(second.ground_truth, labels)


def test_labels_of_other_images_are_no_ground_truth(images):
    write(images.parent / 'labels' / 'other.png', np.zeros(SIZE, np.uint8))
    assert not ImageFolder(images).has_ground_truth


@pytest.mark.parametrize(
    ('labels', 'text'),
    [
        (np.zeros((10, 10), np.uint8), '10x10 px, its image 32x24'),
        (np.zeros((*SIZE, 3), np.uint8), 'gray or palette PNG'),
        (np.full(SIZE, 256, np.uint16), 'holds the values 256, which are not of 8 bits'),
        (None, 'is broken'),
    ],
    ids=['size', 'colour', 'depth', 'broken'],
)
def test_a_ground_truth_that_does_not_fit_is_left_out_with_a_word(images, labels, text):
    path = images.parent / 'labels' / 'frame1.png'
    write(path, np.zeros(SIZE, np.uint8) if labels is None else labels)
    if labels is None:
        path.write_bytes(b'no png')
    first = next(iter(ImageFolder(images)))
    assert first.ground_truth is None
    assert text in first.ground_truth_problem


# -- a video -------------------------------------------------------------------------------------


@pytest.mark.parametrize('suffix', ['.avi', '.mp4'])
def test_a_video_gives_its_frames_in_order_at_its_rate(tmp_path, suffix):
    source = VideoFile(make_video(tmp_path / f'a{suffix}'))
    assert source.rate_hz == 25.0
    for _ in range(2):
        found = list(source)
        assert [image.number for image in found] == list(range(12))
        means = [image.pixels.mean() for image in found]
        np.testing.assert_allclose(means, np.arange(12) * 10, atol=6)
    assert not source.has_ground_truth


def test_a_video_that_ends_early_says_so(tmp_path):
    path = make_video(tmp_path / 'a.avi', frames=40)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    *images, last = VideoFile(path)
    assert 0 < len(images) < 40
    assert isinstance(last, Unreadable)
    assert 'it promises 40' in last.reason


@pytest.mark.parametrize('content', [None, b'', b'no video', 'folder', 'cut'])
def test_what_is_no_video_is_refused(tmp_path, content):
    path = tmp_path / 'a.mp4'
    if content == 'folder':
        path.mkdir()
    elif content == 'cut':
        make_video(path)
        path.write_bytes(path.read_bytes()[:200])
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(SourceError, match=r'a\.mp4') as caught:
        VideoFile(path)
    assert '\n' not in str(caught.value)


# -- a reel --------------------------------------------------------------------------------------


def test_a_reel_skips_counts_and_names_what_cannot_be_read(images, caplog):
    (images / 'frame2.jpg').write_bytes(b'')
    reel = ImageCursor(ImageFolder(images))
    assert [reel.next().name, reel.next().name, reel.next()] == ['frame1.jpg', 'frame10.jpg', None]
    assert reel.skipped == 1
    assert 'frame2.jpg' in caplog.text


def test_a_loop_begins_anew_and_counts_on(images):
    (images / 'frame2.jpg').write_bytes(b'')
    reel = ImageCursor(ImageFolder(images), loop=True)
    assert [reel.next().number for _ in range(5)] == [0, 2, 0, 2, 0]
    assert reel.skipped == 2


@pytest.mark.parametrize('loop', [False, True])
def test_nothing_readable_is_an_error_not_an_endless_loop(images, loop):
    for path in images.iterdir():
        path.write_bytes(b'\xff\xd8\xff broken')
    with pytest.raises(SourceError, match='none of its 3 images'):
        ImageCursor(ImageFolder(images), loop=loop).next()
