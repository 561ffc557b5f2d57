# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What may happen at random in a run: one function for each kind of use or fault.

Each is called with the Run, does one thing, and leaves it to a later action or to the end of the
round to undo it.
"""

import time

from soak.camera import CALIBRATIONS, FAULTS
from soak.image_code import MAX_ALPHA
from soak.node_under_test import TOPICS

LIVE = {
    'output.overlay_alpha': lambda r: round(r.uniform(0, MAX_ALPHA), 2),
    'output.palette': lambda r: r.choice(['classes', 'roles']),
    'drivable.min_confidence': lambda r: round(r.random(), 2),
    'drivable.boundary_bearings': lambda r: r.randint(3, 400),
    'ground.z': lambda r: round(r.uniform(0.5, 3), 2),
    'ground.pitch': lambda r: round(r.uniform(-0.2, 0.2), 3),
    'ground.yaw': lambda r: round(r.uniform(-0.5, 0.5), 3),
    'latency.budget_ms': lambda r: r.choice([1.0, 50.0, 200.0]),
    'latency.max_age_ms': lambda r: r.choice([200.0, 500.0, 1000.0]),
    'diagnostics.input_timeout_ms': lambda r: r.choice([300.0, 1000.0, 2000.0]),
    'diagnostics.expected_rate_hz': lambda r: r.choice([1.0, 10.0]),
}
"""Parameters that may change while the node runs, and how a value is drawn."""

REFUSED = (
    {'drivable.min_confidence': 1.5},
    {'latency.max_age_ms': -1.0},
    {'output.palette': 'rainbow'},
    {'model.scales': [9]},
    {'runtime.backend': 'mock'},
    {'ground.z': 1.2, 'ground.pitch': 99.0},
    {'drivable.boundary_bearings': 'many'},
)


def change_subscriptions(run):
    """Listen to some output topics and not to others."""
    wanted = [name for name in TOPICS if run.random.random() < 0.4]
    for name in TOPICS:
        (run.under_test.subscribe if name in wanted else run.under_test.unsubscribe)(name)
    run.note(f'subscribed to {wanted}')


def ask_for_too_much(run):
    """Subscribe with a quality of service that is not offered, for a moment."""
    subscription = run.under_test.subscribe_in_vain()
    run.pump(1.5)
    run.node.destroy_subscription(subscription)


def change_parameter(run):
    """Set one to three live parameters."""
    names = run.random.sample(sorted(LIVE), run.random.randint(1, 3))
    run.set_parameters({name: LIVE[name](run.random) for name in names})


def storm_of_parameters(run):
    """Set twenty parameters one after the other."""
    for _ in range(20):
        name = run.random.choice(sorted(LIVE))
        run.set_parameters({name: LIVE[name](run.random)})


def refused_parameter(run):
    """Set something that is not allowed."""
    run.set_parameters(run.random.choice(REFUSED), expected=False)


def switch_off_and_on(run):
    """Disable the node for a moment."""
    run.enable(False)
    run.pump(run.random.uniform(0.0, 4.0))
    run.enable(True)


def deactivate_and_activate(run):
    """Go to inactive and back."""
    run.change_state('deactivate')
    run.pump(run.random.uniform(0.0, 4.0))
    run.change_state('activate')


def camera_fault(run):
    """Give the camera a fault, or end it."""
    run.camera.fault = run.random.choice((*FAULTS, ''))
    run.note(f'camera {run.camera.fault or "healthy"}')


def calibration_fault(run):
    """Change what the camera says of itself."""
    run.camera.calibration = run.random.choice(CALIBRATIONS)
    run.note(f'calibration {run.camera.calibration}')


def healthy_camera(run):
    """End the camera's faults."""
    run.camera.heal()


def restart_camera(run):
    """Let the driver disappear and come back."""
    run.camera.restart()


def burst(run):
    """Send images faster than the node can take them."""
    for _ in range(run.random.randint(2, 12)):
        run.camera.send()


def clock_jump(run):
    """Let the simulated time jump, as a replay that is restarted or skipped through."""
    by_s = run.random.choice([-100.0, -10.0, -0.5, 0.5, 5.0, 60.0])
    run.note(f'clock jumps by {by_s} s')
    run.clock.jump(round(by_s * 1e9), time.time_ns())
    run.show_clock()


def clock_rate(run):
    """Let the simulated time stand still or run at another rate."""
    rate = run.random.choice([0.0, 0.5, 1.0, 1.0, 2.0])
    run.note(f'clock runs at {rate}')
    run.clock.set_rate(rate, time.time_ns())


ACTIONS = {
    change_subscriptions: 5,
    ask_for_too_much: 1,
    change_parameter: 3,
    storm_of_parameters: 1,
    refused_parameter: 1,
    switch_off_and_on: 1,
    deactivate_and_activate: 1,
    camera_fault: 5,
    calibration_fault: 2,
    healthy_camera: 3,
    restart_camera: 1,
    burst: 2,
    clock_jump: 2,
    clock_rate: 1,
}
"""Every action and how often it is chosen, relative to the others."""

WEIGHTS = tuple(ACTIONS.values())
