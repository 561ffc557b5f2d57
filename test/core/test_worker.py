# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The mailbox and the worker: newest wins, a bad frame costs itself only, stopping loses none."""

import gc
import threading
import weakref

import pytest

from mfaranet_ros.core.worker import Mailbox, Worker

PATIENCE_S = 5.0


def test_a_new_item_replaces_the_waiting_one():
    mailbox = Mailbox()
    assert mailbox.put(1) is None
    assert mailbox.put(2) == 1
    assert mailbox.take() == 2


def test_a_closed_mailbox_gives_back_what_waited_and_then_nothing():
    mailbox = Mailbox()
    mailbox.put(1)
    assert mailbox.close() == 1
    assert mailbox.take() is None


def test_taking_waits_for_an_item():
    mailbox, taken = Mailbox(), []
    thread = threading.Thread(target=lambda: taken.append(mailbox.take()))
    thread.start()
    mailbox.put('late')
    thread.join(PATIENCE_S)
    assert taken == ['late']


class Slow:
    """A handler that holds each item until the test lets it go."""

    def __init__(self) -> None:
        self.handled, self.failed = [], []
        self.entered, self.go = threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, item) -> None:
        self.entered.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        if item == 'bad':
            raise ValueError(item)
        self.handled.append(item)


@pytest.fixture
def slow():
    return Slow()


@pytest.fixture
def worker(slow):
    worker = Worker(slow, slow.failed.append)
    worker.start()
    return worker


def test_while_one_frame_is_in_hand_only_the_newest_of_the_others_waits(worker, slow):
    worker.put(1)
    assert slow.entered.acquire(timeout=PATIENCE_S)
    replaced = [worker.put(item) for item in (2, 3, 4)]
    slow.go.release(2)
    assert slow.entered.acquire(timeout=PATIENCE_S)
    worker.stop(PATIENCE_S)
    assert slow.handled == [1, 4]
    assert replaced == [None, 2, 3]


def test_a_handler_that_raises_loses_its_frame_only(worker, slow):
    slow.go.release(2)
    for item in ('bad', 'good'):
        worker.put(item)
        assert slow.entered.acquire(timeout=PATIENCE_S)
    worker.stop(PATIENCE_S)
    assert [str(error) for error in slow.failed] == ['bad']
    assert slow.handled == ['good']


def test_stopping_finishes_the_frame_in_hand_and_returns_the_waiting_one(worker, slow):
    worker.put('in hand')
    assert slow.entered.acquire(timeout=PATIENCE_S)
    worker.put('waiting')
    slow.go.release(5)
    assert worker.stop(PATIENCE_S) in ('waiting', None)
    assert slow.handled[0] == 'in hand'


def test_stopping_does_not_hang_on_a_frame_that_never_ends(worker, slow, caplog):
    worker.put('endless')
    assert slow.entered.acquire(timeout=PATIENCE_S)
    worker.stop(0.05)
    assert 'did not end' in caplog.text
    slow.go.release()


class Holder:
    """Has a worker that calls it, as a pipeline with its builder does."""

    def __init__(self):
        self.worker = Worker(self.handle, self.handle)
        self.worker.start()

    def handle(self, item):
        pass


def test_what_held_a_stopped_worker_is_freed_at_once():
    gc.disable()
    try:
        holder = Holder()
        gone = weakref.ref(holder)
        holder.worker.stop(PATIENCE_S)
        del holder
        assert gone() is None
    finally:
        gc.enable()
