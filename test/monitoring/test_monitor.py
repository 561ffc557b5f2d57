# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The monitor's arithmetic and the statuses it becomes, on a clock that the test turns."""

import dataclasses

import numpy as np
import pytest

from mfaranet_ros.core.config import DiagnosticsConfig, LatencyConfig
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.monitoring.health import look_at
from mfaranet_ros.monitoring.monitor import (
    NOBODY,
    Condition,
    Level,
    Monitor,
    ProcessedFrame,
    PublishedTopic,
)
from mfaranet_ros.monitoring.status import (
    OfferedTopic,
    OperatingPointsState,
    Status,
    statuses,
)

MS = 10**6
LATENCY = LatencyConfig(budget_ms=50.0, max_consecutive_delay_ms=300.0)
DIAGNOSTICS = DiagnosticsConfig(window=20, expected_rate_hz=10.0, frozen_frames=3)
START_NS = 1_000_000 * MS


class Drive:
    """An active node's monitor and the clock around it."""

    def __init__(self) -> None:
        self.monitor = Monitor(LATENCY, DIAGNOSTICS, 'use fastdds.xml')
        self.now_ns = START_NS
        self.topics: tuple[str, ...] = ()
        self.offered: tuple[OfferedTopic, ...] = ()
        self.operating_points: OperatingPointsState | None = None
        self.monitor.set_state('active', self.now_ns)

    def frame(self, *, processing_ms: float = 20.0, every_ms: int = 100, stamp_ns=None) -> None:
        """Let one frame come, be processed and be published."""
        self.now_ns += every_ms * MS
        stamp_ns = self.now_ns if stamp_ns is None else stamp_ns
        self.monitor.frame_received(stamp_ns, self.now_ns)
        done_ns = self.now_ns + int(processing_ms * MS)
        topics = tuple(PublishedTopic(topic, 'publish_mask', 1.0) for topic in self.topics)
        frame = ProcessedFrame(stamp_ns, Timings(decode_ms=1.0), processing_ms, 2.0, topics)
        self.monitor.frame_processed(frame, done_ns, done_ns)

    def status(self, name: str) -> Status:
        found = statuses(
            self.monitor.snapshot(self.now_ns),
            LATENCY,
            DIAGNOSTICS,
            (('name', 'toy'),),
            self.operating_points,
            self.offered,
        )
        return next(status for status in found if status.name == name)

    def values(self, name: str) -> dict[str, str]:
        return dict(self.status(name).values)


@pytest.fixture
def drive() -> Drive:
    return Drive()


def test_before_the_first_frame_figures_read_not_available_and_never_zero(drive):
    values = drive.values('latency')
    assert values['processing_time_ms'] == 'n/a'
    assert values['is_processing_time_ms_in_expected_range'] == 'n/a'
    assert values['inference_ms_p95'] == 'n/a'
    assert drive.values('output')['frame_rate_node'] == 'n/a'


def test_every_received_frame_is_processed_dropped_or_pending(drive):
    for _ in range(4):
        drive.frame()
    drive.monitor.frame_received(drive.now_ns, drive.now_ns)
    for reason in ('replaced', 'stale', 'decode_encoding'):
        drive.monitor.frame_received(drive.now_ns, drive.now_ns)
        drive.monitor.frame_dropped(reason, drive.now_ns)
    snapshot = drive.monitor.snapshot(drive.now_ns)
    assert (snapshot.received, snapshot.processed, snapshot.pending) == (8, 4, 1)
    assert snapshot.dropped == {'replaced': 1, 'stale': 1, 'decode_encoding': 1}
    values = drive.values('input')
    assert values['frames_pending'] == '1'
    assert values['dropped_replaced'] == '1'
    assert values['dropped_decode_encoding'] == '1'
    assert drive.values('output')['total_dropped_frames'] == '3'


