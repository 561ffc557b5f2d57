# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Every image meets its ground truth by stamp, once, and what has no partner is counted and
named."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.data import pairing
from mfaranet_ros.data.bags.cameras import choose_camera
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.pairing import Pairing
from mfaranet_ros.data.stamps import parse_stamp

MS = 1_000_000
GROUND_TRUTH = '/truth/labels'


@dataclass
class Rig:
    """Writes recordings of images and labels at given times in ms, and pairs them.

    A time is of the stamp, or a tuple of the stamp's and the log's.
    """

    kit: object
    folder: object

    def write(self, images, ground_truths=(), infos=()):
        kit, entries = self.kit, []
        for topic, times, channels, encoding in (
            ('/cam/image_raw', images, 3, 'rgb8'), (GROUND_TRUTH, ground_truths, 1, 'mono8'),
        ):  # fmt: skip
            for number, time in enumerate(times):
                stamp, log = time if isinstance(time, tuple) else (time, time)
                message = kit.image_message(
                    kit.sample_image(number, channels), stamp * MS, encoding
                )
                entries.append(kit.Entry(topic, kit.IMAGE, log * MS, message))
        for time, focal in infos:
            message = kit.camera_info(time * MS, focal)
            entries.append(kit.Entry('/cam/camera_info', kit.CAMERA_INFO, time * MS, message))
        entries.sort(key=lambda entry: entry.time_ns)
        return kit.write_rosbags(self.folder / f'bag{len(list(self.folder.iterdir()))}', entries)

    def pair(self, path, *ground_truth, tolerance_ms=0):
        """Return the stamps of images and ground truth in ms, and the report."""
        with open_bag(path) as bag:
            camera = choose_camera(bag, '/cam/image_raw')
            pairs = Pairing(bag, camera, ground_truth, tolerance_ns=tolerance_ms * MS)
            shots = [
                (shot.stamp_ns // MS, *(self._stamp(found) for found in shot.ground_truths))
                for shot in pairs
            ]
            return shots, pairs.report

    @staticmethod
    def _stamp(ground_truth):
        return None if ground_truth is None else ground_truth.stamp_ns // MS


@pytest.fixture
def rig(recordings, tmp_path):
    return Rig(recordings, tmp_path)


def test_the_same_stamps_pair(rig):
    shots, report = rig.pair(rig.write([0, 100, 200], [0, 100, 200]), GROUND_TRUTH)
    assert shots == [(0, 0), (100, 100), (200, 200)]
    (source,) = report.sources
    assert (source.source, source.ground_truths, source.paired, source.exact) == (
        GROUND_TRUTH,
        3,
        3,
        3,
    )
    assert report.notes == ()


def test_what_has_no_partner_is_counted_and_named(rig):
    shots, report = rig.pair(rig.write([0, 100, 200, 300], [100, 150, 300]), GROUND_TRUTH)
    assert shots == [(0, None), (100, 100), (200, None), (300, 300)]
    assert report.notes == (
        f'images have no ground truth in {GROUND_TRUTH}: 2 (0.000000000, 0.200000000)',
        f'label images of {GROUND_TRUTH} have no image: 1 (0.150000000)',
    )


def test_the_nearest_within_the_tolerance_is_taken(rig):
    path = rig.write([100, 200, 300, 400], [98, 203, 211, 320, 400])
    shots, report = rig.pair(path, GROUND_TRUTH, tolerance_ms=10)
    assert shots == [(100, 98), (200, 203), (300, None), (400, 400)]
    assert (report.sources[0].exact, report.sources[0].worst_ns) == (1, 3 * MS)


def test_no_ground_truth_is_used_twice(rig):
    path = rig.write([100, 110], [106])
    assert rig.pair(path, GROUND_TRUTH, tolerance_ms=10)[0] == [(100, None), (110, 106)]


def test_an_exact_stamp_goes_before_a_near_one(rig):
    path = rig.write([100, 105], [105, 109])
    assert rig.pair(path, GROUND_TRUTH, tolerance_ms=10)[0] == [(100, 109), (105, 105)]


def test_ground_truth_may_be_logged_later_or_earlier(rig):
    late = rig.write([0, 100, 200], [(0, 1500), (100, 1600), (200, 1700)])
    early = rig.write([(0, 1500), (100, 1600)], [0, 100])
    assert rig.pair(late, GROUND_TRUTH)[0] == [(0, 0), (100, 100), (200, 200)]
    assert rig.pair(early, GROUND_TRUTH)[0] == [(0, 0), (100, 100)]


def test_ground_truth_that_lags_is_given_up(rig):
    path = rig.write([0, 100, 9000], [0, (100, 9000)])
    shots, report = rig.pair(path, GROUND_TRUTH)
    assert shots == [(0, 0), (100, None), (9000, None)]
    assert report.sources[0].ground_truths_without.names == ('0.100000000',)


@pytest.mark.parametrize('later_ms', [3_600_000, -3_600_000])
def test_ground_truth_of_a_recording_of_its_own_is_moved(rig, later_ms):
    """Labels that were made of the recording, and recorded, an hour later keep its stamps."""
    times = range(0, 6000, 100)
    labels = [(time, 7_200_000 + later_ms + time) for time in times]
    path = rig.write([(time, 7_200_000 + time) for time in times], labels)
    shots, report = rig.pair(path, GROUND_TRUTH)
    assert shots == [(time, time) for time in times]
    assert report.notes == ()


def test_little_is_held_while_waiting(rig, monkeypatch):
    """With ground truth for the last image only, the images before it are given out early."""
    path = rig.write(range(0, 1000, 10), [990])
    expected = rig.pair(path, GROUND_TRUTH)
    held = []
    monkeypatch.setattr(pairing, 'HOLD_BYTES', 20_000)
    with open_bag(path) as bag:
        pairs = Pairing(bag, choose_camera(bag, '/cam/image_raw'), [GROUND_TRUTH])
        for _ in pairs:
            held.append(pairs._held_bytes)
    assert max(held) <= 20_000
    assert rig.pair(path, GROUND_TRUTH) == expected


def test_several_ground_truths_are_paired_each_for_itself(rig):
    path = rig.write([0, 100], [0, 100], infos=[(100, 30.0)])
    shots, report = rig.pair(path, GROUND_TRUTH, '/cam/camera_info')
    assert shots == [(0, 0, None), (100, 100, 100)]
    assert [source.paired for source in report.sources] == [2, 1]


# -- stamps --------------------------------------------------------------------------------------


def test_stamps_that_repeat_or_go_back_are_reported(rig):
    path = rig.write([(0, 0), (100, 1), (50, 2), (100, 3)], [(100, 4), (0, 5), (50, 6)])
    shots, report = rig.pair(path, GROUND_TRUTH)
    assert shots == [(0, 0), (100, 100), (50, 50), (100, None)]
    assert report.repeated.names == ('0.100000000',)
    assert report.backward.names == ('0.050000000',)
    assert any('repeat an earlier stamp: 1' in note for note in report.notes)


def test_ground_truth_of_one_stamp_twice_is_reported(rig):
    shots, report = rig.pair(rig.write([0, 100], [(0, 0), (0, 1), 100]), GROUND_TRUTH)
    assert shots == [(0, 0), (100, 100)]
    assert report.sources[0].repeated.count == 1
    assert report.sources[0].ground_truths_without.count == 1


@pytest.mark.parametrize(
    ('ground_truths', 'range_text'),
    [([5000, 6000], '5.000000000 to 6.000000000 s'), ([150], '0.150000000 to 0.150000000 s')],
)
def test_ground_truth_of_another_time_is_refused(rig, ground_truths, range_text):
    path = rig.write([0, 100, 200], ground_truths)
    with pytest.raises(SourceError, match=f'0.000000000 to 0.200000000 s, .*{range_text}'):
        rig.pair(path, GROUND_TRUTH)


def test_ground_truth_of_another_time_is_refused_before_anything_is_done(rig):
    with open_bag(rig.write([0, 100], [5000])) as bag:
        camera = choose_camera(bag, '/cam/image_raw')
        with pytest.raises(SourceError, match='no ground truth of'):
            Pairing(bag, camera, [GROUND_TRUTH])


# -- a folder of files ---------------------------------------------------------------------------


def save(folder, *names):
    folder.mkdir()
    for name in names:
        cv2.imwrite(str(folder / name), np.zeros((4, 4), np.uint8))
    return folder


@pytest.mark.parametrize(
    ('name', 'stamp_ns'),
    [
        ('1700000000123456789', 1_700_000_000_123_456_789),
        ('1700000000.123456789', 1_700_000_000_123_456_789),
        ('1700000000_123456789', 1_700_000_000_123_456_789),
        ('12.5', 12_500_000_000),
        ('12.000000005', 12_000_000_005),
        ('0', 0),
        ('frame_12', None),
        ('12_5', None),
        ('-12', None),
    ],
)
def test_names_of_files_are_stamps(name, stamp_ns):
    assert parse_stamp(name) == stamp_ns


def test_files_are_paired_by_their_names(rig, tmp_path):
    folder = save(tmp_path / 'truth', '0.1.png', '200000000.png', '0.7.png', 'mean.png')
    shots, report = rig.pair(rig.write([0, 100, 200]), folder)
    assert shots == [(0, None), (100, 100), (200, 200)]
    (source,) = report.sources
    assert source.ground_truths_without.names == ('0.7.png',)
    assert source.unreadable.names == ('mean.png',)


def test_files_are_paired_within_the_tolerance(rig, tmp_path):
    folder = save(tmp_path / 'truth', '0.098.png', '0.205.png')
    path = rig.write([0, 100, 200])
    shots, _ = rig.pair(path, folder, tolerance_ms=5)
    assert shots == [(0, None), (100, 98), (200, 205)]


def test_files_of_another_time_are_refused(rig, tmp_path):
    folder = save(tmp_path / 'truth', '77.png')
    with pytest.raises(SourceError, match=r'0\.000000077 to 0\.000000077 s'):
        rig.pair(rig.write([100, 200]), folder)


@pytest.mark.parametrize(
    ('names', 'message'),
    [((), 'it has none'), (('a.png', 'b.png'), r'named otherwise: 2 \(a\.png, b\.png\)')],
)
def test_a_folder_without_stamps_is_refused(rig, tmp_path, names, message):
    folder = save(tmp_path / 'truth', *names)
    with pytest.raises(SourceError, match=message):
        rig.pair(rig.write([0]), folder)


def test_a_folder_that_is_not_there_is_refused(rig, tmp_path):
    with pytest.raises(SourceError, match='No such file'):
        rig.pair(rig.write([0]), tmp_path / 'truth')


# -- calibration ---------------------------------------------------------------------------------


def test_the_calibration_in_force_comes_with_the_image(rig):
    infos = [(50, 30.0), (150, 30.0), (250, 45.0)]
    with open_bag(rig.write([0, 100, 200, 300], infos=infos)) as bag:
        shots = list(Pairing(bag, choose_camera(bag)))
    assert [shot.camera_info.k[0] for shot in shots] == [30.0, 30.0, 30.0, 45.0]
    assert shots[0].camera_info is shots[2].camera_info


def test_images_that_cannot_be_read_are_left_out_and_named(rig, recordings, tmp_path):
    path = recordings.write_rosbags(tmp_path / 'bag', recordings.drive(3), 'SQLITE3')
    with closing(sqlite3.connect(path / 'bag.db3')) as database:
        database.execute("UPDATE messages SET data = x'00010000ffff' WHERE id = 4")
        database.commit()
    shots, report = rig.pair(path, GROUND_TRUTH)
    assert len(shots) == 2
    assert report.unreadable.names == ('image 1',)
    assert report.images == 3
