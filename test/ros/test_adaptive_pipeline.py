# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Scales and operating points that change while frames flow: none is lost, and the diagnostics
tell of it."""

import threading
import time

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import Image

from mfaranet_ros.backends import MockBackend
from mfaranet_ros.backends.mock import MockLoad
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, InferenceError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.pipeline.build import build_processor

WARN = 1
PATIENCE_S = 20.0


class Works:
    """Builds a node's pipelines; those after the first only when the test allows it.

    refuse: by the config, an error instead of a pipeline, or None. delay_s: of a frame and scale.
    """

    def __init__(self, *, delay_s=0.0):
        self.delay_s = delay_s
        self.load = MockLoad()
        self.gate = threading.Event()
        self.gate.set()
        self.refuse = lambda config: None

    def build(self, config):
        assert self.gate.wait(PATIENCE_S)
        error = self.refuse(config)
        if error is not None:
            raise error
        delay_s = self.delay_s * len(config.model.scales)
        backend = MockBackend(11, delay_s=delay_s, load=self.load)
        return build_processor(config, backend=backend)


class Stream:
    """A camera that waits for each mask before it sends the next frame."""

    def __init__(self, vehicle):
        self.vehicle = vehicle
        self.masks = vehicle.listen('/segmentation/mask', Image)
        self.diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
        vehicle.matched()

    def frame(self):
        """Send a frame, wait for its mask and return its stamp in ns."""
        sent_ns, before = self.vehicle.send(), len(self.masks)
        self.vehicle.wait_until(lambda: len(self.masks) > before, 'a mask for each frame')
        stamp = self.masks[-1].header.stamp
        assert stamp.sec * 10**9 + stamp.nanosec == sent_ns
        return sent_ns

    def until(self, condition, what, timeout_s=PATIENCE_S):
        """Send frames until a condition holds."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f'waited {timeout_s} s in vain for {what}'
            self.frame()
            time.sleep(0.02)

    def newest(self, status, key):
        """Return a value of the newest diagnostics, None before there are any."""
        found = self.vehicle.status_of(self.diagnostics[-1:], status)
        return found and self.vehicle.values_of(found)[key]


def test_scales_change_while_frames_flow_and_none_is_lost(vehicle):
    works = Works()
    node = vehicle.start(build=works.build)
    stream = Stream(vehicle)
    stream.until(lambda: stream.newest('model', 'scales') == '1,2,3,4', 'the first scales')
    works.gate.clear()
    assert vehicle.set_parameter('model.scales', integer_array_value=[2]).successful
    for _ in range(10):
        stream.frame()
    stream.until(
        lambda: vehicle.status_of(stream.diagnostics[-1:], 'model', '2 is being built'),
        'the diagnostics to say what is being built',
    )
    assert stream.newest('model', 'scales') == '1,2,3,4'
    works.gate.set()
    stream.until(lambda: stream.newest('model', 'scales') == '2', 'the new scales')
    stream.frame()
    assert stream.newest('latency', 'operating_point') == '2'
    assert vehicle.status_of(stream.diagnostics[-1:], 'model').message == 'ok'
    assert list(vehicle.get_parameter('model.scales').integer_array_value) == [2]
    snapshot = node.monitor.snapshot(0)
    assert snapshot.received == snapshot.processed == vehicle.sent == len(stream.masks)
    assert snapshot.dropped == {}


def test_a_camera_that_does_not_wait_loses_no_frame_beyond_those_replaced(vehicle):
    works = Works(delay_s=0.01)
    node = vehicle.start(build=works.build)
    stream = Stream(vehicle)
    stream.frame()
    for number in range(60):
        vehicle.send()
        time.sleep(0.02)
        if number % 15 == 5:
            scales = [1, 2] if number % 30 == 5 else [3]
            assert vehicle.set_parameter('model.scales', integer_array_value=scales).successful
    vehicle.wait_until(lambda: node.monitor.snapshot(0).pending == 0, 'the last frame')
    vehicle.wait_until(lambda: stream.newest('model', 'scales') == '3', 'the last scales')
    snapshot = node.monitor.snapshot(0)
    assert snapshot.received + snapshot.lost == vehicle.sent
    assert set(snapshot.dropped) <= {'replaced'}
    vehicle.wait_until(lambda: len(stream.masks) == snapshot.processed, 'every mask')
    stamps = [(mask.header.stamp.sec, mask.header.stamp.nanosec) for mask in stream.masks]
    assert stamps == sorted(set(stamps))


@pytest.mark.parametrize(
    'error', [ConfigError('no such thing'), InferenceError('out of memory on cuda: free memory')]
)
def test_what_cannot_be_built_changes_nothing_and_the_parameter_says_so(vehicle, error):
    works = Works()
    vehicle.start(build=works.build)
    stream = Stream(vehicle)
    works.refuse = lambda config: error
    assert vehicle.set_parameter('model.scales', integer_array_value=[2]).successful
    stream.until(
        lambda: vehicle.status_of(stream.diagnostics[-1:], 'model', str(error)), 'the reason'
    )
    status = vehicle.status_of(stream.diagnostics, 'model', str(error))
    assert status.level[0] == WARN
    assert vehicle.values_of(status)['scales'] == '1,2,3,4'
    vehicle.wait_until(
        lambda: list(vehicle.get_parameter('model.scales').integer_array_value) == [1, 2, 3, 4],
        'the parameter to be set back',
    )
    works.refuse = lambda config: None
    assert vehicle.set_parameter('model.scales', integer_array_value=[3]).successful
    stream.until(lambda: stream.newest('model', 'scales') == '3', 'a change that can be built')
    assert vehicle.status_of(stream.diagnostics[-1:], 'model').message == 'ok'


