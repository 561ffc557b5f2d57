# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Changing over between two frames: what runs goes on until the next one is ready, or for good."""

from __future__ import annotations

import threading

import pytest

from mfaranet_ros.adaptive.prepared_points import PreparedPoints, prepare_points
from mfaranet_ros.adaptive.swapper import PipelineSwapper
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError

PATIENCE_S = 20.0
WHOLE = replace(PipelineConfig(), {'runtime.backend': 'mock'})
FRAME = stored_frame()


def with_scales(*scales, **values):
    given = {name.replace('__', '.'): value for name, value in values.items()}
    return replace(WHOLE, {'model.scales': scales, **given})


class Site:
    """A changeover whose next operating points are built when the test allows it.

    refuse: by the config, an error instead of an operating points, or None.
    """

    def __init__(self):
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.asked: list[PipelineConfig] = []
        self.refuse = lambda config: None
        self.built: list[PreparedPoints] = []
        self.told: list[PreparedPoints | Exception] = []
        self.heard = threading.Semaphore(0)
        self.first = prepare_points(WHOLE)
        self.changeover = PipelineSwapper(
            self.first,
            WHOLE,
            self.build,
            begun=self.asked.append,
            done=self.tell,
            failed=self.tell,
        )

    def build(self, config):
        self.begun.release()
        assert self.gate.wait(PATIENCE_S)
        error = self.refuse(config)
        if error is not None:
            raise error
        self.built.append(prepare_points(config, clock_ns=lambda: 0))
        return self.built[-1]

    def tell(self, what):
        self.told.append(what)
        self.heard.release()

    def wait(self):
        """Wait until the builder has told what came of it, and return that."""
        assert self.heard.acquire(timeout=PATIENCE_S)
        return self.told[-1]

    def wait_begun(self):
        assert self.begun.acquire(timeout=PATIENCE_S)

    def scales(self):
        """Run one frame and return the scales that it ran with."""
        with self.changeover.frame() as operating_points:
            operating_points.pipeline(FRAME)
            return operating_points.pipeline.config.model.scales


@pytest.fixture
def site():
    site = Site()
    yield site
    site.gate.set()
    site.changeover.close(PATIENCE_S)


def is_closed(operating_points):
    return operating_points.pipeline.backend._closed


def test_what_runs_goes_on_until_the_next_one_is_ready(site):
    site.changeover.configure(with_scales(2))
    site.wait_begun()
    assert site.changeover.building
    assert site.asked == [with_scales(2)]
    for _ in range(3):
        assert site.scales() == (1, 2, 3, 4)
    site.gate.set()
    assert site.wait() is site.built[0]
    assert site.scales() == (2,)
    assert not site.changeover.building
    assert site.changeover.config.model.scales == (2,)
    assert is_closed(site.first)


def test_the_frame_in_hand_keeps_its_operating_points_to_its_end(site):
    site.gate.set()
    with site.changeover.frame() as operating_points:
        site.changeover.configure(with_scales(2))
        site.wait()
        assert site.changeover.operating_points is not operating_points
        assert not is_closed(operating_points)
        operating_points.pipeline(FRAME)
    assert is_closed(operating_points)
    assert site.scales() == (2,)


def test_a_frame_that_fails_lets_its_operating_points_go(site):
    site.gate.set()

    def fail():
        with site.changeover.frame():
            site.changeover.configure(with_scales(2))
            site.wait()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert is_closed(site.first)


@pytest.mark.parametrize('error', [ConfigError('no'), RuntimeError('surprise')])
def test_what_cannot_be_built_leaves_what_runs_in_force(site, error, caplog):
    site.gate.set()
    site.refuse = lambda config: error
    site.changeover.configure(with_scales(2))
    assert site.wait() is error
    assert site.scales() == (1, 2, 3, 4)
    assert not site.changeover.building
    assert site.changeover.config == WHOLE
    assert ('unexpected' in caplog.text) is isinstance(error, RuntimeError)
    site.changeover.configure(WHOLE)  # taking it back builds nothing
    site.refuse = lambda config: None
    site.changeover.configure(with_scales(2))  # it may be tried again
    site.wait()
    assert site.asked == [with_scales(2)] * 2
    assert site.scales() == (2,)


def test_of_several_changes_the_newest_wins(site):
    for scales in ((1,), (3,), (2,)):
        site.changeover.configure(with_scales(*scales))
        if scales == (1,):
            site.wait_begun()
    site.gate.set()
    assert site.wait() is site.built[-1]
    assert site.scales() == (2,)
    assert [operating_points.pipeline.config.model.scales for operating_points in site.built] == [
        (1,),
        (2,),
    ]
    assert is_closed(site.built[0])
    assert site.told == [site.built[-1]]


def test_a_change_that_is_taken_back_in_time_changes_nothing(site):
    site.changeover.configure(with_scales(2))
    site.wait_begun()
    site.changeover.configure(WHOLE)
    site.gate.set()
    assert site.wait() is site.first
    assert site.scales() == (1, 2, 3, 4)
    assert not is_closed(site.first)
    assert is_closed(site.built[0])


def test_a_failure_that_nobody_waits_for_is_not_told(site):
    site.refuse = lambda config: ConfigError('no') if config.model.scales == (2,) else None
    site.changeover.configure(with_scales(2))
    site.wait_begun()
    site.changeover.configure(with_scales(3))
    site.gate.set()
    assert site.wait() is site.built[0]
    assert site.told == [site.built[0]]
    assert site.scales() == (3,)


def test_other_settings_count_at_once_and_also_for_what_is_being_built(site):
    site.changeover.configure(with_scales(2))
    site.wait_begun()
    site.changeover.configure(with_scales(2, drivable__min_confidence=0.9))
    assert len(site.asked) == 1
    assert site.first.pipeline.config.drivable.min_confidence == 0.9
    assert site.first.pipeline.config.model.scales == (1, 2, 3, 4)
    site.gate.set()
    site.wait()
    config = site.changeover.operating_points.pipeline.config
    assert (config.drivable.min_confidence, config.model.scales) == (0.9, (2,))


def test_masks_never_change_their_meaning(site):
    site.gate.set()
    site.build = site.changeover._build = lambda config: prepare_points(
        replace(config, {'model.labels': 'cityscapes'})
    )
    site.changeover.configure(with_scales(2))
    assert 'label set would change from camvid to cityscapes' in str(site.wait())
    assert site.scales() == (1, 2, 3, 4)


def test_what_is_built_when_all_is_closed_is_closed_too(site):
    site.changeover.configure(with_scales(2))
    site.wait_begun()
    closing = threading.Thread(target=site.changeover.close, args=(PATIENCE_S,))
    closing.start()
    while not site.changeover._closed:
        closing.join(0.01)
    site.gate.set()
    closing.join(PATIENCE_S)
    assert is_closed(site.first)
    assert is_closed(site.built[0])
    assert site.told == []


def test_closed_under_a_frame_it_frees_the_device_when_that_is_done(site):
    with site.changeover.frame() as operating_points:
        site.changeover.close(PATIENCE_S)
        assert not is_closed(operating_points)
    assert is_closed(operating_points)


def test_adapting_may_begin_and_end_while_frames_run(site):
    site.gate.set()
    operating_points = ('1,2@64x96', '2@32x48')
    site.changeover.configure(
        replace(WHOLE, {'latency.adapt': True, 'latency.operating_points': operating_points})
    )
    site.wait()
    assert site.changeover.operating_points.state().operating_points == operating_points
    site.changeover.configure(WHOLE)
    site.wait()
    assert site.changeover.operating_points.state().operating_points == ('1,2,3,4',)
