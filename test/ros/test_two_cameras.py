# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Diagnostics of several cameras, by the rules of the tools that read them."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from mfaranet_ros.ros.compatibility import PublisherEventCallbacks

PARTS = ('latency', 'input', 'output', 'model')
CAMERAS = ('front', 'rear')


def module_of(topic):
    """Return the module that Autoware's processing time checker counts a topic to."""
    parts = topic.split('/')[:-1]
    return next(
        part for part in reversed(parts[-4:]) if part not in ('debug', 'processing_time_ms')
    )


def greenwave_topics(arrays):
    """Return what greenwave_monitor shows: keys by the name of each status that is a topic's."""
    shown = {}
    for array in arrays:
        for status in array.status:
            topic = status.name[status.name.index('/') :]
            shown[topic] = {entry.key: entry.value for entry in status.values}
    return shown


@pytest.fixture
def cameras(vehicle):
    """Two nodes, each with the name and the namespace of its camera, and their diagnostics."""
    for camera in CAMERAS:
        arguments = ['--ros-args', '-r', f'__node:={camera}_segmentation']
        vehicle.start(namespace=camera, cli_args=arguments)
    heard = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.wait_until(
        lambda: {a.status[0].hardware_id for a in heard} == {full_name(c) for c in CAMERAS},
        'the diagnostics of both',
    )
    return heard


def full_name(camera):
    return f'/{camera}/{camera}_segmentation'


def test_no_status_of_one_camera_hides_that_of_another(cameras):
    owners = {}
    for array in cameras:
        for status in array.status:
            owners.setdefault(status.name, set()).add(status.hardware_id)
    assert all(len(nodes) == 1 for nodes in owners.values())
    expected = {f'{full_name(camera)}: {part}' for camera in CAMERAS for part in PARTS}
    assert expected <= set(owners)


def test_greenwave_shows_the_topics_of_both_with_a_tolerance_in_percent(cameras):
    shown = greenwave_topics(cameras)
    for camera in CAMERAS:
        for topic in ('mask', 'overlay', 'drivable/grid', 'drivable/points', 'camera_info'):
            values = shown[f'{full_name(camera)}/{topic}']
            assert float(values['expected_frequency']) == 10.0
            assert float(values['tolerance']) == 30.0
            assert {'frame_rate_node', 'frame_rate_msg'} <= set(values)


def test_autoware_counts_the_cameras_apart(vehicle, cameras):
    topics = [f'{full_name(camera)}/debug/processing_time_ms' for camera in CAMERAS]
    for topic in topics:
        assert vehicle.node.count_publishers(topic) == 1
    assert [module_of(topic) for topic in topics] == ['front_segmentation', 'rear_segmentation']


@pytest.fixture
def driver(vehicle):
    """A node with a DDS participant of its own, which may publish another type on a topic."""
    context = rclpy.Context()
    rclpy.init(context=context)
    node = Node('driver', context=context)
    yield node
    node.destroy_node()
    rclpy.try_shutdown(context=context)


def test_a_publisher_of_another_type_is_named_with_the_parameter_to_change(vehicle, driver):
    node = vehicle.start()
    vehicle.node.destroy_publisher(vehicle.camera)
    silent = PublisherEventCallbacks(use_default_callbacks=False)

    def text():
        return next(status for status in node.statuses() if status.name == 'input').message

    elsewhere = driver.create_publisher(
        CompressedImage, 'image/compressed', 1, event_callbacks=silent
    )
    vehicle.wait_until(
        lambda: '/image/compressed is published: set input.transport to compressed' in text(),
        'the advice',
    )
    driver.destroy_publisher(elsewhere)
    wrong = driver.create_publisher(CompressedImage, 'image', 1, event_callbacks=silent)
    vehicle.wait_until(
        lambda: '/driver publishes sensor_msgs/msg/CompressedImage on /image' in text(), 'its type'
    )
    assert 'set input.transport to compressed and remap' in text()
    driver.destroy_publisher(wrong)
    vehicle.wait_until(lambda: 'CompressedImage' not in text(), 'the end of the complaint')
