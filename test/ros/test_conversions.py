# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Plain values as rclpy messages, and the two ways to a point cloud."""

import sys

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mfaranet_ros.core.frame import Drivable, Frame, Points, Result, Timings
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.ros.conversions import to_message

STYLE = Style(get_label_set('camvid'))


def segmentation(count=7):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 11, (5, 9), np.uint8)
    points = Points(
        rng.random((count, 3), np.float32),
        rng.integers(0, 11, count, np.uint8),
        rng.integers(0, 255, count, np.uint8),
    )
    frame = Frame(np.zeros((5, 9, 3), np.uint8), 'bgr8', 12_000_000_034, 'camera')
    return Result(frame, labels, None, Drivable(points=points), Timings())


def test_pixels_and_header_arrive_as_they_are():
    result = segmentation()
    message = to_message(encode.mask(result, STYLE))
    assert bytes(message.data) == result.labels.tobytes()
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (12, 34)
    assert message.header.frame_id == 'camera'


def test_a_point_cloud_is_the_same_by_sensor_msgs_py(monkeypatch):
    pytest.importorskip('sensor_msgs_py', reason='sensor_msgs_py is not installed')
    value = encode.points(segmentation(), STYLE)
    by_it = to_message(value)
    monkeypatch.setitem(sys.modules, 'sensor_msgs_py', None)
    by_us = to_message(value)
    assert by_it == by_us


def test_an_empty_point_cloud_is_a_point_cloud():
    message = to_message(encode.points(segmentation(0), STYLE))
    assert (message.width, message.height, len(message.data)) == (0, 1, 0)