def test_percentiles_are_those_of_the_window(drive):
    times = [float(t) for t in range(1, 31)]
    for processing_ms in times:
        drive.frame(processing_ms=processing_ms)
    window = times[-DIAGNOSTICS.window :]
    values = drive.values('latency')
    assert values['processing_time_ms_p50'] == f'{np.percentile(window, 50):.3f}'
    assert values['processing_time_ms_p99'] == f'{np.percentile(window, 99):.3f}'
    assert values['processing_time_ms_max'] == '30.000'
    assert values['capture_to_publish_ms_max'] == '30.000'


def test_one_slow_frame_warns_and_slow_frames_without_end_are_an_error(drive):
    drive.frame(processing_ms=20.0)
    assert drive.status('latency').level is Level.OK
    drive.frame(processing_ms=80.0)
    assert drive.status('latency').level is Level.WARN
    for _ in range(4):
        drive.frame(processing_ms=80.0)
    status = drive.status('latency')
    assert status.level is Level.ERROR
    assert dict(status.values)['is_consecutive_processing_delay_in_range'] == 'False'
    drive.frame(processing_ms=20.0)
    assert drive.status('latency').level is Level.OK
    assert drive.values('latency')['consecutive_processing_delay_ms'] == '0.000'


def test_a_dead_camera_is_an_error_although_nothing_happens(drive):
    drive.frame()
    assert drive.status('input').level is Level.OK
    drive.now_ns += 5000 * MS
    status = drive.status('input')
    assert status.level is Level.ERROR
    assert 'no image for 5.0 s since the last one' in status.message


def test_no_image_at_all_is_an_error_once_the_time_is_out(drive):
    assert drive.status('input').level is Level.OK
    drive.now_ns += 1500 * MS
    assert drive.status('input').level is Level.ERROR
    assert drive.status('output').level is Level.ERROR


def test_an_inactive_node_reports_its_state_and_no_faults(drive):
    drive.monitor.set_state('inactive', drive.now_ns)
    drive.now_ns += 60_000 * MS
    for name in ('latency', 'input', 'output', 'model'):
        assert drive.status(name).level is Level.OK
        assert drive.status(name).message == 'inactive'


def test_activation_starts_counting_from_zero(drive):
    drive.frame()
    drive.monitor.set_state('inactive', drive.now_ns)
    drive.monitor.set_state('active', drive.now_ns)
    assert drive.monitor.snapshot(drive.now_ns).received == 0


def test_rates_are_those_of_the_clocks(drive):
    for _ in range(12):
        drive.frame(every_ms=100)
    values = drive.values('output')
    assert float(values['frame_rate_node']) == pytest.approx(10.0, rel=0.01)
    assert float(values['frame_rate_msg']) == pytest.approx(10.0, rel=0.01)
    assert drive.status('output').level is Level.OK


def test_a_rate_below_the_expected_one_warns_and_falls_when_nothing_comes(drive):
    for _ in range(12):
        drive.frame(every_ms=200)
    status = drive.status('output')
    assert (status.level, '10 expected' in status.message) == (Level.WARN, True)
    before = float(drive.values('output')['frame_rate_node'])
    drive.now_ns += 3000 * MS
    assert float(drive.values('output')['frame_rate_node']) < before * 0.7


def test_stamps_that_jump_back_warn(drive):
    drive.frame()
    drive.frame(stamp_ns=START_NS - 5000 * MS)
    status = drive.status('input')
    assert status.level is Level.WARN
    assert 'went back in time' in status.message
    assert dict(status.values)['stamp_jumped_back'] == '1'


def test_stamps_in_the_future_warn_that_ages_are_unknown(drive):
    drive.frame(stamp_ns=drive.now_ns + 3100 * MS)
    status = drive.status('input')
    assert status.level is Level.WARN
    assert 'in the future' in status.message
    assert dict(status.values)['stamp_in_future'] == '1'


def test_a_driver_that_does_not_stamp_is_named(drive):
    drive.frame(stamp_ns=0)
    status = drive.status('input')
    assert status.level is Level.ERROR
    assert 'header.stamp' in status.message
    assert dict(status.values)['stamp_zero'] == '1'


