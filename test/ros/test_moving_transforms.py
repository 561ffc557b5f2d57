# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A subscription to /tf that wakes nobody, with real messages; Path stands for TFMessage."""

import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from nav_msgs.msg import Path
from rclpy.serialization import deserialize_message

from mfaranet_ros.ros import moving_transforms
from mfaranet_ros.ros.moving_transforms import MovingTransforms


def test_messages_wait_for_a_frame_and_wake_nobody(vehicle, monkeypatch):
    called = []
    monkeypatch.setattr(moving_transforms, '_ignore', called.append)
    moving = MovingTransforms(vehicle.node, Path, lambda raw: deserialize_message(raw, Path))
    publisher = vehicle.node.create_publisher(Path, '/tf', 10)
    vehicle.wait_until(lambda: publisher.get_subscription_count() == 1, 'the subscription')
    path = Path()
    path.header.frame_id = 'odom'
    publisher.publish(path)
    vehicle.wait_until(lambda: time.monotonic(), 'a turn of the executor')
    raws = []
    vehicle.wait_until(
        lambda: raws.extend(taken[0] for taken in _taken(moving)) or raws, 'the message'
    )
    assert deserialize_message(raws[0], Path).header.frame_id == 'odom'
    assert called == []
    moving.close()
    vehicle.wait_until(lambda: publisher.get_subscription_count() == 0, 'its end')


def _taken(moving):
    with moving._subscription.handle as handle:
        del handle
        while (taken := moving._subscription.handle.take_message(Path, True)) is not None:
            yield taken
