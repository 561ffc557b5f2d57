# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The observer of the soak catches every kind of lie, and lets the truth pass."""

import numpy as np
import pytest

from soak.image_code import MAX_ALPHA, read_code, with_code
from soak.observer import Arrival, Observer
from soak.samples import Sample, SampleFile, curve, judge, read_samples
from soak.simulated_clock import SimulatedClock

S = 10**9
START = 1000 * S


class Scene:
    """A run whose wall time the test sets; images have the number of their second."""

    def __init__(self):
        self.violations = []
        self.clock = SimulatedClock(START, 0)
        self.observer = Observer(self.clock, self.violations.append)
        self.observer.max_age_set(1000.0, -10 * S)
        self._shown_s = 0.0

    def show_until(self, wall_s):
        """Publish the clock ten times a second, as the run does."""
        while self._shown_s < wall_s:
            self._shown_s = min(self._shown_s + 0.1, wall_s)
            self.clock.show(round(self._shown_s * S))

    def send(self, wall_s, code=7):
        self.show_until(wall_s)
        stamp_ns = self.clock.at(round(wall_s * S))
        self.observer.image_sent(stamp_ns, code)
        return stamp_ns

    def output(self, stamp_ns, wall_s, topic='overlay', code=None, is_known=True):
        wall_ns = round(wall_s * S)
        self.show_until(wall_s)
        self.observer.output(Arrival(topic, stamp_ns, wall_ns, wall_ns, code, is_known))

    @property
    def kinds(self):
        return [violation.kind for violation in self.violations]


@pytest.fixture
def scene():
    return Scene()


@pytest.mark.parametrize('alpha', [0.0, MAX_ALPHA])
@pytest.mark.parametrize('size', [(128, 160), (96, 128), (37, 51)])
@pytest.mark.parametrize('code', [0, 1, 0xDEADBEEF, 2**32 - 1])
def test_number_of_an_image_is_read_from_its_overlay(alpha, size, code):
    body = np.full((*size, 3), 90, np.uint8)
    for color in (0, 255):
        overlay = (1 - alpha) * with_code(body, code).astype(float) + alpha * color
        assert read_code(overlay.astype(np.uint8)) == code


def test_true_output_passes(scene):
    stamp_ns = scene.send(0)
    scene.output(stamp_ns, 0.9, code=7)
    scene.output(stamp_ns, 0.9, topic='mask')
    assert not scene.violations


@pytest.mark.parametrize(
    ('lie', 'kind'),
    [
        (lambda scene, stamp: scene.output(stamp + 1, 0.1), 'restamped'),
        (lambda scene, stamp: scene.output(stamp, 0.1, code=8), 'content'),
        (lambda scene, stamp: scene.output(stamp, 3.0), 'stale'),
        (lambda scene, stamp: [scene.output(stamp, t) for t in (0.1, 0.2)], 'repeated'),
    ],
)
def test_lie_is_caught(scene, lie, kind):
    lie(scene, scene.send(0))
    assert scene.kinds == [kind]


def test_output_of_a_silenced_node_is_caught(scene):
    stamp_ns = scene.send(0)
    scene.observer.silenced(1)
    scene.output(stamp_ns, 0.5)
    assert not scene.violations
    scene.output(stamp_ns, 1.2, topic='mask')
    assert scene.kinds == ['output while inactive']
    scene.observer.awakened()
    scene.output(stamp_ns, 1.3, topic='confidence')
    assert len(scene.violations) == 1


