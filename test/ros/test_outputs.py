# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The topics of the table among ROS nodes: a row from outside, QoS that does not fit."""

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Float64

from mfaranet_ros.pipeline.messages import Float64 as Number
from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS, OutputTopic, register_topic
from mfaranet_ros.ros.compatibility import SubscriptionEventCallbacks

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def row_count():
    """An output topic of the test's own, for one test."""
    topic = OutputTopic(
        'rows/count', Number.TYPE, lambda result, style: Number(float(len(result.labels))), 'rows'
    )
    register_topic(topic)
    yield topic
    del OUTPUT_TOPICS[topic.name]


def test_a_topic_from_outside_is_published_and_counted(vehicle, row_count):
    node = vehicle.start()
    heard = vehicle.listen('/segmentation/rows/count', Float64)
    vehicle.matched()
    vehicle.send()
    vehicle.wait_until(lambda: heard, 'the row count')
    assert heard[0].data == vehicle.size[0]
    snapshot = vehicle.wait_until(
        lambda: node.monitor.snapshot(0) if node.monitor.snapshot(0).processed else None,
        'the frame to be counted',
    )
    assert snapshot.stage_counts['publish_rows_count'] == 1


def test_a_complaint_about_a_subscriber_ends_when_it_leaves(vehicle):
    node = vehicle.start()
    silent = SubscriptionEventCallbacks(use_default_callbacks=False)
    late = vehicle.node.create_subscription(
        Image, '/segmentation/mask', lambda message: None, LATCHED, event_callbacks=silent
    )

    def output():
        return next(s for s in node.statuses() if s.name == 'output')

    vehicle.wait_until(lambda: 'asks for durability' in output().message, 'the complaint')
    assert '/vehicle as a subscriber of /segmentation/mask' in output().message
    vehicle.node.destroy_subscription(late)
    vehicle.wait_until(lambda: 'asks for durability' not in output().message, 'its end')
