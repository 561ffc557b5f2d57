# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `demo_recorder`: hands what the segmentation node publishes to the demo, by a pipe.

It writes records (wire.py) to standard output, in the order in which messages come.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import PolygonStamped
from nav_msgs.msg import OccupancyGrid
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from mfaranet_ros.core.config import setting
from mfaranet_ros.data.wire import Record, write_record
from mfaranet_ros.pipeline.decode import decode
from mfaranet_ros.ros.parameters import Parameters, refuse_unknown

ALL = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=50,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


@dataclass(frozen=True)
class RecorderConfig:
    """The settings of the recorder."""

    node: str = setting('segmentation', 'name of the segmentation node to listen to')


class DemoRecorder(Node):
    """Subscribes, and writes each message as a record; ends when nobody reads them any more."""

    def __init__(self, finish: Callable[[int], None], **node_arguments: Any) -> None:
        super().__init__('demo_recorder', **node_arguments)
        self._finish = finish
        name = Parameters(self, RecorderConfig()).config.node
        refuse_unknown(self)
        self._stream = _take_stdout()
        self.create_subscription(Image, f'{name}/mask', self._image('mask'), ALL)
        self.create_subscription(Image, f'{name}/overlay', self._image('overlay'), ALL)
        self.create_subscription(Image, 'truth', self._image('truth'), ALL)
        self.create_subscription(OccupancyGrid, f'{name}/drivable/grid', self._grid, LATCHED)
        self.create_subscription(PolygonStamped, f'{name}/drivable/boundary', self._boundary, ALL)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._diagnostics, ALL)

    def start(self) -> None:
        """Nothing is to be done before it spins."""

    def close(self) -> None:
        """Nothing is held but the pipe, which ends with the process."""

    def _image(self, kind: str) -> Callable[[Image], None]:
        def receive(message: Image) -> None:
            frame = decode(message)
            pixels = frame.pixels[:, :, 0] if frame.encoding == 'mono8' else frame.pixels
            facts = (('encoding', frame.encoding), ('frame_id', frame.frame_id))
            self._write(kind, message.header, pixels, facts)

        return receive

    def _grid(self, message: OccupancyGrid) -> None:
        info = message.info
        cells = np.frombuffer(message.data, np.int8).reshape(info.height, info.width)
        facts = (
            ('frame_id', message.header.frame_id),
            ('resolution_m', repr(info.resolution)),
            ('x_min_m', repr(info.origin.position.x)),
            ('y_min_m', repr(info.origin.position.y)),
        )
        self._write('grid', message.header, cells, facts)

    def _boundary(self, message: PolygonStamped) -> None:
        vertices = [(point.x, point.y) for point in message.polygon.points]
        facts = (('frame_id', message.header.frame_id),)
        array = np.array(vertices, np.float32).reshape(-1, 2)
        self._write('boundary', message.header, array, facts)

    def _diagnostics(self, message: DiagnosticArray) -> None:
        for status in message.status:
            facts = (
                ('status', status.name),
                ('level', str(status.level[0])),
                ('message', status.message),
                *((value.key, value.value) for value in status.values),
            )
            self._write('status', message.header, np.empty(0, np.uint8), facts)

    def _write(
        self, kind: str, header: Any, array: Any, facts: tuple[tuple[str, str], ...]
    ) -> None:
        stamp_ns = header.stamp.sec * 10**9 + header.stamp.nanosec
        arrival_ns = self.get_clock().now().nanoseconds
        try:
            write_record(self._stream, Record(kind, stamp_ns, arrival_ns, array, facts))
        except OSError:
            self._finish(0)


def _take_stdout() -> Any:
    """Return standard output for records alone; whatever else writes there goes to stderr."""
    stream = os.fdopen(os.dup(sys.stdout.fileno()), 'wb')
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return stream
