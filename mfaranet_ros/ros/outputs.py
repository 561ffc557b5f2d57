# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node's mouth: one row per output topic; a topic nobody subscribes to costs nothing."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import GroundGrid, Output, Result
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.stopwatch import Stopwatch
from mfaranet_ros.monitoring.monitor import PROCESSING
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.encode import Style
from mfaranet_ros.pipeline.topics import (
    CAMERA_INFO_NAME,
    DEBUG_STAGES,
    LABEL_INFO_NAME,
    RESULT_TOPICS,
)
from mfaranet_ros.ros.camera_input import policy_name
from mfaranet_ros.ros.conversions import message_class, to_message
from mfaranet_ros.ros.parameters import OutputTopics

RELIABLE = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=1,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


@dataclass(frozen=True)
class Row:
    """One output topic: what it carries, and the function of encode.py that makes it."""

    output: Output
    topic: str
    type_name: str
    qos: QoSProfile
    encode: Callable[[Result, Style], Any]


_QOS = {Output.GRID: LATCHED, Output.POINTS: BEST_EFFORT}

ROWS = tuple(
    Row(
        topic.output, f'~/{topic.name}', topic.type_name, _QOS.get(topic.output, RELIABLE),
        topic.encode,
    )
    for topic in RESULT_TOPICS
)  # fmt: skip

CAMERA_INFO_TOPIC = f'~/{CAMERA_INFO_NAME}'
LABEL_INFO_TOPIC = f'~/{LABEL_INFO_NAME}'

DEBUG_TOPICS = (
    f'{PROCESSING}_ms', 'pipeline_latency_ms', *(f'{stage}_ms' for stage in DEBUG_STAGES)
)  # fmt: skip
"""Below `~/debug/`; pipeline_latency is the age of the frame when its results are out."""


class Outputs:
    """The publishers of a configured node.

    on_incompatible(text): a subscriber asks for a QoS that a topic does not offer.
    """

    def __init__(
        self, node: Node, topics: OutputTopics, on_incompatible: Callable[[str], None]
    ) -> None:
        self._node = node
        self._on_incompatible = on_incompatible
        self._stamped = topics.debug_stamped
        debug_type = _debug_type(topics.debug_stamped)
        self._publishers = {
            row.output: self._create(row.type_name, row.topic, _qos(row, topics)) for row in ROWS
        }
        self._camera_info = self._create('sensor_msgs/msg/CameraInfo', CAMERA_INFO_TOPIC, RELIABLE)
        self._debug = {
            name: self._create(debug_type, f'~/debug/{name}', RELIABLE) for name in DEBUG_TOPICS
        }
        self._label_info = None
        if importlib.util.find_spec('vision_msgs') is not None:
            self._label_info = self._create('vision_msgs/msg/LabelInfo', LABEL_INFO_TOPIC, LATCHED)
        self._shown_grid: GroundGrid | None = None
        self._grid_frame = ''

    def _create(self, type_name: str, topic: str, qos: QoSProfile) -> Any:
        return self._node.create_publisher(
            message_class(type_name),
            topic,
            qos,
            event_callbacks=PublisherEventCallbacks(
                incompatible_qos=lambda event: self._on_incompatible(
                    f'a subscriber of {self._node.resolve_topic_name(topic)} asks for '
                    f'{policy_name(event)} that this node does not offer'
                )
            ),
        )

    def wanted(self) -> frozenset[Output]:
        """Return the outputs that have a subscriber; the mask also stands for timings alone."""
        wanted = {output for output, publisher in self._publishers.items() if _heard(publisher)}
        if any(_heard(publisher) for publisher in (self._camera_info, *self._debug.values())):
            wanted.add(Output.MASK)
        return frozenset(wanted)

    def publish(
        self,
        result: Result,
        wanted: frozenset[Output],
        style: Style,
        camera_info: Any,
        watch: Stopwatch,
    ) -> None:
        """Encode and publish what is wanted of one result."""
        for row in ROWS:
            publisher = self._publishers[row.output]
            if row.output in wanted and _heard(publisher):
                with watch(f'publish_{row.output.value}'):
                    _publish(publisher, row.encode(result, style))
        if result.drivable.grid is not None:
            self._shown_grid, self._grid_frame = result.drivable.grid, style.base_frame
        if camera_info is not None and _heard(self._camera_info):
            self._camera_info.publish(to_message(encode.camera_info(camera_info, result)))

    def publish_debug(
        self, stage_ms: Mapping[str, float], latency_ms: float, stamp_ns: int
    ) -> None:
        """Publish the times of one frame in milliseconds."""
        values = {f'{stage}_ms': elapsed_ms for stage, elapsed_ms in stage_ms.items()}
        values['pipeline_latency_ms'] = latency_ms
        for name, publisher in self._debug.items():
            if name in values and _heard(publisher):
                value = encode.debug_value(values[name], stamp_ns if self._stamped else None)
                publisher.publish(to_message(value))

    def publish_labels(self, label_set: LabelSet, style: Style, stamp_ns: int) -> None:
        """Publish once what the mask's values mean; the middleware keeps it for latecomers."""
        if self._label_info is not None:
            header = encode.header(stamp_ns, '')
            self._label_info.publish(to_message(encode.label_info(label_set, style.remap, header)))

    def clear_grid(self, now_ns: int) -> None:
        """Replace the last grid by one that knows nothing, so that no one drives by an old one.

        It is stamped with the present time, since it belongs to no capture.
        """
        grid, self._shown_grid = self._shown_grid, None
        if grid is not None:
            unseen = GroundGrid(
                np.full_like(grid.cells, -1), grid.resolution_m, grid.x_min_m, grid.y_min_m
            )
            value = encode.occupancy_grid(unseen, encode.header(now_ns, self._grid_frame))
            self._publishers[Output.GRID].publish(to_message(value))

    def close(self) -> None:
        publishers = [*self._publishers.values(), *self._debug.values(), self._camera_info]
        if self._label_info is not None:
            publishers.append(self._label_info)
        for publisher in publishers:
            self._node.destroy_publisher(publisher)


def _qos(row: Row, topics: OutputTopics) -> QoSProfile:
    volatile = row.output is Output.GRID and topics.grid_durability == 'volatile'
    return RELIABLE if volatile else row.qos


def _debug_type(stamped: bool) -> str:
    if not stamped:
        return 'std_msgs/msg/Float64'
    if importlib.util.find_spec('autoware_internal_debug_msgs') is None:
        raise ConfigError(
            'output.debug_stamped = true, but autoware_internal_debug_msgs is not installed: '
            'install ros-DISTRO-autoware-internal-debug-msgs or set it to false'
        )
    return 'autoware_internal_debug_msgs/msg/Float64Stamped'


def _publish(publisher: Any, value: Any) -> None:
    """Publish a value of encode.py, unless the result does not hold it."""
    if value is not None:
        publisher.publish(to_message(value))


def _heard(publisher: Any) -> bool:
    return bool(publisher.get_subscription_count() > 0)
