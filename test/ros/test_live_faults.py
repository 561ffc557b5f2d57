# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One node lives through what changes around it: parameters, peers, calibration."""

import random

import pytest
from std_srvs.srv import SetBool

pytest.importorskip('rclpy', reason='rclpy is not installed')

from nav_msgs.msg import OccupancyGrid
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image

STORM = 100
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
PARAMETERS = {
    'drivable.min_confidence': lambda r: r.uniform(-0.5, 1.5),
    'ground.z': lambda r: r.uniform(0.5, 200),
    'latency.budget_ms': lambda r: r.choice([0.0, 50.0]),
    'output.palette': lambda r: r.choice(['roles', 'classes', 'rainbow']),
    'drivable.boundary_bearings': lambda r: r.randint(0, 400),
}


def a_mask_comes(vehicle, masks):
    """Send images until one more mask has come."""
    before = len(masks)

    def came():
        vehicle.calibrate()
        vehicle.send()
        return len(masks) > before

    vehicle.wait_until(came, 'a mask', 30.0)


def is_accounted_for(node):
    snapshot = node.monitor.snapshot(node.get_clock().now().nanoseconds)
    return snapshot.pending == 0 and not snapshot.dropped.get('internal')


def storm_of_parameters(vehicle, node, masks):
    chance = random.Random(5)
    client = vehicle.client(SetParameters, '/segmentation/set_parameters')
    allowed = []
    for number in range(STORM):
        name = chance.choice(sorted(PARAMETERS))
        given = Parameter(name, value=PARAMETERS[name](chance)).to_parameter_msg()
        future = client.call_async(SetParameters.Request(parameters=[given]))
        vehicle.wait_until(future.done, f'an answer to {given}')
        allowed.append(future.result().results[0].successful)
        if number % 10 == 0:
            vehicle.send()
    assert any(allowed)
    assert not all(allowed)
    for name, value in (('ground.z', 1.5), ('drivable.min_confidence', 0.5)):
        assert vehicle.set_parameter(name, double_value=value).successful


def camera_restarts(vehicle, node, masks):
    vehicle.node.destroy_publisher(vehicle.camera)
    vehicle.camera = vehicle.node.create_publisher(Image, 'image', 5)


def second_camera(vehicle, node, masks):
    second = vehicle.node.create_publisher(Image, 'image', 5)
    first, vehicle.camera = vehicle.camera, second
    a_mask_comes(vehicle, masks)
    vehicle.camera = first
    vehicle.node.destroy_publisher(second)
    assert node.monitor.snapshot(node.get_clock().now().nanoseconds).lost == 0


def subscriber_restarts(vehicle, node, masks):
    subscription = next(s for s in vehicle.node.subscriptions if s.topic_name.endswith('/mask'))
    vehicle.node.destroy_subscription(subscription)
    vehicle.wait_until(lambda: not node.count_subscribers('/segmentation/mask'), 'it to leave')
    vehicle.node.create_subscription(Image, '/segmentation/mask', masks.append, 5)


def calibration_changes(vehicle, node, masks):
    grids = vehicle.listen('/segmentation/drivable/grid', OccupancyGrid, LATCHED)

    def grid_is(known, **changes):
        vehicle.calibrate(**changes)
        vehicle.send()
        return grids and (max(grids[-1].data) >= 0) == known

    vehicle.wait_until(lambda: grid_is(True), 'a grid')
    vehicle.wait_until(lambda: grid_is(False, height=480, width=640), 'the grid to be cleared')
    vehicle.wait_until(lambda: grid_is(True), 'a grid again')


def off_and_on(vehicle, node, masks):
    for wanted in (False, True, True, False, False, True):
        assert vehicle.call(SetBool, '/segmentation/enable', SetBool.Request(data=wanted)).success


FAULTS = (
    storm_of_parameters, camera_restarts, second_camera, subscriber_restarts,
    calibration_changes, off_and_on,
)  # fmt: skip


def test_live_node_survives(vehicle):
    node = vehicle.start(parameters={'ground.resolution': 0.5, 'latency.max_age_ms': 0.0})
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.matched()
    for fault in FAULTS:
        fault(vehicle, node, masks)
        a_mask_comes(vehicle, masks)
        vehicle.wait_until(lambda: is_accounted_for(node), f'all images after {fault.__name__}')
