# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The cameras and the consumer of `mfaranet benchmark rig`, in one process.

`python -m mfaranet_ros.ros.rig_load --masks TOPIC ... --rate HZ --seconds S`: sends images on
`cam0/image`, `cam1/image` ... and counts the masks that come back. It begins to count when each
camera has had a mask, and prints the result as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from mfaranet_ros.core.frame import stamp_of

READY_S = 180.0
"""Time limit for the first mask of each camera."""


def measure(node: Node, args: argparse.Namespace) -> dict[str, Any]:
    """Return seconds, and the ages in ms of the masks of each camera."""
    count = len(args.masks)
    images = [_images(args.height, args.width, seed) for seed in range(count)]
    publishers = [
        node.create_publisher(Image, f'cam{number}/image', qos_profile_sensor_data)
        for number in range(count)
    ]
    ages_ms: list[list[float]] = [[] for _ in range(count)]

    def receiver(number: int) -> Callable[[Image], None]:
        def receive(mask: Image) -> None:
            ages_ms[number].append((time.time_ns() - stamp_of(mask)) / 1e6)

        return receive

    for number, topic in enumerate(args.masks):
        node.create_subscription(Image, topic, receiver(number), qos_profile_sensor_data)
    sent = 0

    def send() -> None:
        nonlocal sent
        sent += 1
        stamp_ns = time.time_ns()
        for publisher, choice in zip(publishers, images, strict=True):
            message = choice[sent % len(choice)]
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
            publisher.publish(message)

    node.create_timer(1 / args.rate, send)
    deadline_s = time.monotonic() + READY_S
    while not all(ages_ms) and time.monotonic() < deadline_s:
        rclpy.spin_once(node, timeout_sec=0.1)
    ready = all(ages_ms)
    for ages in ages_ms:
        ages.clear()
    start_s = time.monotonic()
    while ready and time.monotonic() - start_s < args.seconds:
        rclpy.spin_once(node, timeout_sec=0.1)
    return {'seconds': time.monotonic() - start_s, 'ages_ms': ages_ms, 'ready': ready}


def _images(height: int, width: int, seed: int) -> list[Image]:
    """Return two images that differ, so that no camera counts as frozen."""
    chance = np.random.default_rng(seed)
    pixels = [chance.integers(0, 256, 3 * height * width, np.uint8) for _ in range(2)]
    return [
        Image(height=height, width=width, encoding='rgb8', step=3 * width, data=each.tobytes())
        for each in pixels
    ]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog='rig_load')
    parser.add_argument('--masks', nargs='+', required=True)
    parser.add_argument('--height', type=int, required=True)
    parser.add_argument('--width', type=int, required=True)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--seconds', type=float, required=True)
    args = parser.parse_args()
    rclpy.init()
    node = Node('rig_load')
    try:
        result = measure(node, args)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    print(json.dumps(result), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
