# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The controller on a simulated clock: a camera, mock backends that turn the clock, a load."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from mfaranet_ros.adaptive.controller import HOLD_S, LONGEST_HOLD_S, Controller
from mfaranet_ros.backends.mock import MockBackend, MockLoad

BUDGET_MS = 100.0
PERIOD_S = 1.0
COSTS_MS = (60.0, 40.0, 25.0, 12.0)
REST_MS = 8.0
IMAGE = torch.zeros((1, 3, 16, 24))


@dataclass(frozen=True)
class Done:
    """A simulated frame: when it was done, what it took, and the operating point it ran on."""

    at_s: float
    processing_ms: float
    operating_point: int


@dataclass
class Drive:
    """A camera, a worker that takes the newest frame, and one mock per operating point.

    noise: of the load, as a standard deviation of its logarithm. hiccups: share of the frames
    that take 150 ms more. truth_ms: what the operating points really take, if it is not what was
    measured.
    """

    rate_hz: float = 10.0
    noise: float = 0.0
    hiccups: float = 0.0
    ground_truth_ms: tuple[float, ...] = COSTS_MS
    now_s: float = 0.0
    done: list[Done] = field(default_factory=list)
    period_s: float = PERIOD_S

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(1)
        self.load = MockLoad(sleep=self.pass_by)
        self.backends = [
            MockBackend(11, delay_s=ms / 1000, load=self.load) for ms in self.ground_truth_ms
        ]
        self.controller = Controller(COSTS_MS)

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds

    def run(self, seconds: float, load: float | Callable[[float], float] = 1.0) -> list[Done]:
        """Drive on under a load (or one that depends on the time) and return the frames."""
        end_s, first = self.now_s + seconds, len(self.done)
        while self.now_s < end_s:
            factor = load(self.now_s) if callable(load) else load
            self.frame(factor * float(np.exp(self.noise * self.random.standard_normal())))
        return self.done[first:]

    def frame(self, factor: float) -> None:
        arrives_s = np.floor(self.now_s * self.rate_hz + 1e-9) / self.rate_hz
        if not self.done or arrives_s <= self.done[-1].at_s - self.done[-1].processing_ms / 1000:
            arrives_s += 1 / self.rate_hz  # the newest one was taken already
        start_s = self.now_s = max(self.now_s, arrives_s)
        operating_point = self.controller.operating_point
        self.load.factor = factor
        if self.random.random() < self.hiccups:
            self.pass_by(0.150)
        self.backends[operating_point](IMAGE)
        operating_point_ms = (self.now_s - start_s) * 1000
        self.pass_by(REST_MS / 1000)
        self.controller.take(
            self.now_s, operating_point_ms, REST_MS, budget_ms=BUDGET_MS, period_s=self.period_s
        )
        self.done.append(Done(self.now_s, (self.now_s - start_s) * 1000, operating_point))

    def changes(self) -> list[Done]:
        """Return the frames that were the first on another operating point."""
        return [
            new
            for old, new in zip(self.done, self.done[1:], strict=False)
            if old.operating_point != new.operating_point
        ]


def over(frames: list[Done]) -> float:
    """Return the share of the frames over the budget."""
    return float(np.mean([frame.processing_ms > BUDGET_MS for frame in frames]))


RATES = [10.0, 30.0, 60.0]


@pytest.mark.parametrize('rate_hz', RATES)
@pytest.mark.parametrize('factor', [1.8, 2.5, 4.0, 7.0])
def test_under_a_slow_down_the_budget_is_met_within_two_seconds_and_left_after_it(rate_hz, factor):
    drive = Drive(rate_hz=rate_hz, noise=0.05, hiccups=0.005)
    before = drive.run(60.0)
    assert {frame.operating_point for frame in before} == {0}
    began_s = drive.now_s
    slow = drive.run(60.0, factor)
    assert slow[0].processing_ms > BUDGET_MS, 'there was a slow-down'
    assert over([frame for frame in slow if frame.at_s - began_s > 2.0]) < 0.05
    lifted_s = drive.now_s
    after = drive.run(60.0)
    returned_s = next(frame.at_s for frame in after if frame.operating_point == 0)
    assert returned_s - lifted_s < 10.0
    assert over(after) < 0.05
    assert len(drive.changes()) <= 4
    assert len(drive.done) > 1000