def test_a_clock_that_jumps_back_does_not_spoil_the_rates(drive):
    for _ in range(5):
        drive.frame(every_ms=100)
    drive.now_ns = START_NS - 100_000 * MS
    for _ in range(5):
        drive.frame(every_ms=100)
    assert float(drive.values('output')['frame_rate_node']) == pytest.approx(10.0, rel=0.01)


def test_a_clock_set_back_is_counted_and_no_fault(drive):
    for _ in range(5):
        drive.frame(every_ms=100)
    drive.monitor.frames_lost(1, drive.now_ns)
    drive.now_ns = START_NS - 100_000 * MS
    drive.monitor.clock_jumped(drive.now_ns, True)
    snapshot = drive.monitor.snapshot(drive.now_ns + 100 * MS)
    assert (snapshot.input_age_ms, snapshot.output_age_ms) == (100, 100)
    assert (snapshot.active_ms, snapshot.recent) == (100, set())
    assert (snapshot.input_rate_hz, snapshot.capture_to_publish) == (None, None)
    drive.frame(every_ms=100)
    assert {drive.status(name).level for name in ('input', 'output', 'latency')} == {Level.OK}
    values = drive.values('input')
    assert (values['clock_jumped_back'], values['stamp_jumped_back']) == ('1', '0')
    assert (values['frames_processed'], values['frames_lost']) == ('6', '1')


def test_a_frame_of_before_the_jump_has_no_age(drive):
    drive.frame()
    drive.monitor.clock_jumped(drive.now_ns - 9000 * MS, True)
    drive.now_ns -= 9000 * MS
    drive.frame(stamp_ns=drive.now_ns + 9000 * MS)
    assert drive.monitor.snapshot(drive.now_ns).capture_to_publish is None


def test_the_first_word_of_the_clock_is_no_silence():
    monitor = Monitor(LatencyConfig(), DiagnosticsConfig())
    monitor.set_state('active', 0)
    monitor.clock_jumped(START_NS, False)
    snapshot = monitor.snapshot(START_NS + 10 * MS)
    assert (snapshot.active_ms, snapshot.warned['clock_jumped_back']) == (10, 0)


def test_nobody_listening_is_no_fault(drive):
    drive.now_ns += 2000 * MS
    drive.monitor.frame_received(drive.now_ns, drive.now_ns)
    drive.monitor.frame_dropped(NOBODY, drive.now_ns)
    assert drive.status('output').level is Level.OK
    assert 'no output has a subscriber' in drive.status('output').message


def test_refused_images_are_an_error_while_none_gets_through(drive):
    drive.now_ns += 10 * MS
    drive.monitor.frame_received(drive.now_ns, drive.now_ns)
    drive.monitor.frame_dropped('decode_encoding', drive.now_ns, "encoding 'yuv9' is not known")
    status = drive.status('input')
    assert status.level is Level.ERROR
    assert "encoding 'yuv9' is not known" in status.message
    drive.frame()
    assert drive.status('input').level is Level.WARN


def test_stale_frames_without_end_ask_for_the_clock(drive):
    drive.now_ns += 10 * MS
    drive.monitor.frame_received(drive.now_ns - 9000 * MS, drive.now_ns)
    drive.monitor.frame_dropped('stale', drive.now_ns)
    assert 'use_sim_time' in drive.status('input').message
    assert drive.status('input').level is Level.ERROR


def test_lost_frames_name_what_helps(drive):
    drive.frame()
    drive.monitor.frames_lost(7, drive.now_ns)
    assert drive.status('input').level is Level.WARN
    assert 'fastdds.xml' in drive.status('input').message
    assert drive.values('input')['frames_lost'] == '7'


def test_a_single_event_is_forgiven_but_its_count_stays(drive):
    drive.frame()
    drive.monitor.frames_lost(1, drive.now_ns)
    assert drive.status('input').level is Level.WARN
    for _ in range(120):
        drive.frame()
    assert drive.status('input').level is Level.OK
    assert drive.values('input')['frames_lost'] == '1'


