# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A recorded live run: frames put together, counts, latency and accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from live_recording import S, boundary, grid, image, status, write_run

from mfaranet_ros.benchmark.live_run import AccuracyCounter, LiveRun, choose_numbers
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.data.bags.reader import open_bag
from mfaranet_ros.data.label_table import parse_table
from mfaranet_ros.evaluation.runs.comparison import LabelComparison


@pytest.fixture
def read(tmp_path):
    """Return a run that was recorded with these entries."""
    opened = []

    def read_run(*entries):
        opened.append(open_bag(write_run(tmp_path / 'run', entries)))
        return LiveRun(opened[-1])

    yield read_run
    for bag in opened:
        bag.close()


def test_what_has_one_stamp_belongs_together(read):
    parts = []
    for second in range(1, 6):
        parts += [image('mask', second, second), image('overlay', second, second), grid(second)]
    run = read(*parts, boundary(2, [(1, 2), (3, 4)]), image('mask', 9))
    frames = list(run.frames())
    assert [frame.stamp_ns for frame in frames] == [second * S for second in range(1, 6)]
    for second, frame in enumerate(frames, start=1):
        assert (frame.view.overlay_rgb == second).all()
        assert (frame.view.labels == second).all()
        assert frame.view.grid.resolution_m == 0.5
        assert frame.age_ms == 20.0
    assert frames[0].boundary_m is None
    assert frames[1].boundary_m.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize('lacking', ['mask', 'grid'])
def test_a_frame_may_lack_a_part(read, lacking):
    entries = [image('overlay', 1), image('mask', 1), grid(1), image('overlay', 2), grid(3)]
    run = read(*(entry for entry in entries if entry[0] != lacking or entry[2] > 2 * S))
    first, second = run.frames()
    assert (first.view.labels is None, first.view.grid is None) == (
        lacking == 'mask', lacking == 'grid',
    )  # fmt: skip
    assert (second.view.labels, second.view.grid) == (None, None)


def test_frames_compared_in_metres_are_spread_over_the_run(read):
    entries = [image('truth', second) for second in range(1, 41)]
    for second in range(2, 41, 2):  # the node is half as fast as the camera
        entries += [image('mask', second), image('overlay', second), grid(second)]
    run = read(*entries)
    assert choose_numbers(run, 3) == {2 * S: 1, 20 * S: 19, 40 * S: 39}
    assert len(choose_numbers(run, 400)) == 20


def test_scores_compare_what_has_the_same_stamp(read):
    run = read(
        *(image('truth', second, 3) for second in (1, 2, 3, 4)),
        image('mask', 1, 3), image('overlay', 1),
        image('mask', 2, 8), image('overlay', 2),
        image('overlay', 3),  # its mask is missing
        image('mask', 4, np.zeros((2, 2), np.uint8)), image('overlay', 4),
        status('segmentation: model', 5, label_set='camvid'),
    )  # fmt: skip
    assert run.label_set is CAMVID
    counter = AccuracyCounter(LabelComparison.of(run.label_set))
    for frame in run.frames():
        counter.add(frame)
    found = counter.accuracy()
    assert found.frames == 2
    assert found.class_iou['Road'] == found.drivable_iou == 0.5
    assert found.class_iou['Car'] == 0.0
    assert found.class_iou['Sky'] is None
    assert found.miou == 0.25


def test_what_cannot_be_compared_is_not_scored(read):
    run = read(image('truth', 1), image('mask', 1), image('overlay', 1))
    assert run.label_set is None  # the node has not said which classes there are
    counter = AccuracyCounter(None)
    for frame in run.frames():
        counter.add(frame)
    assert counter.accuracy() is None
    assert counter.not_scored == 'give --labels, --merge or --table to score the ground truth'
    assert AccuracyCounter(LabelComparison.of(CAMVID)).accuracy() is None


def test_ground_truth_of_another_label_set_is_compared_by_tables(read):
    run = read(
        image('truth', 1, 3), image('mask', 1, 0), image('overlay', 1),
        image('truth', 2, 77), image('mask', 2, 0), image('overlay', 2),
    )  # fmt: skip
    merge = parse_table(
        [f'{number} : {3 if number == 0 else 0}' for number in range(19)], CAMVID, 'm'
    )
    counter = AccuracyCounter(LabelComparison.between(CITYSCAPES, CAMVID, merge=merge))
    for frame in run.frames():
        counter.add(frame)
    found = counter.accuracy()
    assert (found.frames, found.class_iou['Road'], found.drivable_iou) == (1, 1.0, 1.0)
    assert counter.not_scored.startswith('a frame holds the values 77, which are not of camvid')


def filled():
    return (
        status('player: source', images_sent=10, images_skipped=1, moments_missed=2),
        status('rear: input', 4, frames_received=77),
        status('segmentation: input', 1.1, frames_received=2, frames_processed=1),
        status('segmentation: input', 3, frames_received=9, frames_processed=6,
               dropped_replaced=2, dropped_stale=1, dropped_inference=0),
        status('segmentation: model', name='mfaranet_resnet18', scales='2', device='cpu',
               precision='float32', label_set='camvid'),
        status('segmentation: latency', processing_time_ms_p50=8.5, processing_time_ms_p95=9.5,
               processing_time_ms_p99=9.9, processing_time_ms_max=12, decode_ms_p50='n/a'),
        image('mask', 1, age_ms=10), image('mask', 2, age_ms=30), image('overlay', 2),
    )  # fmt: skip


def test_counts_add_up(read):
    frames = read(*filled()).counts()
    assert (frames.sent, frames.skipped, frames.moments_missed) == (10, 1, 2)
    assert frames.dropped == {'replaced': 2, 'stale': 1}
    assert frames.sent == frames.received + frames.lost
    assert frames.received == frames.processed + sum(frames.dropped.values())
    assert (frames.masks_recorded, frames.overlays_recorded, frames.grids_recorded) == (2, 1, 0)


def test_a_frame_knows_the_figures_of_its_moment(read):
    (frame,) = read(*filled()).frames()
    assert (frame.dropped, frame.processing_ms) == (8, (8.5, 9.5))


def test_latency_holds_only_what_was_measured(read):
    latency = read(*filled()).latency_ms()
    assert latency['processing_time'] == {'p50': 8.5, 'p95': 9.5, 'p99': 9.9, 'max': 12.0}
    assert 'decode' not in latency
    assert latency['capture_to_subscriber']['p50'] == 20.0


def test_the_model_is_what_the_node_reports(read):
    run = read(*filled())
    assert (run.model()['name'], run.status('input').message) == ('mfaranet_resnet18', 'ok')


def test_an_empty_run_has_figures(read):
    run = read(status('player: source'))
    assert (run.counts().sent, run.model(), run.latency_ms()) == (0, {}, {})
    assert not list(run.frames())
    assert choose_numbers(run, 3) == {}
