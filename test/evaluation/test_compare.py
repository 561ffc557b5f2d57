# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two reports compared: the interval, the verdict, and what cannot be compared."""

import copy

import numpy as np
import pytest

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.evaluation.report.compare import DRAWS, compare, draw, read_scored, score

CLASSES = ('road', 'car')


def report(hit_rates, *, frames=60, seed=0, source='drive', **settings):
    """A report of frames whose pixels are found at these rates, one for each class."""
    chance = np.random.default_rng(seed)
    entries = []
    for number in range(frames):
        ground_truth = chance.integers(500, 1500, 2)
        rates = np.clip(np.array(hit_rates) + chance.normal(0, 0.02, 2), 0, 1)
        hits = (ground_truth * rates).astype(int)
        found = hits + (ground_truth - hits)[::-1]
        classes = [hits.tolist(), ground_truth.tolist(), found.tolist()]
        entries.append(
            {
                'source': source,
                'name': f'{number:03d}',
                'classes': classes,
                'drivable': [row[0] for row in classes],
            }
        )
    return {
        'schema': {'name': 'mfaranet evaluation', 'version': 1},
        'model': {'name': 'net', 'warm_up_ms': str(seed)},
        'config': settings,
        'method': {},
        'versions': {},
        'scores': {'classes': [{'name': name} for name in CLASSES]},
        'frames': entries,
    }


def compared(a, b, **how):
    return compare(read_scored('a.json', a), read_scored('b.json', b), **how)


def test_a_clear_gain_is_more_than_noise():
    found = compared(report((0.90, 0.80)), report((0.93, 0.80)))
    mean = found.differences[0]
    assert mean.name == 'mean IoU'
    assert not mean.is_noise
    assert mean.low < mean.change < mean.high
    assert mean.low > 0
    assert found.frames == 60


def test_two_runs_of_equal_quality_are_noise_but_for_one_in_twenty():
    alarms = 0
    for seed in range(2, 62):
        a, b = (fitted(report((0.90, 0.80), seed=number)) for number in (seed, seed + 1000))
        alarms += not compared(a, b).differences[0].is_noise
    assert alarms <= 8


def fitted(other, seed=1):
    """Give a report the ground truth of another one, and hits at its own rates."""
    for frame, true in zip(other['frames'], report((1, 1), seed=seed)['frames'], strict=True):
        hits, ground_truth, _ = (np.array(row) for row in frame['classes'])
        new_ground_truth = np.array(true['classes'][1])
        new_hits = (hits / ground_truth * new_ground_truth).astype(int)
        found = new_hits + (new_ground_truth - new_hits)[::-1]
        frame['classes'] = [new_hits.tolist(), new_ground_truth.tolist(), found.tolist()]
        frame['drivable'] = [row[0] for row in frame['classes']]
    return other


def test_a_report_and_itself_are_equal_on_every_draw():
    found = compared(report((0.9, 0.8)), report((0.9, 0.8)))
    assert {(each.change, each.low, each.high) for each in found.differences} == {(0, 0, 0)}
    assert all(each.is_noise for each in found.differences)


def test_it_gives_the_same_every_time_and_is_the_other_way_round():
    a, b = report((0.90, 0.80)), report((0.91, 0.82))
    there, again, back = compared(a, b), compared(a, b), compared(b, a)
    assert there == again
    for one, other in zip(there.differences, back.differences, strict=True):
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_interval_is_that_of_the_central_limit():
    """With one class that is always there, a ratio of sums: close to normal for 200 frames."""
    a, b = report((0.90, 0.80), frames=200), report((0.92, 0.80), frames=200)
    found = compared(a, b).differences[1]
    counts = [np.array([frame['drivable'] for frame in one['frames']], float) for one in (a, b)]
    spread = np.random.default_rng(5)
    drawn = []
    for _ in range(1000):
        taken = spread.integers(0, 200, 200)
        hits, ground_truth, seen = np.array([one[taken].sum(axis=0) for one in counts]).T
        drawn.append(np.diff(hits / (ground_truth + seen - hits))[0])
    assert found.low == pytest.approx(np.percentile(drawn, 2.5), abs=3e-4)
    assert found.high == pytest.approx(np.percentile(drawn, 97.5), abs=3e-4)


