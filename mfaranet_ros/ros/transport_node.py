# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The two ends of `mfaranet benchmark transport`: one sends camera images, one counts them.

`python -m mfaranet_ros.ros.transport_node publish|subscribe --height H --width W ...`. Both end
when they are finished or when their standard input is closed, whichever comes first, and print
their result as one line of JSON. Stamps are of the monotonic clock, which both share: they run on
one machine. The quality of service is that of camera drivers, best effort with a short queue.

Discovery alone does not mean that messages get through. So the publisher sends probes until it is
told to begin, and the subscriber reports that it is ready when one has arrived. Probes are not
counted.
"""

from __future__ import annotations

import argparse
import array
import json
import sys
import threading
import time
from typing import Any

import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image

from mfaranet_ros.core.frame import stamp_of

TOPIC = 'transport_benchmark/image'
PROBE_PERIOD_S = 0.05
PROBE = 'probe'
"""The frame_id of a probe, an image of one pixel."""

READY = 'ready'
"""What the subscriber prints once a probe has arrived."""


class StdinControl:
    """The other process's commands on standard input: a line begins, its end stops."""

    def __init__(self) -> None:
        self.to_begin = threading.Event()
        self.to_stop = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while sys.stdin.readline():
            self.to_begin.set()
        self.to_stop.set()
        self.to_begin.set()


def publish(node: Node, args: argparse.Namespace, told: StdinControl) -> dict[str, Any]:
    """Send the images at their rate once told to, print a dot for each, and return how many."""
    publisher = node.create_publisher(Image, TOPIC, qos_profile_sensor_data)
    message, probe = image(args.height, args.width), image(1, 1)
    probe.header.frame_id = PROBE
    while not told.to_begin.wait(PROBE_PERIOD_S):
        publisher.publish(probe)
    start_s = time.monotonic()
    for sent in range(args.frames):
        if told.to_stop.wait(max(0.0, start_s + sent / args.rate - time.monotonic())):
            return {'sent': sent}
        stamp_ns = time.monotonic_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
        publisher.publish(message)
        print('.', flush=True)
    return {'sent': args.frames}


def image(height: int, width: int) -> Image:
    """Return a grey rgb8 image of that size."""
    return Image(
        height=height,
        width=width,
        encoding='rgb8',
        step=width * 3,
        data=array.array('B', bytes([127])) * (height * width * 3),
    )


def subscribe(node: Node, args: argparse.Namespace, told: StdinControl) -> dict[str, Any]:
    """Count the images and return the age of each when it was handed to Python."""
    ages_ms: list[float] = []
    is_ready = False

    def receive(message: Image) -> None:
        nonlocal is_ready
        if message.header.frame_id != PROBE:
            age_ns = time.monotonic_ns() - stamp_of(message)
            ages_ms.append(round(age_ns / 1e6, 3))
        elif not is_ready:
            is_ready = True
            print(READY, flush=True)

    node.create_subscription(Image, TOPIC, receive, qos_profile_sensor_data)
    while not told.to_stop.is_set() and len(ages_ms) < args.frames:
        rclpy.spin_once(node, timeout_sec=0.1)
    return {'ages_ms': ages_ms}


ENDS = {'publish': publish, 'subscribe': subscribe}


def main() -> int:
    """Run one end."""
    parser = argparse.ArgumentParser(prog='transport_node')
    parser.add_argument('end', choices=sorted(ENDS))
    parser.add_argument('--height', type=int, required=True)
    parser.add_argument('--width', type=int, required=True)
    parser.add_argument('--rate', type=float, required=True)
    parser.add_argument('--frames', type=int, required=True)
    args = parser.parse_args()
    told = StdinControl()
    rclpy.init()
    node = Node(f'transport_{args.end}')
    try:
        result = ENDS[args.end](node, args, told)
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
    print(json.dumps({'rmw': rclpy.get_rmw_implementation_identifier(), **result}), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
