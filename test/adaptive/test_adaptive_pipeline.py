# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Changing between two frames: what runs goes on until the next one is ready, or for good."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from mfaranet_ros.adaptive.adaptive_pipeline import AdaptivePipeline
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.pipeline.build import build_processor

PATIENCE_S = 20.0
WHOLE = replace(PipelineConfig(), {'runtime.backend': 'mock'})
FRAME = stored_frame()


def with_scales(*scales, **values):
    given = {name.replace('__', '.'): value for name, value in values.items()}
    return replace(WHOLE, {'model.scales': scales, **given})


class Site:
    """An adaptive pipeline whose next operating points are built when the test allows it.

    refuse: by the config, an error instead of a processor, or None. labels: the label set of the
    processors that are built.
    """

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.refuse = lambda config: None
        self.labels = ''
        self.built = []
        self.pipeline = AdaptivePipeline(WHOLE, self.build, clock_ns=lambda: 0)
        self.first = self.built[0]
        self.gate.clear()
        assert self.begun.acquire(timeout=PATIENCE_S)

    def build(self, config):
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)
        error = self.refuse(config)
        if error is not None:
            raise error
        self.built.append(build_processor(replace(config, {'model.labels': self.labels})))
        return self.built[-1]

    def configure(self, config):
        self.pipeline.configure(config)

    def wait_begun(self):
        assert self.begun.acquire(timeout=PATIENCE_S)

    def wait(self):
        """Wait until nothing is being built any more, and what is left is closed."""
        deadline = time.monotonic() + PATIENCE_S
        while self.pipeline.building:
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def wait_closed(self, processor):
        deadline = time.monotonic() + PATIENCE_S
        while not is_closed(processor):
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def scales(self):
        """Run one frame and return the scales that it ran with."""
        with self.pipeline.frame() as processor:
            processor(FRAME)
            return processor.config.model.scales


@pytest.fixture
def site():
    site = Site()
    yield site
    site.gate.set()
    site.pipeline.close(PATIENCE_S)


def is_closed(processor):
    try:
        processor.backend(torch.zeros((1, 3, 8, 8)))
    except InferenceError:
        return True
    return False


def test_what_runs_goes_on_until_the_next_one_is_ready(site):
    site.configure(with_scales(2))
    site.wait_begun()
    assert site.pipeline.building == ('2',)
    for _ in range(3):
        assert site.scales() == (1, 2, 3, 4)
    site.gate.set()
    site.wait()
    assert site.scales() == (2,)
    assert site.pipeline.state().operating_points == ('2',)
    site.wait_closed(site.first)


def test_the_frame_in_progress_keeps_its_processor_to_its_end(site):
    site.gate.set()
    with site.pipeline.frame() as processor:
        site.configure(with_scales(2))
        site.wait()
        assert site.pipeline.state().operating_points == ('2',)
        assert not is_closed(processor)
        processor(FRAME)
    assert is_closed(processor)
    assert site.scales() == (2,)


def test_a_frame_that_fails_lets_its_processor_go(site):
    site.gate.set()

    def fail():
        with site.pipeline.frame():
            site.configure(with_scales(2))
            site.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert is_closed(site.first)


@pytest.mark.parametrize('error', [ConfigError('no'), RuntimeError('surprise')])
def test_what_cannot_be_built_leaves_what_runs_in_force(site, error, caplog):
    site.gate.set()
    site.refuse = lambda config: error
    assert site.pipeline.take_refused() is None
    site.configure(with_scales(2))
    site.wait()
    assert str(error) in site.pipeline.problem
    assert site.scales() == (1, 2, 3, 4)
    assert site.pipeline.take_refused() == WHOLE
    assert site.pipeline.take_refused() is None  # told once
    assert ('unexpected' in caplog.text) is isinstance(error, RuntimeError)
    built = len(site.built)
    site.configure(WHOLE)  # taking it back builds nothing
    site.refuse = lambda config: None
    site.configure(with_scales(2))  # it may be tried again
    site.wait()
    assert len(site.built) == built + 1
    assert site.pipeline.problem == ''
    assert site.scales() == (2,)


def test_of_several_changes_the_newest_wins(site):
    for scales in ((1,), (3,), (2,)):
        site.configure(with_scales(*scales))
        if scales == (1,):
            site.wait_begun()
    site.gate.set()
    site.wait()
    assert site.scales() == (2,)
    assert [built.config.model.scales for built in site.built[1:]] == [(1,), (2,)]
    site.wait_closed(site.built[1])
    assert not is_closed(site.built[2])


def test_a_change_that_is_taken_back_in_time_changes_nothing(site):
    site.configure(with_scales(2))
    site.wait_begun()
    site.configure(WHOLE)
    assert site.pipeline.building == ()
    site.gate.set()
    assert site.scales() == (1, 2, 3, 4)
    assert not is_closed(site.first)
    deadline = time.monotonic() + PATIENCE_S
    while len(site.built) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    site.wait_closed(site.built[1])
    assert site.pipeline.problem == ''
    assert site.scales() == (1, 2, 3, 4)


def test_a_failure_that_nobody_waits_for_is_not_told(site):
    site.refuse = lambda config: ConfigError('no') if config.model.scales == (2,) else None
    site.configure(with_scales(2))
    site.wait_begun()
    site.configure(with_scales(3))
    site.gate.set()
    site.wait()
    assert site.pipeline.problem == ''
    assert site.pipeline.take_refused() is None
    assert site.scales() == (3,)


def test_other_settings_count_at_once_and_also_for_what_is_being_built(site):
    site.configure(with_scales(2))
    site.wait_begun()
    site.configure(with_scales(2, drivable__min_confidence=0.9))
    with site.pipeline.frame() as processor:
        assert processor.config.drivable.min_confidence == 0.9
        assert processor.config.model.scales == (1, 2, 3, 4)
    site.gate.set()
    site.wait()
    assert len(site.built) == 2
    with site.pipeline.frame() as processor:
        assert processor.config.drivable.min_confidence == 0.9
        assert processor.config.model.scales == (2,)


def test_masks_never_change_their_meaning(site):
    site.gate.set()
    site.labels = 'cityscapes'
    site.configure(with_scales(2))
    site.wait()
    assert 'label set would change from camvid to cityscapes' in site.pipeline.problem
    assert site.scales() == (1, 2, 3, 4)
    assert is_closed(site.built[1])


def test_what_is_built_when_all_is_closed_is_closed_too(site):
    site.configure(with_scales(2))
    site.wait_begun()
    closing = threading.Thread(target=site.pipeline.close, args=(PATIENCE_S,))
    closing.start()
    closing.join(0.1)
    site.gate.set()
    closing.join(PATIENCE_S)
    assert is_closed(site.first)
    assert is_closed(site.built[1])
    assert site.pipeline.problem == ''


def test_closed_under_a_frame_it_frees_the_device_when_that_is_done(site):
    with site.pipeline.frame() as processor:
        site.pipeline.close(PATIENCE_S)
        assert not is_closed(processor)
    assert is_closed(processor)


def test_adapting_may_begin_and_end_while_frames_run(site):
    site.gate.set()
    operating_points = ('1,2@64x96', '2@32x48')
    site.configure(
        replace(WHOLE, {'latency.adapt': True, 'latency.operating_points': operating_points})
    )
    site.wait()
    assert site.pipeline.state().operating_points == operating_points
    site.configure(WHOLE)
    site.wait()
    assert site.pipeline.state().operating_points == ('1,2,3,4',)