def test_clock_jump_makes_no_output_stale_by_itself(scene):
    stamp_ns = scene.send(0)
    scene.show_until(0.1)
    scene.clock.jump(60 * S, S // 10)
    scene.output(stamp_ns, 0.2)
    assert not scene.violations
    scene.output(stamp_ns, 0.9, topic='mask')
    assert scene.kinds == ['stale']


def test_larger_max_age_counts_until_the_node_has_taken_the_smaller(scene):
    scene.observer.max_age_set(200.0, 2 * S)
    scene.output(scene.send(1.5), 2.6)
    assert not scene.violations
    scene.output(scene.send(4), 5.2)
    assert scene.kinds == ['stale']


@pytest.mark.parametrize(('cleared', 'kinds'), [(True, []), (False, ['standing grid'])])
def test_grid_must_be_cleared_after_its_timeout(scene, cleared, kinds):
    scene.output(scene.send(0), 0.2, topic='drivable/grid')
    for tenth in range(3, 80):
        wall_ns = tenth * S // 10
        scene.show_until(tenth / 10)
        if cleared and tenth == 14:
            scene.output(0, 1.4, topic='drivable/grid', is_known=False)
        scene.observer.watch_grid(1000.0, wall_ns)
    assert scene.kinds == kinds


def test_grid_may_stand_while_time_stands_still(scene):
    scene.output(scene.send(0), 0.2, topic='drivable/grid')
    scene.clock.set_rate(0.0, S // 2)
    for second in range(1, 20):
        scene.show_until(second)
        scene.observer.watch_grid(1000.0, second * S)
    assert not scene.violations


def test_counts_are_not_checked_while_the_node_becomes_active(scene):
    scene.send(0)
    scene.observer.awakened()
    scene.observer.counters(counters(), S)
    assert not scene.violations
    scene.observer.counts_from(2 * S)
    scene.observer.counters(counters(), S)
    assert not scene.violations
    scene.observer.counters(counters(), 3 * S)
    assert scene.kinds == ['counters']


def counters(**changes):
    counts = {'frames_received': 5, 'frames_processed': 3, 'frames_pending': 1, 'dropped_stale': 1}
    return {key: str(value) for key, value in {**counts, **changes}.items()}


@pytest.mark.parametrize(
    ('changes', 'settled', 'kinds'),
    [
        ({}, False, []),
        ({'brightness': 'n/a', 'dropped_internal': 0}, False, []),
        ({}, True, ['counters']),
        ({'frames_received': 6}, False, ['counters', 'counters']),
        ({'frames_processed': 2}, False, ['counters']),
        ({'frames_pending': 3, 'frames_processed': 1}, False, ['counters']),
        ({'dropped_internal': 1, 'frames_pending': 0}, False, ['internal error']),
    ],
)
def test_counters_must_add_up(scene, changes, settled, kinds):
    for second in range(5):
        scene.send(second)
    scene.observer.counters(counters(**changes), S, settled=settled)
    assert scene.kinds == kinds


def samples(**series):
    length = len(next(iter(series.values())))
    base = {'elapsed_s': [360.0 * index for index in range(length)], 'settled': [1] * length}
    names = ('rss_mb', 'shared_mb', 'descriptors', 'threads', 'configures', 'actions', 'sent',
             'received', 'processed', 'outputs', 'violations')  # fmt: skip
    rows = {**{name: [20] * length for name in names}, **base, **series}
    return [Sample(**{name: rows[name][index] for name in rows}) for index in range(length)]


@pytest.mark.parametrize(
    ('series', 'problems'),
    [
        ({'rss_mb': [400.0] + [500.0] * 20}, 0),
        ({'rss_mb': [500.0 + index for index in range(21)]}, 0),
        ({'rss_mb': [500.0 + 3 * index for index in range(21)]}, 1),
        ({'rss_mb': [900.0]}, 0),
        ({'rss_mb': [400.0, 500.0], 'elapsed_s': [1.0, 300.0]}, 0),
        ({'rss_mb': [400.0, 500.0], 'elapsed_s': [60.0, 361.0]}, 1),
        ({'threads': [20, 22], 'elapsed_s': [10.0, 20.0]}, 1),
        ({'rss_mb': [500.0 + 3 * i for i in range(21)], 'shared_mb': [*range(0, 63, 3)]}, 0),
        ({'descriptors': [20 + index for index in range(21)]}, 1),
        ({'threads': [20] * 10 + [22] * 11}, 1),
        ({'threads': [22, 20] * 11}, 0),
    ],
)
def test_growth_after_the_warm_up_is_a_problem(series, problems):
    assert len(judge(samples(**series))) == problems


def test_samples_of_a_run_that_was_cut_short_are_read(tmp_path):
    written = samples(rss_mb=[500.5] * 20)
    path = tmp_path / 'samples.csv'
    sheet = SampleFile(path)
    for sample in written:
        sheet.add(sample)
    sheet.close()
    with path.open('a', encoding='utf-8') as file:
        file.write('99,12')
    assert read_samples(path) == written
    assert len(curve(written)) == 13
