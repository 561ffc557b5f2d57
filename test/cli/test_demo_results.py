# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What the demo makes of what it received: frames put together, counts, scores, samples."""

from __future__ import annotations

import numpy as np
import pytest

from mfaranet_ros.cli.demo_live import describe
from mfaranet_ros.cli.demo_output import make_figures, make_table
from mfaranet_ros.cli.demo_results import HELD_BACK, Results, Samples
from mfaranet_ros.data.wire import Record

SIZE = (6, 8)
S = 10**9


def image(kind, second, level=3, age_ms=20):
    shape = (*SIZE, 3) if kind == 'overlay' else SIZE
    stamp_ns = second * S
    return Record(kind, stamp_ns, stamp_ns + age_ms * 10**6, np.full(shape, level, np.uint8))


def grid(second):
    facts = (('resolution_m', '0.5'), ('x_min_m', '0.0'), ('y_min_m', '-2.0'))
    return Record('grid', second * S, second * S, np.zeros((8, 10), np.int8), facts)


def status(name, /, **values):
    facts = (('status', name), ('level', '0'), ('message', 'ok'), *values.items())
    return Record('status', S, S, facts=tuple((k, str(v)) for k, v in facts))


def take(results, records):
    for record in records:
        results.add(record)


@pytest.mark.parametrize('order', [('mask', 'overlay', 'grid'), ('grid', 'overlay', 'mask')])
def test_what_has_one_stamp_belongs_together(order):
    results = Results()
    for second in range(1, 6):
        take(results, (grid(second) if k == 'grid' else image(k, second, second) for k in order))
    early = list(results.complete())
    late = list(results.complete(all_of_them=True))
    assert [len(early), len(late)] == [5 - HELD_BACK, HELD_BACK]
    for second, (bundle, view) in enumerate([*early, *late], start=1):
        assert bundle.stamp_ns == second * S
        assert (view.overlay_rgb == second).all()
        assert (view.labels == second).all()
        assert view.grid.resolution_m == 0.5
        assert bundle.age_ms == 20.0
    assert not list(results.complete(all_of_them=True))


def test_of_frames_that_were_processed_every_nth_is_kept_whatever_their_number():
    results = Results(sample_every=2)
    for second in range(1, 9):
        take(results, [image('truth', second)])
        if second % 2 == 0:  # the node is half as fast as the camera
            take(results, [image('mask', second), image('overlay', second), grid(second)])
    list(results.complete(all_of_them=True))
    assert [kept.number for kept in results.samples] == [1, 5]


def test_a_grid_that_comes_late_is_not_missed():
    results = Results()
    take(results, [image('overlay', 1), image('overlay', 2), grid(1)])
    assert not list(results.complete())
    take(results, [image('overlay', 3)])
    ((_, view),) = results.complete()
    assert view.grid is not None


def test_what_never_gets_an_overlay_is_forgotten():
    results = Results()
    for second in range(1, 200):
        take(results, [image('truth', second), grid(second)])
        if second % 10 == 0:
            take(results, [image('overlay', second)])
        list(results.complete())
    assert len(results._bundles) < 50
    assert len(results._ground_truths) < 50


def test_scores_compare_what_has_the_same_stamp():
    results = Results()
    take(results, [image('truth', s, level=3) for s in (1, 2, 3, 4)])
    take(results, [image('mask', 1, level=3), image('overlay', 1)])
    take(results, [image('mask', 2, level=8), image('overlay', 2)])
    take(results, [image('overlay', 3)])  # its mask is missing
    take(results, [Record('mask', 4 * S, 4 * S, np.zeros((2, 2), np.uint8)), image('overlay', 4)])
    list(results.complete(all_of_them=True))
    assert results.accuracy() is None  # the node has not said yet which classes there are
    take(results, [status('segmentation: model', label_set='camvid')])
    take(results, [image('overlay', 5)])
    list(results.complete(all_of_them=True))
    found = results.accuracy()
    assert found.frames == 2
    assert found.class_iou['Road'] == found.drivable_iou == 0.5
    assert found.class_iou['Car'] == 0.0
    assert found.class_iou['Sky'] is None
    assert found.miou == 0.25


def test_masks_of_other_values_are_not_scored():
    results = Results(is_remapped=True)
    take(results, [status('segmentation: model', label_set='camvid')])
    take(results, [image('truth', 1), image('mask', 1), image('overlay', 1)])
    assert len(list(results.complete(all_of_them=True))) == 1
    assert results.accuracy() is None
    assert results.label_set is None


def filled():
    results = Results()
    take(
        results,
        [
            status('player: source', images_sent=10, images_skipped=1, moments_missed=2),
            status('segmentation: input', frames_received=9, frames_processed=6,
                   dropped_replaced=2, dropped_stale=1, dropped_inference=0),
            status('segmentation: model', name='mfaranet_resnet18', scales='2', device='cpu',
                   precision='float32', label_set='camvid'),
            status('segmentation: latency', processing_time_ms_p50=8.5, processing_time_ms_p95=9.5,
                   processing_time_ms_p99=9.9, processing_time_ms_max=12, decode_ms_p50='n/a'),
            image('mask', 1, age_ms=10), image('mask', 2, age_ms=30),
        ],
    )  # fmt: skip
    return results


def test_counts_add_up():
    frames = filled().frames
    assert (frames.sent, frames.skipped, frames.moments_missed) == (10, 1, 2)
    assert frames.dropped == {'replaced': 2, 'stale': 1}
    assert frames.sent == frames.received + frames.lost
    assert frames.received == frames.processed + sum(frames.dropped.values())
    assert frames.masks_recorded == 2


def test_latency_holds_what_was_measured_only():
    latency = filled().latency_ms()
    assert latency['processing_time'] == {'p50': 8.5, 'p95': 9.5, 'p99': 9.9, 'max': 12.0}
    assert 'decode' not in latency
    assert latency['capture_to_subscriber']['p50'] == 20.0


def test_the_status_of_the_model_does_not_hide_its_name():
    model = filled().model()
    assert model['name'] == 'mfaranet_resnet18'
    assert not {'status', 'level', 'message'} & set(model)


def test_lines_and_tables_name_every_figure():
    results = filled()
    assert describe(Results()) == 'starting'
    line = describe(results)
    assert 'in 10  out 6  dropped 4' in line
    assert 'p50 8 ms  p95 10 ms' in line or 'p50 9 ms  p95 10 ms' in line
    table = make_table(results, ['out/demo/demo.mp4'])
    for text in ('10 sent, 9 received, 6 processed, 3 dropped (replaced 2, stale 1), 1 lost',
                 'mfaranet_resnet18, scales 2', 'out/demo/demo.mp4', 'p50 8.5'):  # fmt: skip
        assert text in table
    figures = make_figures(results, {'input': {'kind': 'images'}})
    assert figures['input'] == {'kind': 'images'}
    assert figures['frames']['dropped'] == {'replaced': 2, 'stale': 1}
    assert figures['accuracy'] is None
    assert figures['versions']['python']


def test_nothing_at_all_still_makes_a_table():
    assert '0 sent' in make_table(Results(), [])


@pytest.mark.parametrize('count', [0, 1, 2, 3, 4, 12, 13, 100, 1001])
def test_samples_are_spread_over_all_that_came(count):
    samples = Samples(most=12)
    for item in range(count):
        samples.add(item)
    chosen = samples.spread(3)
    assert len(chosen) == min(3, count)
    assert chosen == sorted(set(chosen))
    if count >= 12:
        for place, item in enumerate(chosen):
            assert place / 3 - 0.1 <= item / count <= (place + 1) / 3 + 0.1
