# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`open_recording`: folders, videos and bags give the same kind of frames."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError, UnknownNameError
from mfaranet_ros.data.calibration_file import calibration_yaml, nominal_camera_info
from mfaranet_ros.data.recordings import open_recording


@pytest.fixture
def folder(recordings, tmp_path):
    """The images of a small bag as PNG, with their labels beside the folder."""
    for name in ('images', 'labels'):
        (tmp_path / name).mkdir()
    for number in range(3):
        image = recordings.sample_image(number)
        cv2.imwrite(str(tmp_path / 'images' / f'{number}.png'), image[..., ::-1])
        labels = recordings.sample_image(100 + number, 1)[..., 0] % 11
        cv2.imwrite(str(tmp_path / 'labels' / f'{number}.png'), labels)
    return tmp_path / 'images'


def rgb(frame):
    return frame.pixels if frame.encoding == 'rgb8' else frame.pixels[..., ::-1]


def test_a_folder_and_a_bag_give_equal_frames(recordings, folder, tmp_path):
    bag = recordings.write_rosbags(tmp_path / 'bag', recordings.drive(3))
    with (
        open_recording(folder, label_set='camvid') as images,
        open_recording(bag, ground_truth='/truth/labels', label_set='camvid') as recorded,
    ):
        for _ in range(2):
            for left, right in zip(images, recorded, strict=True):
                assert left.number == right.number
                np.testing.assert_array_equal(rgb(left.frame), rgb(right.frame))
                np.testing.assert_array_equal(left.ground_truth, right.ground_truth)
                assert left.message is None
                assert right.message.header.frame_id == 'camera'
                assert right.stamp_ns == recordings.stamp(right.number)
                assert right.camera_info.k[0] == 30.0
    assert images.notes == recorded.notes == ()


def test_a_calibration_file_goes_with_images_and_not_with_a_bag(recordings, folder, tmp_path):
    path = tmp_path / 'calibration.yaml'
    path.write_text(calibration_yaml(nominal_camera_info(24, 32, 60.0)))
    with open_recording(folder, calibration=path) as recording:
        assert next(iter(recording)).camera_info.width == 32
    bag = recordings.write_rosbags(tmp_path / 'bag', recordings.drive(1))
    with pytest.raises(SourceError, match='a bag holds its own'):
        open_recording(bag, calibration=path)


def test_frames_of_a_video_have_the_time_stamps_of_the_file(tmp_path):
    path = tmp_path / 'a.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 25.0, (64, 48))
    for number in range(5):
        writer.write(np.full((48, 64, 3), 40 * number, np.uint8))
    writer.release()
    with open_recording(path) as recording:
        frames = list(recording)
    assert recording.rate_hz == 25.0
    assert [frame.stamp_ns for frame in frames] == [40_000_000 * n for n in range(5)]
    assert [round(frame.frame.pixels.mean() / 40) for frame in frames] == list(range(5))


def test_what_cannot_be_read_is_noted_and_leaves_a_gap(folder):
    (folder / '1.png').write_bytes(b'broken')
    with open_recording(folder) as recording:
        assert [frame.number for frame in recording] == [0, 2]
    (note,) = recording.notes
    assert '1.png is left out' in note


@pytest.mark.parametrize('name', ['100%41.d', 'a?b#c', 'häuser', b'latin-\xe9', 'x:y', '-v'])
def test_any_name_of_a_folder_a_video_and_a_bag_is_read(recordings, tmp_path, name):
    """Siblings: names that URIs, options or FFmpeg would take apart, and names not in UTF-8."""
    place = tmp_path / os.fsdecode(name)
    place.mkdir()
    entries = recordings.drive(2)
    for storage in ('MCAP', 'SQLITE3'):
        plain = recordings.write_rosbags(tmp_path / storage, entries, storage)
        (file,) = (path for path in plain.iterdir() if path.suffix != '.yaml')
        bag = place / storage
        bag.mkdir()
        file.rename(bag / (os.fsdecode(name) + file.suffix))
        with open_recording(bag) as recording:
            assert len(list(recording)) == 2, storage
            assert recording.name.encode()
    _, data = cv2.imencode('.png', np.zeros((4, 4, 3), np.uint8))
    (place / 'images').mkdir()
    (place / 'images' / (os.fsdecode(name) + '.png')).write_bytes(data.tobytes())
    with open_recording(place / 'images') as recording:
        assert [frame.name.encode()[-4:] for frame in recording] == [b'.png']
    video = place / (os.fsdecode(name) + '.avi')
    writer = cv2.VideoWriter(
        str(tmp_path / 'a.avi'), cv2.VideoWriter.fourcc(*'MJPG'), 10.0, (32, 32)
    )
    writer.write(np.zeros((32, 32, 3), np.uint8))
    writer.release()
    (tmp_path / 'a.avi').rename(video)
    with open_recording(video) as recording:
        assert len(list(recording)) == 1


@pytest.mark.parametrize('storage', ['MCAP', 'SQLITE3'])
def test_a_name_with_a_percent_sign_is_not_another_folder(recordings, tmp_path, storage):
    for name, count in (('path%41', 2), ('pathA', 4)):
        # The writer of rosbags takes such a name apart itself.
        bag = recordings.write_rosbags(tmp_path / f'{count}', recordings.drive(count), storage)
        (file,) = (path for path in bag.iterdir() if path.suffix != '.yaml')
        (tmp_path / name).mkdir()
        file.rename(tmp_path / name / f'a_0{file.suffix}')
    for name, count in (('path%41', 2), ('pathA', 4)):
        with open_recording(tmp_path / name) as recording:
            assert len(list(recording)) == count


def test_what_is_refused_is_refused_in_one_line(folder, tmp_path):
    for path, said in (
        (tmp_path / 'gone', 'gone: no such file'),
        (folder / '0.png', 'is one image: give its folder'),
        (tmp_path, 'holds no image; give .*images'),
        ([], 'no bag is given'),
        ([folder, tmp_path / 'gone'], 'is not a bag'),
    ):
        with pytest.raises(SourceError, match=said) as caught:
            open_recording(path)
        assert '\n' not in str(caught.value)
    with pytest.raises(UnknownNameError, match='camvid'):
        open_recording(folder, label_set='canvid')


def test_a_closed_recording_says_so(folder):
    recording = open_recording(Path(folder))
    recording.close()
    recording.close()
    with pytest.raises(SourceError, match='is closed'):
        next(iter(recording))