def test_a_condition_holds_until_it_is_lifted(drive):
    drive.frame()
    drive.monitor.set_condition('input', 'calibration', Condition(Level.WARN, 'no CameraInfo'))
    assert drive.status('input').message == 'no CameraInfo'
    drive.monitor.set_condition('input', 'calibration', None)
    assert drive.status('input').level is Level.OK


def image(value: int, *, living: bool = False) -> Frame:
    pixels = np.full((70, 90, 3), value, np.uint8)
    if living:
        pixels += np.random.default_rng(value).integers(0, 3, pixels.shape, np.uint8)
    return Frame(pixels, 'bgr8', 0, 'camera')


@pytest.mark.parametrize(
    ('images', 'level', 'words'),
    [
        ([image(100, living=True), image(101, living=True)], Level.OK, 'ok'),
        ([image(100)] * 3, Level.ERROR, 'camera frozen: 3 identical frames'),
        ([image(1, living=True)], Level.WARN, 'black frames'),
        ([image(252, living=True)], Level.WARN, 'saturated frames'),
    ],
)
def test_bad_images_are_noticed(drive, images, level, words):
    drive.frame()
    for frame in images:
        drive.monitor.frame_seen(look_at(frame))
    assert drive.status('input').level is level
    assert words in drive.status('input').message


def test_a_new_budget_counts_from_the_next_frame(drive):
    drive.monitor.configure(dataclasses.replace(LATENCY, budget_ms=10.0))
    drive.frame(processing_ms=20.0)
    assert drive.monitor.snapshot(drive.now_ns).consecutive_delay_ms > 0


def operating_points(number: int, *, adapt: bool = True) -> OperatingPointsState:
    return OperatingPointsState(
        ('1,2', '2', '2@64x96'), (30.0, 20.5, 10.0), number, adapt, changes=4
    )


def test_the_operating_point_in_force_and_all_measured_ones_are_told(drive):
    assert drive.values('latency')['operating_point'] == 'n/a'
    drive.operating_points = operating_points(1)
    drive.frame()
    values = drive.values('latency')
    assert values['operating_point'] == '2'
    assert values['operating_points_ms'] == '1,2 30.000; 2 20.500; 2@64x96 10.000'
    assert values['operating_point_changes'] == '4'
    drive.operating_points = OperatingPointsState(('1,2',), (None,), 0, adapt=False, changes=0)
    assert drive.values('latency')['operating_points_ms'] == '1,2 n/a'


def test_a_operating_point_below_the_first_is_no_fault_but_is_said(drive):
    drive.frame()
    drive.operating_points = operating_points(0)
    assert drive.status('latency').message == 'ok'
    drive.operating_points = operating_points(1)
    status = drive.status('latency')
    assert (status.level, status.message) == (
        Level.OK,
        'operating point 2 of 3 keeps the budget: 2',
    )


@pytest.mark.parametrize(
    ('state', 'advice'),
    [
        (None, 'keep fewer scales'),
        (operating_points(0, adapt=False), 'keep fewer scales'),
        (operating_points(1), 'a cheaper operating point is due'),
        (operating_points(2), 'add a cheaper operating point to latency.operating_points'),
    ],
)
def test_what_helps_against_slow_frames_depends_on_the_operating_points(drive, state, advice):
    drive.operating_points = state
    for _ in range(5):
        drive.frame(processing_ms=80.0)
    status = drive.status('latency')
    assert status.level is Level.ERROR
    assert advice in status.message


# -- what must not linger ------------------------------------------------------------------------


