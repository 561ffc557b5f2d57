# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Several cameras on one node: each for itself, and all in one grid."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import OccupancyGrid, Odometry
from rclpy.event_handler import PublisherEventCallbacks
from sensor_msgs.msg import CameraInfo, Image
from std_srvs.srv import SetBool

from mfaranet_ros.backends import MockBackend
from mfaranet_ros.core.errors import ConfigError

SILENT = PublisherEventCallbacks(use_default_callbacks=False)
GRID = {
    'cameras': ['front', 'rear'],
    'camera.front.ground.x': 1.0,
    'camera.rear.ground.yaw': math.pi,
    'ground.x_min': -10.0,
    'ground.x_max': 10.0,
    'ground.y_min': -5.0,
    'ground.y_max': 5.0,
    'ground.resolution': 0.5,
    'drivable.min_confidence': 0.0,
    'diagnostics.input_timeout_ms': 500.0,
    'latency.max_age_ms': 0.0,
}


class Cameras:
    """The drivers of some cameras."""

    def __init__(self, vehicle, names):
        self.vehicle = vehicle
        self.images = {
            name: vehicle.node.create_publisher(Image, f'{name}/image', 10, event_callbacks=SILENT)
            for name in names
        }
        self.infos = {
            name: vehicle.node.create_publisher(CameraInfo, f'{name}/camera_info', 1)
            for name in names
        }

    def matched(self):
        for publisher in (*self.images.values(), *self.infos.values()):
            self.vehicle.wait_until(publisher.get_subscription_count, 'the rig to subscribe')

    def calibrate(self, node):
        for camera in node.cameras:
            self.infos[camera.name].publish(self.vehicle.camera_info())
            self.vehicle.wait_until(lambda c=camera: c.ground.camera_info, 'the calibration')

    def send(self, *names, **changes):
        """Send one image of each camera by the vehicle's own publisher of images."""
        sent = {}
        for name in names:
            self.vehicle.camera = self.images[name]
            sent[name] = self.vehicle.send(**changes)
        return sent


@pytest.fixture
def rig(vehicle):
    vehicle.node.destroy_publisher(vehicle.camera)
    vehicle.node.destroy_publisher(vehicle.info)
    return Cameras(vehicle, ('front', 'rear'))


