# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""INT8 is judged by every set and every class that can hurt someone, and by its speed."""

import dataclasses

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.core.frame import Drivable, Frame, Result, Timings
from mfaranet_ros.core.labels import CAMVID
from mfaranet_ros.quantisation.measure import (
    Candidates,
    CheckSet,
    ClassScore,
    Measurement,
    Remembering,
    SetScore,
    measure,
    spread,
)
from mfaranet_ros.quantisation.run import calibration_frames

SOUND = Measurement(
    True,
    (SetScore('val', 10, 0.70, 0.696, 0.99),),
    (ClassScore('Road', True, 50_000, 0.97, 0.965), ClassScore('Sky', False, 9**6, 0.9, 0.8)),
    (),
    30.0,
    20.0,
)


def changed(**fields):
    return dataclasses.replace(SOUND, **fields).problems()


def test_a_small_loss_and_a_gain_in_speed_pass():
    assert SOUND.problems() == ()
    assert SOUND.speedup == pytest.approx(1.5)


def test_each_set_may_lose_half_a_point():
    (problem,) = changed(sets=(*SOUND.sets, SetScore('india', 9, 0.60, 0.594, 0.99)))
    assert problem == (
        'india: mean IoU 0.6000 becomes 0.5940, a loss of 0.60 points where 0.5 are allowed'
    )


def test_a_class_that_can_hurt_someone_may_lose_one_point():
    (problem,) = changed(classes=(ClassScore('Pedestrian', True, 10_000, 0.6, 0.58),))
    assert problem.startswith('class Pedestrian: 0.6000 becomes 0.5800, a loss of 2.00 points')


def test_few_pixels_are_not_judged():
    assert changed(classes=(ClassScore('Pedestrian', True, 9_999, 0.6, 0.3),)) == ()


def test_int8_that_is_not_faster_is_a_problem():
    assert changed(int8_ms=30.0) == ('it is not faster: 30.0 ms a frame, without INT8 30.0 ms',)


def test_without_ground_truth_agreement_decides():
    (problem,) = changed(with_ground_truth=False, sets=(SetScore('a', 5, None, None, 0.97),))
    assert problem == 'a: 97.00% of the labels are those of float32 where 98% are needed'


class Fake:
    """A processor whose labels are the red channel, some columns of them wrong."""

    label_set = CAMVID

    def __init__(self, wrong=0, ms=10.0):
        self.wrong, self.ms = wrong, ms

    def __call__(self, frame):
        labels = frame.pixels[..., 2].copy()
        labels[:, : self.wrong] = 3
        return Result(frame, labels, None, Drivable(), Timings(inference_ms=self.ms))


@pytest.fixture
def folder(tmp_path):
    for kind in ('images', 'labels'):
        (tmp_path / kind).mkdir()
    for number in range(6):
        labels = np.full((120, 160), number % 2 + 8, np.uint8)
        cv2.imwrite(str(tmp_path / f'labels/{number}.png'), labels)
        pixels = np.dstack([labels] * 3)
        cv2.imwrite(str(tmp_path / f'images/{number}.png'), pixels)
    return tmp_path


def test_losses_are_measured_against_ground_truth(folder):
    given = CheckSet(folder / 'images', folder / 'labels')
    fakes = Candidates(Remembering(Fake()), Fake(ms=12.0), Fake(wrong=16, ms=6.0))
    found = measure(fakes, [given])
    (score,) = found.sets
    assert (score.frames, score.plain) == (6, 1.0)
    assert score.int8 == pytest.approx((0.9 + 0.9 + 0) / 3)
    assert score.agreement == pytest.approx(0.9)
    assert found.speedup == pytest.approx(2.0)
    assert {each.name: each.int8 for each in found.classes} == pytest.approx(
        {'Car': 0.9, 'Pedestrian': 0.9}
    )
    assert found.worst[0].agreement == pytest.approx(0.9)
    assert len(found.problems()) == 3


def test_without_ground_truth_it_is_compared_with_float32(folder):
    fakes = Candidates(Remembering(Fake()), Fake(ms=12.0), Fake(wrong=16, ms=6.0))
    found = measure(fakes, [CheckSet(folder / 'images')], limit=2)
    assert not found.with_ground_truth
    assert (found.sets[0].frames, found.sets[0].loss) == (2, 0.0)
    assert len(found.problems()) == 3


def test_frames_are_spread_evenly(folder):
    assert [name for name, _ in spread(folder / 'images', 3)] == ['0.png', '2.png', '4.png']


def write_image(path, value, texture=0):
    pixels = np.full((12, 16, 3), value, np.uint8)
    pixels[::2] += np.uint8(texture)
    path.parent.mkdir(exist_ok=True)
    cv2.imwrite(str(path), pixels)


def test_black_calibration_images_are_refused(tmp_path):
    write_image(tmp_path / 'black/1.png', 0)
    with pytest.raises(SourceError, match='all 1 calibration images are black'):
        calibration_frames([tmp_path / 'black'], 4)


def test_images_of_different_sizes_are_taken_and_black_ones_left_out(tmp_path):
    write_image(tmp_path / 'mixed/1.png', 0)
    write_image(tmp_path / 'mixed/2.png', 30, 90)
    cv2.imwrite(str(tmp_path / 'mixed/3.png'), np.tile(np.arange(40, dtype=np.uint8) * 6, (8, 1)))
    frames = calibration_frames([tmp_path / 'mixed'], 8)
    assert [frame.size for frame in frames] == [(12, 16), (8, 40)]
    assert all(isinstance(frame, Frame) for frame in frames)


def test_no_calibration_images_are_refused(tmp_path):
    with pytest.raises(SourceError, match=r'folder, a video or a bag'):
        calibration_frames([], 4)
    (tmp_path / 'empty').mkdir()
    with pytest.raises(SourceError, match='empty'):
        calibration_frames([tmp_path / 'empty'], 4)
