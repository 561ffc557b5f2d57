# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Stamps that are wrong, and clocks that jump, stand still or are not there."""

import numpy as np

from faults.catalogue import covered, fault
from faults.drive import Drive
from mfaranet_ros.backends import MockBackend
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import StaleFrame
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.monitoring.monitor import Level
from mfaranet_ros.pipeline.build import build_processor

MOCK = replace(PipelineConfig(), {'runtime.backend': 'mock'})
S = 10**9


def _frame(stamp_ns):
    return Frame(np.zeros((12, 16, 3), np.uint8), 'rgb8', stamp_ns, 'camera')


def _is_stale(processor, stamp_ns):
    try:
        return processor(_frame(stamp_ns)).stamp_ns != stamp_ns
    except StaleFrame:
        return True


@fault('stamps', 'the driver does not stamp', 'status input: ERROR, the driver must set it')
def stamps_zero(kit):
    drive = Drive()
    drive.frame(stamp_ns=0)
    drive.expect('input', Level.ERROR, 'stamps are zero')


@fault('stamps', 'a stamp before the one before', 'status input: WARN, counted')
def stamps_back(kit):
    drive = Drive()
    drive.frame()
    drive.frame(stamp_ns=drive.now_ns - 5 * S)
    drive.expect('input', Level.WARN, 'went back in time 1 times')


@fault('stamps', 'two images of one stamp', 'both are processed, counted as stamp_repeated')
def stamps_repeated(kit):
    drive = Drive()
    drive.frame(stamp_ns=7)
    drive.frame(stamp_ns=7)
    assert dict(drive.status('input').values)['stamp_repeated'] == '1'


@fault('stamps', 'stamps ahead of the clock', 'status input: WARN, ages are not known')
def stamps_ahead(kit):
    drive = Drive()
    drive.frame(stamp_ns=drive.now_ns + 3 * S)
    drive.expect('input', Level.WARN, 'in the future')


@fault('stamps', 'an image older than latency.max_age_ms', 'dropped before it costs anything')
def stamps_too_old(kit):
    backend = MockBackend(11)
    processor = build_processor(MOCK, backend=backend, now_ns=lambda: 100 * S)
    assert _is_stale(processor, 98 * S)
    assert backend.frames == 0


@fault('stamps', 'an image that grows too old in the network', 'dropped, never published late')
def stamps_grown_old(kit):
    times = iter((100 * S, 102 * S))
    processor = build_processor(MOCK, backend=MockBackend(11), now_ns=lambda: next(times))
    assert _is_stale(processor, 100 * S)


@fault('stamps', 'every image comes too late', 'status input: ERROR, it names the likely reasons')
def stamps_all_stale(kit):
    drive = Drive()
    for _ in range(4):
        drive.drop('stale')
    drive.expect('input', Level.ERROR, 'use_sim_time wrong')


@fault('stamps', 'a stamp of the year 2106', 'processed, the age reads as in the future')
def stamps_far_future(kit):
    processor = build_processor(MOCK, backend=MockBackend(11), now_ns=lambda: 100 * S)
    assert not _is_stale(processor, (2**32 - 1) * S)


@fault('clocks', 'the clock jumps back', 'counted once, no fault; rates begin again')
def clock_back(kit):
    drive = Drive()
    for _ in range(10):
        drive.frame()
    drive.jump(-100)
    for _ in range(10):
        drive.frame()
    drive.expect('input', Level.OK, 'ok')
    assert dict(drive.status('input').values)['clock_jumped_back'] == '1'
    assert 9 < float(dict(drive.status('input').values)['input_rate_hz']) < 11


@fault('clocks', 'the clock jumps ahead', 'the rate is right after two images')
def clock_ahead(kit):
    drive = Drive()
    for _ in range(10):
        drive.frame()
    drive.jump(100)
    for _ in range(10):
        drive.frame()
    assert 9 < float(dict(drive.status('input').values)['input_rate_hz']) < 11


@fault('clocks', 'the clock stands still', 'images are processed, no rate is made up')
def clock_stands(kit):
    drive = Drive()
    for _ in range(3):
        drive.monitor.frame_received(drive.now_ns, drive.now_ns)
    assert drive.monitor.snapshot(drive.now_ns).input_rate_hz is None
    processor = build_processor(MOCK, backend=MockBackend(11), now_ns=lambda: 100 * S)
    assert not _is_stale(processor, 100 * S)


covered(
    'clocks', 'clock_live_jump', 'a replay is restarted while the node runs',
    'ages are those of the simulated clock',
    'test/ros/test_transport_and_time.py::test_ages_are_those_of_the_simulated_clock_also_across_a_jump_back',
)  # fmt: skip
covered(
    'clocks', 'clock_first_word', 'use_sim_time before the first /clock', 'no silence is reported',
    'test/monitoring/test_monitor.py::test_the_first_word_of_the_clock_is_no_silence',
)  # fmt: skip
covered(
    'clocks', 'clock_log_gap', 'a bag was logged at 0 and then in 2023',
    'the gap is skipped and reported',
    'test/ros/test_replay.py::test_a_long_gap_in_the_log_is_cut_and_told',
)  # fmt: skip
