# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Rounds over several sources: fairness, floods, failures, and how a source leaves."""

import gc
import queue
import threading
import weakref

import pytest

from mfaranet_ros.core.rounds import RoundWorker


class Rounds:
    """A worker whose rounds wait until the test lets them go on."""

    def __init__(self, fail=False):
        self.begun, self.go_on, self.errors = queue.Queue(), queue.Queue(), queue.Queue()
        self.fail = fail
        self.worker = RoundWorker(self._handle, lambda *failed: self.errors.put(failed))
        self.worker.start()

    def _handle(self, items):
        self.begun.put(dict(items))
        self.go_on.get(timeout=10)
        if self.fail:
            raise ValueError('broken')

    def next(self):
        return self.begun.get(timeout=10)


@pytest.fixture
def rounds():
    made = Rounds()
    yield made
    made.go_on.put(None)
    made.worker.stop(5.0)


def test_a_round_has_the_newest_item_of_every_source_that_waits(rounds):
    rounds.worker.put('front', 0)
    assert rounds.next() == {'front': 0}
    assert rounds.worker.put('rear', 1) is None
    for number in range(2, 100):  # a flood
        replaced = rounds.worker.put('front', number)
        assert replaced == (None if number == 2 else number - 1)
    rounds.worker.put('left', 100)
    rounds.go_on.put(None)
    following = rounds.next()
    assert following == {'rear': 1, 'front': 99, 'left': 100}
    assert list(following) == ['rear', 'front', 'left']  # the one that waited longest first


def test_a_source_that_leaves_takes_its_item_along_and_waits_for_the_one_in_hand(rounds):
    rounds.worker.put('front', 0)
    rounds.next()
    rounds.worker.put('front', 1)
    rounds.worker.put('rear', 2)
    assert rounds.worker.withdraw('rear', 5.0) == 2  # nothing of it is in hand: no waiting
    left = []
    leaving = threading.Thread(target=lambda: left.append(rounds.worker.withdraw('front', 5.0)))
    leaving.start()
    leaving.join(0.1)
    assert not left
    rounds.go_on.put(None)
    leaving.join(5.0)
    assert left == [1]


def test_a_failing_round_is_reported_and_the_next_one_begins():
    rounds = Rounds(fail=True)
    for number in (1, 2):
        rounds.worker.put('front', number)
        assert rounds.next() == {'front': number}
        rounds.go_on.put(None)
        items, error = rounds.errors.get(timeout=10)
        assert (items, str(error)) == ({'front': number}, 'broken')
    rounds.worker.stop(5.0)


def test_a_round_that_does_not_end_in_time_is_left_behind(rounds, caplog):
    rounds.worker.put('front', 0)
    rounds.next()
    rounds.worker.stop(0.01)
    assert 'did not end within' in caplog.text


class Holder:
    """Has a worker that calls it, as a pipeline with its builder does."""

    def __init__(self):
        self.worker = RoundWorker(self.handle, self.handle)
        self.worker.start()

    def handle(self, *items):
        pass


def test_what_held_a_stopped_worker_is_freed_at_once():
    gc.disable()
    try:
        holder = Holder()
        gone = weakref.ref(holder)
        holder.worker.stop(5.0)
        del holder
        assert gone() is None
    finally:
        gc.enable()