def test_scores_are_those_of_the_sums():
    counts = np.array([[[5, 10, 8], [0, 0, 0], [5, 10, 8]], [[1, 2, 2], [3, 4, 3], [1, 2, 2]]])
    iou = score(counts, np.array([[1.0, 1.0], [2.0, 0.0]]))
    assert iou[0] == pytest.approx([(6 / 16 + 3 / 4) / 2, 6 / 16, 6 / 16, 3 / 4])
    assert iou[1] == pytest.approx([5 / 13, 5 / 13, 5 / 13, np.nan], nan_ok=True)


@pytest.mark.parametrize('block', [1, 7, 100])
def test_every_draw_has_as_many_frames_of_every_source(block):
    keys = [('a', str(i), 0) for i in range(10)] + [('b', str(i), 0) for i in range(25)]
    weights = draw(keys, block, 0)
    assert weights.shape == (DRAWS, 35)
    assert (weights[:, :10].sum(axis=1) == 10).all()
    assert (weights[:, 10:].sum(axis=1) == 25).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(35), abs=0.3)
    if block == 7:
        inside = (weights[:, 10:] > 0) & (np.roll(weights[:, 10:], 1, axis=1) > 0)
        alone = (draw(keys, 1, 0)[:, 10:] > 0).mean() ** 2
        assert inside.mean() > 1.2 * alone


def test_resembling_frames_widen_the_interval():
    """Frames that come in runs of ten alike carry less than their number says."""
    a, b = report((0.90, 0.80)), report((0.91, 0.80), seed=3)
    b = fitted(b, seed=0)
    for one in (a, b):
        for number, frame in enumerate(one['frames']):
            like = one['frames'][number - number % 10]
            frame['classes'], frame['drivable'] = like['classes'], like['drivable']
    single, blocks = compared(a, b).differences[0], compared(a, b, block=10).differences[0]
    assert blocks.high - blocks.low > 1.5 * (single.high - single.low)


def test_what_differs_in_the_settings_is_named():
    found = compared(report((0.9, 0.8), scales='1'), report((0.9, 0.8), scales='2', seed=0))
    assert found.settings == {'config: scales': ('1', '2')}


def test_the_name_of_a_single_bag_does_not_matter():
    assert compared(report((0.9, 0.8)), report((0.9, 0.8), source='copy')).frames == 60


def test_a_stamp_that_is_there_twice_is_two_frames():
    a = report((0.9, 0.8))
    a['frames'][1]['name'] = a['frames'][0]['name']
    assert compared(a, copy.deepcopy(a)).frames == 60


# -- what cannot be compared ---------------------------------------------------------------------


def test_other_frames_are_refused_with_how_many_are_common():
    a, b = report((0.9, 0.8)), report((0.9, 0.8), frames=40)
    with pytest.raises(SourceError, match=r'60 frames, b\.json 40, 40 of them are common'):
        compared(a, b)
    for number, frame in enumerate(b['frames'][:10]):
        frame['name'] = f'other {number}'
    with pytest.raises(SourceError, match='30 of them are common'):
        compared(a, b)


def test_other_ground_truth_or_classes_are_refused():
    a, b = report((0.9, 0.8)), report((0.9, 0.8))
    b['frames'][3]['classes'][1][0] += 1
    with pytest.raises(SourceError, match='the ground truth of 1 of 60 frames differs'):
        compared(a, b)
    b['scores']['classes'].reverse()
    with pytest.raises(SourceError, match='only the same label set'):
        compared(a, b)


@pytest.mark.parametrize(
    ('content', 'said'),
    [
        ([], 'is not a report'),
        ({'schema': 1}, 'is not a report'),
        ({'scores': {}}, 'is not a report'),
        (
            {**report((1, 1)), 'schema': {'name': 'mfaranet evaluation', 'version': 99}},
            'version 99',
        ),
        ({**report((1, 1)), 'frames': []}, 'no frame with ground truth'),
        ({**report((1, 1)), 'scores': None}, 'is broken'),
    ],
)
def test_what_is_no_report_is_refused(content, said):
    with pytest.raises(SourceError, match=f'x.json .*{said}'):
        read_scored('x.json', content)
