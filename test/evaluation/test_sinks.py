# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is written of every frame: the video shows all frames under their labels."""

import cv2
import numpy as np
import pytest

from mfaranet_ros.cli.main import main

MOCK = ('--set=runtime.backend=mock', '--set=runtime.precision=float32')


@pytest.fixture
def images(tmp_path):
    """Three grey images of odd size."""
    folder = tmp_path / 'images'
    folder.mkdir()
    for name in 'abc':
        cv2.imwrite(str(folder / f'{name}.png'), np.full((61, 99, 3), 128, np.uint8))
    return folder


def test_video_holds_every_frame_under_its_labels(images, tmp_path, capfd):
    out = tmp_path / 'out'
    assert main(['evaluate', '--images', str(images), '--out', str(out), '--video', *MOCK]) == 0
    (path,) = (path for path in out.iterdir() if path.suffix in ('.mp4', '.avi'))
    assert path.stem == 'images'
    capture = cv2.VideoCapture(str(path))
    frames = [capture.read()[1] for _ in range(3)]
    assert not capture.read()[0]
    capture.release()
    height, width = frames[0].shape[:2]
    assert (height % 2, width % 2) == (0, 0)
    for frame in frames:
        assert frame[:30].max() > 120  # letters above the image
        below = frame[-20:]
        assert np.ptp(below.reshape(-1, 3).astype(int).mean(axis=0)) > 8  # grey under colours


def test_video_cannot_be_gone_on_with(images, tmp_path, capsys):
    given = ['--images', str(images), '--out', str(tmp_path / 'out'), '--video', '--resume']
    assert main(['evaluate', *given, *MOCK]) == 2
    assert 'leave out --overwrite, --video' in capsys.readouterr().err
