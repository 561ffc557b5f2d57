# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Compressed images, and the node under a simulated clock."""

import cv2
import numpy as np
import pytest
import torch
from fixtures.video import encode_stream, scene_images

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.ros.camera_input import CameraInput


def jpeg(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 255, (96, 128, 3), np.uint8)
    return cv2.imencode('.jpg', pixels)[1].tobytes()


@pytest.fixture
def compressed(vehicle):
    """Return a function that sends one compressed image and returns its stamp in ns."""
    publisher = vehicle.node.create_publisher(CompressedImage, 'image/compressed', 10)

    def send(data):
        vehicle.wait_until(publisher.get_subscription_count, 'the node to subscribe')
        message = CompressedImage(format='jpeg', data=data)
        message.header.frame_id = 'camera'
        now = vehicle.node.get_clock().now()
        message.header.stamp = now.to_msg()
        publisher.publish(message)
        return now.nanoseconds

    return send


def test_compressed_images_are_taken_and_a_corrupt_one_is_refused(vehicle, compressed):
    node = vehicle.start(parameters={'input.transport': 'compressed'})
    masks = vehicle.listen('/segmentation/mask', Image)
    vehicle.wait_until(lambda: vehicle.node.count_publishers('/segmentation/mask'), 'the node')
    half = jpeg()[:1500]
    compressed(half)
    vehicle.wait_until(
        lambda: node.monitor.snapshot(0).dropped.get('decode_compressed'), 'the refusal'
    )
    compressed(jpeg())
    vehicle.wait_until(lambda: masks, 'the mask of the whole image')
    assert (masks[0].height, masks[0].width) == (96, 128)


def test_ages_are_those_of_the_simulated_clock_also_across_a_jump_back(vehicle):
    clock = vehicle.node.create_publisher(Clock, '/clock', 10)
    node = vehicle.start(parameters={'use_sim_time': True, 'latency.max_age_ms': 500.0})
    masks = vehicle.listen('/segmentation/mask', Image)
    diagnostics = vehicle.listen('/diagnostics', DiagnosticArray)
    vehicle.matched()
    vehicle.wait_until(clock.get_subscription_count, 'the node to follow the clock')

    def set_clock(now_s):
        message = Clock()
        message.clock.sec = now_s
        clock.publish(message)
        vehicle.wait_until(
            lambda: node.get_clock().now().nanoseconds == now_s * 10**9, 'the clock to be heard'
        )

    set_clock(1000)
    vehicle.send(stamp_ns=1000 * 10**9)
    vehicle.wait_until(lambda: len(masks) == 1, 'a mask, although the image is old by the wall')
    vehicle.send(stamp_ns=990 * 10**9)
    vehicle.wait_until(lambda: node.monitor.snapshot(0).dropped.get('stale'), 'the old one')
    set_clock(100)  # the replay began anew
    vehicle.send(stamp_ns=100 * 10**9)
    vehicle.wait_until(lambda: len(masks) == 2, 'a mask after the jump')
    for now_s in (101, 102, 103):
        set_clock(now_s)
    status = vehicle.wait_until(
        lambda: vehicle.status_of(diagnostics, 'input'),
        'diagnostics, which the simulated clock drives',
    )
    values = vehicle.values_of(status)
    assert (values['clock_jumped_back'], 'back in time' in status.message) == ('1', False)


def test_video_is_decoded_in_order_and_a_lost_packet_costs_what_follows_it(vehicle):
    node = vehicle.start(parameters={'input.transport': 'video'})
    masks = vehicle.listen('/segmentation/mask', Image)
    publisher = vehicle.node.create_publisher(CompressedImage, 'image/compressed', 30)
    vehicle.wait_until(publisher.get_subscription_count, 'the node to subscribe')
    vehicle.wait_until(lambda: vehicle.node.count_publishers('/segmentation/mask'), 'the node')
    stream = encode_stream('h264', scene_images(12), 'b-adapt=0', gop=8)
    stamps = []
    for number, data in enumerate(stream.packets):
        if number == 4:
            continue
        message = CompressedImage(format='h264', data=data)
        message.header.stamp = vehicle.node.get_clock().now().to_msg()
        stamps.append(message.header.stamp)
        publisher.publish(message)
        if number not in (5, 6, 7):
            vehicle.wait_until(lambda: masks and masks[-1].header.stamp == stamps[-1], 'the mask')
        else:
            vehicle.wait_until(
                lambda n=number: node.monitor.snapshot(0).dropped.get('decode_video') == n - 4,
                'the refusal',
            )
    assert [mask.header.stamp for mask in masks] == stamps[:4] + stamps[7:]
    vehicle.wait_until(lambda: not node.monitor.snapshot(0).pending, 'every packet to be counted')
    counts = node.monitor.snapshot(0)
    assert (counts.received, counts.processed) == (len(stamps), len(masks))
    assert (masks[0].height, masks[0].width) == (128, 192)


def test_transport_whose_messages_are_not_installed_is_refused(vehicle):
    with pytest.raises(ConfigError, match='foxglove_msgs, which is not installed: apt install'):
        CameraInput(
            vehicle.node, 'foxglove', on_message=print, on_image=print,
            on_camera_info=print, on_lost=print,
            on_error=print,
        )  # fmt: skip


def test_device_that_cannot_decode_is_refused(vehicle):
    if torch.cuda.is_available():
        pytest.skip('there is a GPU')
    with pytest.raises(ConfigError, match=r'cannot be decoded on cuda.*set input.video_device'):
        CameraInput(
            vehicle.node, 'video', on_message=print, on_image=print,
            on_camera_info=print, on_lost=print,
            on_error=print, video_device='cuda',
        )  # fmt: skip