@pytest.mark.parametrize('silence_ms', [5_000, 60_000, 3_600_000])
@pytest.mark.parametrize('before', [1, 2, 40])
def test_an_outage_or_a_clock_that_jumps_ahead_does_not_spoil_the_rate(drive, before, silence_ms):
    for _ in range(before):
        drive.frame(every_ms=100)
    drive.frame(every_ms=silence_ms)
    for _ in range(3):
        drive.frame(every_ms=100)
    snapshot = drive.monitor.snapshot(drive.now_ns)
    for rate_hz in (snapshot.input_rate_hz, snapshot.output_rate_hz, snapshot.output_rate_msg_hz):
        assert rate_hz == pytest.approx(10.0, rel=0.05)
    assert drive.status('output').level is Level.OK
    assert drive.status('input').level is Level.OK


def test_the_rate_falls_during_an_outage(drive):
    for _ in range(20):
        drive.frame(every_ms=100)
    drive.now_ns += 10_000 * MS
    assert drive.monitor.snapshot(drive.now_ns).input_rate_hz < 2.0
    assert drive.status('output').level is Level.WARN


def test_the_first_frame_after_an_outage_is_no_silence(drive):
    for _ in range(20):
        drive.frame(every_ms=100)
    drive.frame(every_ms=30_000)
    assert drive.values('output')['frame_rate_node'] == 'n/a'
    assert drive.status('output').level is Level.OK


def test_a_slow_camera_has_a_rate(drive):
    for _ in range(5):
        drive.frame(every_ms=20_000)
    assert drive.monitor.snapshot(drive.now_ns).input_rate_hz == pytest.approx(0.05, rel=0.01)


def test_conditions_of_the_input_end_when_the_node_listens_no_more(drive):
    for name in ('publishers', 'misfits', 'calibration'):
        drive.monitor.set_condition('input', name, Condition(Level.ERROR, 'nobody'))
    drive.monitor.set_condition('model', 'inference', Condition(Level.ERROR, 'broken'))
    drive.monitor.set_state('inactive', drive.now_ns)
    assert drive.status('input') == dataclasses.replace(
        drive.status('input'), level=Level.OK, message='inactive'
    )
    assert drive.status('model').level is Level.ERROR
    drive.monitor.set_state('active', drive.now_ns)
    assert drive.status('input').level is Level.OK


def test_each_output_topic_has_a_status_of_its_own(drive):
    drive.topics = ('/front/segmentation/mask',)
    drive.offered = (
        OfferedTopic('/front/segmentation/mask', True),
        OfferedTopic('/front/segmentation/overlay', False),
        OfferedTopic('/front/segmentation/drivable/grid', True),
    )
    for _ in range(20):
        drive.frame(every_ms=100)
    mask = drive.status('/front/segmentation/mask')
    assert (mask.level, mask.message) == (Level.OK, 'ok')
    values = dict(mask.values)
    assert float(values['frame_rate_node']) == pytest.approx(10.0, rel=0.01)
    assert float(values['frame_rate_msg']) == pytest.approx(10.0, rel=0.01)
    assert float(values['current_delay_from_realtime_ms']) == pytest.approx(20.0)
    assert (float(values['expected_frequency']), float(values['tolerance'])) == (10.0, 30.0)
    overlay = drive.status('/front/segmentation/overlay')
    assert (overlay.level, overlay.message) == (Level.OK, 'no subscriber')
    assert dict(overlay.values)['frame_rate_node'] == 'n/a'
    grid = drive.status('/front/segmentation/drivable/grid')
    assert grid.level is Level.WARN
    assert 'nothing published for 2.0 s' in grid.message


def test_a_topic_whose_messages_are_rare_or_end_warns(drive):
    drive.topics = ('/mask',)
    drive.offered = (OfferedTopic('/mask', True),)
    for _ in range(20):
        drive.frame(every_ms=200)
    assert drive.status('/mask').message == '5.0 messages a second, 10 expected'
    drive.now_ns += 3000 * MS
    assert drive.status('/mask').message.startswith('nothing published for 3.0 s')
    drive.monitor.set_state('inactive', drive.now_ns)
    assert drive.status('/mask') == dataclasses.replace(
        drive.status('/mask'), level=Level.OK, message='inactive'
    )