def test_several_operating_points_are_skipped_in_one_step_where_the_ratios_say_so():
    drive = Drive()
    drive.run(10.0)
    slow = drive.run(10.0, 5.0)
    assert list(dict.fromkeys(frame.operating_point for frame in slow)) == [0, 3]
    drive.run(20.0)
    assert [frame.operating_point for frame in drive.changes()] == [3, 0]


def test_a_slow_down_for_which_no_operating_point_is_cheap_enough_ends_on_the_cheapest():
    drive = Drive()
    slow = drive.run(20.0, 12.0)
    assert slow[-1].operating_point == 3
    assert len(drive.changes()) == 1


@pytest.mark.parametrize('rate_hz', [10.0, 30.0])
@pytest.mark.parametrize('factor', [1.15, 1.25, 1.3, 1.35, 1.4, 1.5, 1.6, 2.3, 3.5])
def test_near_a_border_it_does_not_flap(rate_hz, factor):
    """Loads around those at which an operating point just fits, with noise: thousands of frames,
    few steps."""
    drive = Drive(rate_hz=rate_hz, noise=0.06, hiccups=0.01)
    frames = drive.run(300.0, factor)
    assert len(frames) > 3000
    assert len(drive.changes()) <= 3
    assert over(frames[len(frames) // 10 :]) < 0.05


@pytest.mark.parametrize('period_s', [0.5, 1.0, 5.0])
def test_it_never_changes_faster_than_the_period_whatever_the_load_does(period_s):
    drive = Drive(rate_hz=30.0, noise=0.1, hiccups=0.05, period_s=period_s)
    drive.run(300.0, lambda now_s: 4.0 if now_s % 30.0 < 5.0 else 0.8)
    changes = drive.changes()
    gaps_s = np.diff([frame.at_s - frame.processing_ms / 1000 for frame in changes])
    assert len(drive.done) > 2000
    assert len(changes) > 5
    assert gaps_s.min() >= period_s


def test_a_operating_point_that_costs_more_than_was_measured_is_tried_ever_less_often():
    """The ratio says that the first operating point has room, but it has not: each try is a failed
    climb."""
    drive = Drive(ground_truth_ms=(140.0, *COSTS_MS[1:]))
    drive.run(600.0)
    tries_s = [frame.at_s for frame in drive.changes() if frame.operating_point == 0]
    gaps_s = np.diff(tries_s)
    assert 4 <= len(tries_s) <= 14
    assert (gaps_s[1:4] > 1.5 * gaps_s[:3]).all()
    assert gaps_s[-1] > LONGEST_HOLD_S
    assert over(drive.done) < 0.05


def test_one_slow_frame_changes_nothing():
    drive = Drive(rate_hz=10.0)
    drive.run(5.0)
    drive.run(0.05, 20.0)
    drive.run(5.0)
    assert max(frame.processing_ms for frame in drive.done) > 10 * BUDGET_MS
    assert drive.changes() == []


def test_slow_first_frames_change_nothing_within_the_first_period():
    drive = Drive(rate_hz=10.0)
    drive.run(0.35, 3.0)
    assert over(drive.done) == 1.0
    assert drive.controller.operating_point == 0


def test_room_must_last_before_it_goes_up():
    drive = Drive(rate_hz=20.0)
    drive.run(20.0, 2.5)
    operating_point = drive.controller.operating_point
    assert operating_point > 0
    drive.run(20.0, lambda now_s: 2.5 if now_s % HOLD_S < 0.3 else 1.0)
    assert drive.controller.operating_point == operating_point


def test_a_new_budget_counts_at_once():
    controller = Controller(COSTS_MS)
    for frame in range(40):
        controller.take(frame / 10, 60.0, REST_MS, budget_ms=BUDGET_MS, period_s=PERIOD_S)
    assert controller.operating_point == 0
    assert controller.take(4.1, 60.0, REST_MS, budget_ms=40.0, period_s=PERIOD_S) == 2


def test_a_operating_points_of_one_operating_point_stays_on_it():
    controller = Controller((10.0,))
    for frame in range(40):
        controller.take(frame / 10, 500.0, 0.0, budget_ms=BUDGET_MS, period_s=PERIOD_S)
    assert controller.operating_point == 0


def test_a_simulated_slow_down_is_the_mocks_own():
    passed_s: list[float] = []
    backend = MockBackend(11, delay_s=0.02, load=MockLoad(sleep=passed_s.append))
    backend(IMAGE)
    backend.load.factor = 3.0
    backend(IMAGE)
    assert passed_s == pytest.approx([0.02, 0.06])