def test_scales_may_change_while_nothing_is_configured_or_active(vehicle):
    works = Works()
    node = vehicle.start(build=works.build, autostart=False)
    assert vehicle.set_parameter('model.scales', integer_array_value=[2]).successful
    node.trigger_configure()
    assert node._pipeline.state().operating_point == '2'
    assert vehicle.set_parameter('model.scales', integer_array_value=[3]).successful
    vehicle.wait_until(
        lambda: node._pipeline.state().operating_point == '3', 'the change while inactive'
    )


def test_a_real_network_gives_the_masks_of_the_new_scales(vehicle, weights_file):
    given = {
        'runtime.backend': 'torch',
        'runtime.device': 'cpu',
        'runtime.precision': 'float32',
        'model.weights': str(weights_file),
        'input.height': 64,
        'input.width': 96,
    }
    vehicle.start(parameters=given)
    stream = Stream(vehicle)
    assert vehicle.set_parameter('model.scales', integer_array_value=[2]).successful
    stream.until(lambda: stream.newest('model', 'scales') == '2', 'the new scales', 60.0)
    stamp_ns = stream.frame()
    pixels = np.random.default_rng(vehicle.sent - 1).integers(0, 255, (*vehicle.size, 3), np.uint8)
    pruned = build_processor(replace(PipelineConfig(), {**given, 'model.scales': [2]}))
    expected = pruned(Frame(pixels, 'bgr8', stamp_ns, 'camera')).labels
    assert bytes(stream.masks[-1].data) == expected.tobytes()


# -- the operating points ------------------------------------------------------------------------

OPERATING_POINTS = ['1,2,3,4@64x96', '2@64x96']
ADAPTING = {
    'latency.adapt': True,
    'latency.operating_points': OPERATING_POINTS,
    'latency.budget_ms': 400.0,
    'latency.max_age_ms': 0.0,
}


def test_under_a_slow_down_the_node_steps_down_and_returns(vehicle):
    works = Works(delay_s=0.01)
    node = vehicle.start(build=works.build, parameters=ADAPTING)
    stream = Stream(vehicle)
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == OPERATING_POINTS[0],
        'the first operating point',
    )
    measured = stream.newest('latency', 'operating_points_ms')
    assert all(f'{operating_point} ' in measured for operating_point in OPERATING_POINTS)
    works.load.factor = 15.0
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == OPERATING_POINTS[1],
        'the cheaper operating point',
    )
    status = vehicle.status_of(
        stream.diagnostics, 'latency', 'operating point 2 of 2 keeps the budget'
    )
    assert status is not None
    assert stream.newest('model', 'scales') == '2'
    assert stream.newest('model', 'operating_point') == OPERATING_POINTS[1]
    works.load.factor = 1.0
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == OPERATING_POINTS[0],
        'the return',
        40.0,
    )
    assert int(stream.newest('latency', 'operating_point_changes')) >= 2
    snapshot = node.monitor.snapshot(0)
    assert snapshot.received == snapshot.processed == vehicle.sent
    assert snapshot.dropped == {}


def test_the_node_steps_down_also_where_every_result_comes_too_late(vehicle):
    works = Works(delay_s=0.01)
    late = {'latency.max_age_ms': 400.0, 'latency.budget_ms': 300.0}
    node = vehicle.start(build=works.build, parameters={**ADAPTING, **late})
    stream = Stream(vehicle)
    works.load.factor = 15.0

    def published():
        vehicle.send()
        time.sleep(0.05)
        return stream.masks

    vehicle.wait_until(published, 'a mask of the cheaper operating point')
    assert node._pipeline.state().operating_point == OPERATING_POINTS[1]
    assert node.monitor.snapshot(0).dropped['stale'] >= 3


def test_a_operating_point_without_room_is_left_out_and_the_diagnostics_say_which(vehicle):
    works = Works(delay_s=0.01)
    works.refuse = lambda config: (
        InferenceError('out of memory on cuda: free memory')
        if len(config.model.scales) == 4
        else None
    )
    vehicle.start(build=works.build, parameters=ADAPTING)
    stream = Stream(vehicle)
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == OPERATING_POINTS[1],
        'the operating point that is left',
    )
    status = vehicle.status_of(
        stream.diagnostics,
        'model',
        f"left out of the operating points: operating point '{OPERATING_POINTS[0]}'",
    )
    assert status.level[0] == WARN


def test_adapting_may_begin_and_end_while_the_node_runs(vehicle):
    works = Works(delay_s=0.01)
    vehicle.start(build=works.build, parameters={'latency.operating_points': OPERATING_POINTS})
    stream = Stream(vehicle)
    assert vehicle.set_parameter('latency.adapt', bool_value=True).successful
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == OPERATING_POINTS[0],
        'the operating points',
    )
    refusal = vehicle.set_parameter('model.scales', integer_array_value=[2])
    assert not refusal.successful
    assert 'latency.adapt is true' in refusal.reason
    refusal = vehicle.set_parameter('latency.operating_points', string_array_value=['2', '2'])
    assert 'are the same' in refusal.reason
    reverse = OPERATING_POINTS[::-1]
    assert vehicle.set_parameter('latency.operating_points', string_array_value=reverse).successful
    vehicle.wait_until(
        lambda: vehicle.status_of(stream.diagnostics[-1:], 'model', 'not ordered by cost'),
        'the order to be refused',
    )
    vehicle.wait_until(
        lambda: (
            vehicle.get_parameter('latency.operating_points').string_array_value
            == OPERATING_POINTS
        ),
        'the parameter to be set back',
    )
    assert vehicle.set_parameter('latency.adapt', bool_value=False).successful
    stream.until(
        lambda: stream.newest('latency', 'operating_point') == '1,2,3,4', 'the scales alone'
    )
