# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Images and videos on the disk: they can be read again, and a full disk is noticed."""

from __future__ import annotations

import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import OutputError
from mfaranet_ros.data.video import VideoFile
from mfaranet_ros.evaluation.report import video
from mfaranet_ros.evaluation.report.video import VideoWriter, write_image

FULL = Path('/dev/full')
needs_full_disk = pytest.mark.skipif(not FULL.exists(), reason='there is no /dev/full')


def gray(level, size=(48, 64)):
    return np.full((*size, 3), level, np.uint8)


def test_a_image_is_written_as_it_is(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_image(tmp_path / 'a.png', image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / 'a.png')), image)


@needs_full_disk
def test_a_image_on_a_full_disk_is_one_clear_line(tmp_path):
    path = tmp_path / 'a.png'
    path.symlink_to(FULL)
    with pytest.raises(OutputError, match=r'cannot write .*a\.png: No space left') as caught:
        write_image(path, gray(1))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('codecs', [None, {'.mp4': 'none', '.avi': 'MJPG'}])
def test_a_video_is_written_and_read_again(tmp_path, monkeypatch, codecs):
    if codecs:
        opened = cv2.VideoWriter

        def without_mp4(path, *rest):
            return opened() if path.endswith('.mp4') else opened(path, *rest)

        without_mp4.fourcc = opened.fourcc
        monkeypatch.setattr(video.cv2, 'VideoWriter', without_mp4)
    writer = VideoWriter(tmp_path / 'demo', 5.0)
    writer.write(gray(0))
    writer.write(gray(100), hold=3)
    writer.write(gray(200, size=(24, 32)))
    written = writer.close()
    assert written.frames == 6
    assert written.path.suffix == ('.avi' if codecs else '.mp4')
    assert ('cannot write .mp4' in written.note) == bool(codecs)
    assert [path.name for path in tmp_path.iterdir()] == [written.path.name]
    means = [image.pixels.mean() for image in VideoFile(written.path)]
    np.testing.assert_allclose(means, [0, 0, 0, 0, 100, 200], atol=6)
    assert VideoFile(written.path).rate_hz == 5.0


def test_nothing_written_is_no_video(tmp_path):
    assert VideoWriter(tmp_path / 'demo', 5.0).close() is None
    assert not list(tmp_path.iterdir())


def test_no_codec_at_all_is_said(tmp_path, monkeypatch):
    writer_class = cv2.VideoWriter

    def none(*_):
        return writer_class()

    none.fourcc = writer_class.fourcc
    monkeypatch.setattr(video.cv2, 'VideoWriter', none)
    with pytest.raises(OutputError, match=r'none of \.mp4 \(mp4v\), \.avi \(MJPG\)'):
        VideoWriter(tmp_path / 'demo', 5.0).write(gray(0))
    assert not list(tmp_path.iterdir())


@needs_full_disk
def test_a_disk_that_is_full_from_the_start_is_noticed(tmp_path):
    (tmp_path / 'demo.mp4').symlink_to(FULL)
    with pytest.raises(OutputError, match=r'cannot write .*demo\.mp4: No space left'):
        VideoWriter(tmp_path / 'demo', 5.0).write(gray(0))


@pytest.fixture
def small_disk():
    """No file grows beyond 100 kB, as if the disk were full then."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_runs_full_is_noticed(tmp_path, small_disk):
    noise = np.random.default_rng(0)
    writer = VideoWriter(tmp_path / 'demo', 5.0)
    for _ in range(30):
        writer.write(noise.integers(0, 256, (240, 320, 3), np.uint8))
    with pytest.raises(OutputError, match=r'demo\.mp4 holds \d+ of 30 frames: is the disk full'):
        writer.close()


def test_a_folder_that_went_away_is_noticed(tmp_path):
    writer = VideoWriter(tmp_path / 'gone' / 'demo', 5.0)
    with pytest.raises(OutputError, match='No such file'):
        writer.write(gray(0))