def stamp_ns(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def cells_of(grid):
    return np.array(grid.data, np.int8).reshape(grid.info.height, grid.info.width)


def test_each_camera_has_its_own_outputs_and_the_grid_holds_both(vehicle, rig):
    node = vehicle.start(rig=True, parameters=GRID)
    masks = {name: vehicle.listen(f'/rig/{name}/mask', Image) for name in rig.images}
    grids = vehicle.listen('/rig/grid', OccupancyGrid)
    certainty = vehicle.listen('/rig/grid/certainty', OccupancyGrid)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    rig.matched()
    rig.calibrate(node)

    def both():
        sent = rig.send('front', 'rear')
        vehicle.wait_until(
            lambda: all(masks[name] and stamp_ns(masks[name][-1]) == sent[name] for name in sent),
            'both masks',
        )
        return grids and all(
            (cells_of(grids[-1])[:, half] == 0).any() for half in (slice(0, 20), slice(20, 40))
        )

    vehicle.wait_until(both, 'free ground ahead and behind')
    assert grids[-1].header.frame_id == 'base_link'
    known = cells_of(grids[-1]) != -1
    assert (cells_of(certainty[-1])[known] > 0).all()
    assert set(cells_of(certainty[-1])[~known]) == {0}

    def silent_rear():  # its sector has to go, while the front camera's stays
        rig.send('front')
        cells = cells_of(grids[-1])
        return (cells[:, :18] == -1).all() and (cells[:, 20:] == 0).any()

    vehicle.wait_until(silent_rear, 'an unseen sector of the dead camera')
    expected = {'/rig/front: input', '/rig/rear: input', '/rig: grid', '/rig/front/mask'}
    vehicle.wait_until(
        lambda: expected <= {status.name for array in diagnostics for status in array.status},
        'the diagnostics of both cameras',
    )

    def told():
        rig.send('front')
        return [
            status.message
            for array in diagnostics
            for status in array.status
            if status.name == '/rig: grid' and status.message.startswith('rear is not in the grid')
        ]

    assert 'no memory: no odometry has arrived' in vehicle.wait_until(told, 'the lost camera')[0]
    rig.send('front')
    vehicle.wait_until(lambda: node.cameras[0].monitor.snapshot(0).pending == 0, 'the last frame')
    front, rear = (camera.monitor.snapshot(0) for camera in node.cameras)
    assert front.received > rear.received
    for count in (front, rear):
        assert count.processed + sum(count.dropped.values()) == count.received


def test_a_frozen_or_future_camera_is_not_in_the_grid_and_says_why(vehicle, rig):
    node = vehicle.start(
        rig=True, parameters={**GRID, 'diagnostics.frozen_frames': 2, 'fusion.memory': 'none'}
    )
    grids = vehicle.listen('/rig/grid', OccupancyGrid)
    rig.matched()
    rig.calibrate(node)
    still = bytes(3 * vehicle.size[0] * vehicle.size[1])

    def found():
        rig.send('front', stamp_ns=vehicle.node.get_clock().now().nanoseconds + 2 * 10**9)
        rig.send('rear', data=still)
        status = next(status for status in node.statuses() if status.name == 'grid')
        return status.message if 'front' in status.message and 'rear' in status.message else ''

    vehicle.wait_until(
        lambda: (text := found()) and 'in the future' in text and 'frozen' in text, 'both reasons'
    )
    vehicle.wait_until(
        lambda: found() and not any(set(grid.data) != {-1} for grid in grids[-1:]), 'no old grid'
    )


def test_the_grid_is_carried_along_by_odometry(vehicle, rig):
    node = vehicle.start(rig=True, parameters=GRID)
    grids = vehicle.listen('/rig/grid', OccupancyGrid)
    odometry = vehicle.node.create_publisher(Odometry, 'odom', 10)
    rig.matched()
    rig.calibrate(node)
    vehicle.wait_until(odometry.get_subscription_count, 'the rig to take odometry')

    def remembered():
        message = Odometry()
        message.header.stamp = vehicle.node.get_clock().now().to_msg()
        message.pose.pose.orientation.w = 1.0
        odometry.publish(message)
        rig.send('front')
        status = next(status for status in node.statuses() if status.name == 'grid')
        return dict(status.values)['memory'] == 'follows the ego motion' and grids

    vehicle.wait_until(remembered, 'the memory')
    assert (cells_of(grids[-1]) == 0).any()


def test_the_own_vehicle_is_taken_out_of_the_masks_of_its_camera_only(vehicle, rig):
    polygon = {'camera.front.input.ego_polygon': '0,1 0,0.5 1,0.5 1,1'}
    vehicle.start(rig=True, parameters=GRID | polygon)
    masks = {name: vehicle.listen(f'/rig/{name}/mask', Image) for name in rig.images}
    rig.matched()
    rig.send('front', 'rear')
    vehicle.wait_until(lambda: all(masks.values()), 'both masks')
    front, rear = (
        np.frombuffer(bytes(masks[name][-1].data), np.uint8).reshape(masks[name][-1].height, -1)
        for name in ('front', 'rear')
    )
    assert (front[len(front) // 2 :] == 255).all()
    assert not (front[: len(front) // 2] == 255).any()
    assert not (rear == 255).any()


def test_one_camera_is_switched_off_for_itself_and_all_together(vehicle, rig):
    node = vehicle.start(rig=True, parameters=GRID)
    rig.matched()
    front, rear = node.cameras
    vehicle.call(SetBool, '/rig/rear/enable', SetBool.Request(data=False))
    assert rear.monitor.snapshot(0).state == 'disabled by ~/enable'
    assert front.monitor.snapshot(0).state == 'active'
    vehicle.call(SetBool, '/rig/enable', SetBool.Request(data=False))
    assert front.monitor.snapshot(0).state == 'disabled by ~/enable'
    vehicle.call(SetBool, '/rig/enable', SetBool.Request(data=True))
    assert {camera.monitor.snapshot(0).state for camera in node.cameras} == {'active'}


def test_a_flood_of_one_camera_and_a_failing_one_cost_the_other_no_frame(vehicle, rig):
    backend = MockBackend(11, delay_s=0.05)
    node = vehicle.start(rig=True, pipeline=backend, parameters=GRID)
    masks = vehicle.listen('/rig/rear/mask', Image)
    vehicle.listen('/rig/front/mask', Image)
    rig.matched()
    vehicle.wait_until(lambda: node.count_subscribers('/rig/rear/mask'), 'the listener')
    for count in range(1, 6):
        for _ in range(5):
            rig.send('front')
        rig.send('front', encoding='nonsense')
        sent = rig.send('rear')['rear']
        vehicle.wait_until(lambda n=sent: masks and stamp_ns(masks[-1]) == n, f'mask {count}')
    front, rear = (camera.monitor.snapshot(0) for camera in node.cameras)
    assert rear.dropped == {}
    assert rear.processed == 5
    assert front.dropped['decode_encoding'] >= 1


@pytest.mark.parametrize(
    ('parameters', 'words'),
    [
        ({'cameras': ['front', 'front']}, "'front' is given 2 times"),
        ({'cameras': []}, 'name at least one'),
        ({'cameras': ['grid']}, 'cannot be the name of a camera'),
        ({'cameras': ['front left']}, 'use letters, digits and _'),
        ({'cameras': ['front'], 'camera.front.ground.z': 1000.0}, 'camera.front.ground.z'),
        ({'cameras': ['front'], 'camera.frnot.ground.z': 1.0}, 'camera.front.ground.z'),
        ({'fusion.memory': 'odometri'}, 'odometry'),
    ],
)
def test_a_rig_that_cannot_be_is_refused_with_what_to_do(vehicle, parameters, words):
    with pytest.raises(ConfigError, match=words):
        vehicle.start(rig=True, parameters=parameters)


def test_two_cameras_with_one_topic_are_refused(vehicle):
    arguments = ['--ros-args', '-r', 'front/image:=/camera', '-r', 'rear/image:=/camera']
    with pytest.raises(ConfigError, match='front and rear both have the image topic /camera'):
        vehicle.start(rig=True, parameters={'cameras': ['front', 'rear']}, cli_args=arguments)
