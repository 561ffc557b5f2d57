# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A steady rate: no drift, no bunching, and a count of what was missed."""

from __future__ import annotations

import numpy as np
import pytest

from mfaranet_ros.data.playback_clock import Pace

MS = 1_000_000


def served(pace, moments_ms):
    return [pace.tick(int(moment * MS)) for moment in moments_ms]


@pytest.mark.parametrize('rate_hz', [0.5, 7.0, 10.0, 29.97, 1000.0])
def test_jitter_neither_misses_nor_doubles_a_slot(rate_hz):
    pace, period_ms = Pace(rate_hz), 1000.0 / rate_hz
    jitter = np.random.default_rng(0).uniform(-0.4, 0.4, 1000)
    jitter[0] = 0.0
    moments = 5000.0 + (np.arange(1000) + jitter) * period_ms
    assert all(served(pace, moments))
    assert pace.missed == 0


def test_late_ticks_do_not_shift_the_ones_after():
    pace = Pace(10.0)
    assert served(pace, [0, 130, 200, 330, 400]) == [True] * 5
    assert pace.missed == 0


def test_missed_slots_are_counted_and_not_made_up_for():
    pace = Pace(10.0)
    assert served(pace, [0, 100, 510, 512, 515, 600]) == [True, True, True, False, False, True]
    assert pace.missed == 3


@pytest.mark.parametrize('back_to_ms', [0, 4_400])
def test_a_clock_set_back_begins_anew(back_to_ms):
    pace = Pace(10.0)
    served(pace, [4_000, 4_100, 4_900])
    missed = pace.missed
    assert served(pace, [back_to_ms, back_to_ms + 10, back_to_ms + 100]) == [True, False, True]
    assert pace.missed == missed
