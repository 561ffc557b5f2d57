# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The run: rounds of random actions, each followed by a configure cycle and a settled sample."""

import random
import time
from collections import deque

import rclpy
from builtin_interfaces.msg import Time
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rosgraph_msgs.msg import Clock

from soak import actions
from soak.camera import Camera
from soak.node_under_test import NodeUnderTest
from soak.observer import Observer, Violation
from soak.samples import Sample, resources
from soak.simulated_clock import SimulatedClock

CLOCK_PERIOD_NS = 50 * 10**6
SAMPLE_PERIOD_NS = 10 * 10**9
START_NS = 1_700_000_000 * 10**9
ANSWER_S = 60.0
QUIET_S = 2.0
HISTORY = 40
MAX_VIOLATIONS = 200


class NodeEnded(Exception):  # noqa: N818 (it ends the run, it is no error of ours)
    """The node under test is gone."""


class Run:
    """One process around the node: camera, clock, observer and the random actions.

    child: the node's process. sample(Sample), violated(Violation, history): where results go.
    parameters: those the node was started with, which each round restores.
    """

    def __init__(self, child, seed, rate_hz, parameters, sample, violated):
        self._child = child
        self._write_sample = sample
        self._violated = violated
        self.random = random.Random(seed)
        self.parameters = parameters
        self.clock = SimulatedClock(START_NS, time.time_ns())
        self.observer = Observer(self.clock, self.violation)
        self.node = Node('soak')
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._clock_publisher = self.node.create_publisher(Clock, '/clock', 10)
        self.camera = Camera(
            self.node, rate_hz, lambda: self.clock.at(time.time_ns()), self._image_sent
        )
        self.under_test = NodeUnderTest(self.node, self.observer)
        self.history = deque(maxlen=HISTORY)
        self.grid_timeout_ms = parameters['diagnostics.input_timeout_ms']
        self.observer.max_age_set(parameters['latency.max_age_ms'], 0)
        self._started_ns = time.time_ns()
        self._clock_due_ns = self._sample_due_ns = 0
        self.configures = self.actions = self.violations = 0

    # -- time -------------------------------------------------------------------------------

    @property
    def elapsed_s(self):
        """Wall time since the start."""
        return (time.time_ns() - self._started_ns) / 1e9

    def pump(self, seconds):
        """Let everything run for this long."""
        end_ns = time.time_ns() + round(seconds * 1e9)
        while time.time_ns() < end_ns:
            self._step()

    def wait_for(self, condition, what, seconds=ANSWER_S):
        """Let everything run until the condition holds; report what was waited for in vain."""
        end_ns = time.time_ns() + round(seconds * 1e9)
        while not condition():
            if time.time_ns() > end_ns:
                self.violation(Violation('no answer', f'{what} within {seconds:g} s'))
                return False
            self._step()
        return True

    def _step(self):
        now_ns = time.time_ns()
        if now_ns >= self._clock_due_ns:
            self._clock_due_ns = now_ns + CLOCK_PERIOD_NS
            self.show_clock()
        self.camera.tick(now_ns)
        self.observer.watch_grid(self.grid_timeout_ms, now_ns)
        if now_ns >= self._sample_due_ns:
            self._sample_due_ns = now_ns + SAMPLE_PERIOD_NS
            self.sample(settled=False)
        self._executor.spin_once(timeout_sec=0.02)

    def show_clock(self):
        """Publish the simulated time."""
        sec, nanosec = divmod(self.clock.show(time.time_ns()), 10**9)
        self._clock_publisher.publish(Clock(clock=Time(sec=sec, nanosec=nanosec)))

    def _image_sent(self, stamp_ns, code):
        self.show_clock()  # no image is ahead of the node's clock by our delay
        self.observer.image_sent(stamp_ns, code)

    # -- results ----------------------------------------------------------------------------

    def violation(self, violation):
        """Count and pass on a broken promise with the actions that led to it."""
        self.violations += 1
        if self.violations <= MAX_VIOLATIONS:
            self._violated(violation, tuple(self.history))

    def note(self, text):
        """Remember an action for the history."""
        self.history.append(f'{self.elapsed_s:9.2f} s  {text}')

    def sample(self, *, settled):
        """Write what the node uses now."""
        if self._child.exit_code is not None:
            self.violation(Violation('node ended', f'with code {self._child.exit_code}'))
            raise NodeEnded
        others = self.node.count_publishers('/image') - 1
        if others > 0:
            self.violation(Violation('not alone', f'{others} other publishers of /image'))
        under_test, observer = self.under_test, self.observer
        self._write_sample(
            Sample(
                self.elapsed_s, *resources(self._child.pid), self.configures, self.actions,
                observer.sent, under_test.count('frames_received'),
                under_test.count('frames_processed'), sum(observer.arrived.values()),
                self.violations, int(settled),
            )
        )  # fmt: skip

    # -- what a user does -------------------------------------------------------------------

    def call(self, future, what, *, expected=True):
        """Wait for the answer of a service and compare its success."""
        if not self.wait_for(future.done, f'an answer to {what}'):
            return
        answer = future.result()
        success = answer.result.successful if hasattr(answer, 'result') else answer.success
        if success != expected:
            self.violation(Violation('answer', f'{what}: success is {success}: {answer}'))

    def change_state(self, name):
        """Make a lifecycle transition."""
        self.note(name)
        if name == 'activate':
            self.observer.awakened()
        self.call(self.under_test.change_state(name), name)
        if name == 'activate':
            self.observer.counts_from(time.time_ns())
        if name == 'deactivate':
            self.observer.silenced(time.time_ns())
        self.configures += name == 'configure'

    def enable(self, wanted):
        """Switch the node on or off by its service."""
        self.note(f'enable {wanted}')
        if wanted:
            self.observer.awakened()
        self.call(self.under_test.enable(wanted), f'enable {wanted}')
        if wanted:
            self.observer.counts_from(time.time_ns())
        else:
            self.observer.silenced(time.time_ns())

    def set_parameters(self, values, *, expected=True):
        """Set parameters, valid ones unless expected is False."""
        self.note(f'set {values}')
        if expected and 'latency.max_age_ms' in values:
            self.observer.max_age_set(values['latency.max_age_ms'], time.time_ns())
        if expected and 'diagnostics.input_timeout_ms' in values:
            new_ms = values['diagnostics.input_timeout_ms']
            self.grid_timeout_ms = max(new_ms, self.grid_timeout_ms)
        self.call(self.under_test.set_parameters(values), f'set {values}', expected=expected)

    # -- rounds -----------------------------------------------------------------------------

    def start(self):
        """Wait for the node and its first output."""
        self.wait_for(self.under_test.is_there, 'the services of the node', 120.0)
        self.configures += 1
        self._settle()

    def round(self, seconds):
        """Act at random, then go once around the lifecycle and take a settled sample."""
        end_s = self.elapsed_s + seconds
        while self.elapsed_s < end_s:
            action = self.random.choices(list(actions.ACTIONS), actions.WEIGHTS)[0]
            self.actions += 1
            self.note(action.__name__)
            action(self)
            self.pump(self.random.uniform(0.3, 3.0))
        self._heal()
        for name in ('deactivate', 'cleanup', 'configure', 'activate'):
            self.change_state(name)
            self.pump(0.2)
        self._settle()

    def _heal(self):
        self.note('heal')
        self.camera.heal()
        self.clock.set_rate(1.0, time.time_ns())
        for name in self.under_test.subscribed:
            self.under_test.unsubscribe(name)
        self.set_parameters(self.parameters)
        self.grid_timeout_ms = self.parameters['diagnostics.input_timeout_ms']

    def _settle(self):
        """Check that a healthy camera gives outputs again, and that nothing is left in hand."""
        for name in ('mask', 'drivable/grid', 'overlay'):
            self.under_test.subscribe(name)
        for name in ('mask', 'drivable/grid', 'overlay'):
            before = self.observer.arrived[name]
            self.wait_for(
                lambda n=name, b=before: self.observer.arrived[n] > b + 1,
                f'{name} of a healthy camera',
            )
        self.camera.fault = 'stopped'
        self.pump(QUIET_S)
        self.under_test.settled = True
        seen_ns = self.under_test.input_at_ns
        self.wait_for(lambda: self.under_test.input_at_ns != seen_ns, 'diagnostics')
        self.under_test.settled = False
        self.sample(settled=True)
        self.camera.fault = ''

    def close(self):
        """Free the node of this process."""
        self._executor.shutdown()
        self.node.destroy_node()
        rclpy.try_shutdown()
