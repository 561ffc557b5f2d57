# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishes the output topics (pipeline/topics.py); one without a subscriber costs nothing."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mfaranet_ros.core.config import value_of
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import GroundGrid, Output, Result
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.monitoring.monitor import ProcessedFrame, PublishedTopic
from mfaranet_ros.monitoring.status import OfferedTopic
from mfaranet_ros.pipeline import encode
from mfaranet_ros.pipeline.messages import Float64, Float64Stamped
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.pipeline.topics import OUTPUT_TOPICS, OutputTopic, Qos, When, stage_of
from mfaranet_ros.ros.compatibility import PublisherEventCallbacks
from mfaranet_ros.ros.conversions import message_class, to_message
from mfaranet_ros.ros.endpoints import unserved_subscribers
from mfaranet_ros.ros.parameters import NodeConfig


class Outputs:
    """The publishers of one camera of a configured node.

    prefix: what precedes the names of its topics below the node's, such as `front/`.
    Raises ConfigError where a setting needs a message package that is not installed.
    """

    def __init__(self, node: Node, config: NodeConfig, prefix: str = '') -> None:
        self._node = node
        self._prefix = prefix
        self._stamped = config.output.debug_stamped
        self._publishers: dict[str, Any] = {}
        self._shown_grid: GroundGrid | None = None
        self._grid_frame = ''
        self._grid_at_ns = 0
        if self._stamped:
            _require_autoware_messages()
        for topic in OUTPUT_TOPICS.values():
            if not (topic.optional and _is_missing(topic.type_name)):
                self._publishers[topic.name] = self._create(topic, config)

    def _create(self, topic: OutputTopic, config: NodeConfig) -> Any:
        stamped = self._stamped and topic.type_name == Float64.TYPE
        return self._node.create_publisher(
            message_class(Float64Stamped.TYPE if stamped else topic.type_name),
            f'~/{self._prefix}{topic.name}',
            qos_profile(topic.qos, volatile=_is_volatile(topic, config)),
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )

    def wanted(self) -> frozenset[Output]:
        """Return what the pipeline must compute for the topics that have a subscriber."""
        return frozenset().union(
            *(OUTPUT_TOPICS[name].needs for name in self._publishers if self._has_listener(name))
        )

    def publish(
        self, result: Result, style: Style, camera_info: Any
    ) -> tuple[PublishedTopic, ...]:
        """Encode and publish one result on each topic that has a subscriber.

        camera_info: the camera's calibration as it came, or None.
        """
        published = [self._timed(topic, result, style) for topic in self._heard(When.RESULT)]
        if result.drivable.grid is not None:
            self._grid_at_ns = (
                self._node.get_clock().now().nanoseconds
            )  # before it counts as shown
            self._shown_grid, self._grid_frame = result.drivable.grid, style.base_frame
        if camera_info is not None:
            published += [
                self._timed(topic, camera_info, result) for topic in self._heard(When.CALIBRATED)
            ]
        return tuple(filter(None, published))

    def _timed(self, topic: OutputTopic, *given: Any) -> PublishedTopic | None:
        lap = Laps()
        value = topic.encode(*given)
        if value is None:
            return None
        self._send(topic.name, value)
        return PublishedTopic(self._full_name(topic.name), topic.stage, lap())

    def publish_times(self, frame: ProcessedFrame, latency_ms: float) -> None:
        """Publish the times of one frame in milliseconds; latency_ms: its age."""
        times_ms = dict(frame.stages(), pipeline_latency=latency_ms)
        for topic in self._heard(When.TIMED):
            if (value := times_ms.get(stage_of(topic))) is not None:
                stamp_ns = frame.stamp_ns if self._stamped else None
                self._send(topic.name, topic.encode(value, stamp_ns))

    def publish_labels(self, label_set: LabelSet, style: Style, stamp_ns: int) -> None:
        """Publish what the mask's values mean; the middleware keeps it for late subscribers."""
        header = encode.header(stamp_ns, '')
        for topic in self._of(When.ACTIVATED):
            self._send(topic.name, topic.encode(label_set, style.remap, header))

    def clear_old_grid(self, now_ns: int, timeout_ms: float) -> None:
        """Clear the grid if it was published longer ago than this, whatever else is published."""
        age_ns = now_ns - self._grid_at_ns
        if age_ns < 0:  # the clock jumped back
            self._grid_at_ns = now_ns
        elif age_ns > timeout_ms * 1e6:
            self.clear_grid(now_ns)

    def clear_grid(self, now_ns: int) -> None:
        """Replace the last grid by one whose cells are all unseen, so that nobody uses an old one.

        It carries the present time, since it belongs to no image.
        """
        grid, self._shown_grid = self._shown_grid, None
        if grid is not None:
            unseen = GroundGrid(
                np.full_like(grid.cells, -1), grid.resolution_m, grid.x_min_m, grid.y_min_m
            )
            header = encode.header(now_ns, self._grid_frame)
            self._send('drivable/grid', encode.occupancy_grid(unseen, header))

    def offered(self) -> tuple[OfferedTopic, ...]:
        """Return the topics whose messages come with each result."""
        topics = [*self._of(When.RESULT), *self._of(When.CALIBRATED)]
        return tuple(
            OfferedTopic(self._full_name(topic.name), self._has_listener(topic.name))
            for topic in topics
        )

    def unserved(self) -> list[str]:
        """Return a sentence for each subscriber that asks for a QoS which is not offered."""
        topics = map(self._full_name, self._publishers)
        return [
            f'{subscriber} as a subscriber of {topic} asks for {policy} that this node does not '
            'offer: change it there'
            for topic in topics
            for subscriber, policy in unserved_subscribers(self._node, topic)
        ]

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers.clear()

    def _full_name(self, name: str) -> str:
        return str(self._publishers[name].topic_name)

    def _of(self, when: When) -> list[OutputTopic]:
        topics = (OUTPUT_TOPICS[name] for name in self._publishers)
        return [topic for topic in topics if topic.when is when]

    def _heard(self, when: When) -> list[OutputTopic]:
        return [topic for topic in self._of(when) if self._has_listener(topic.name)]

    def _has_listener(self, name: str) -> bool:
        return bool(self._publishers[name].get_subscription_count() > 0)

    def _send(self, name: str, value: Any) -> None:
        """Publish a value of messages.py, unless there is none."""
        if value is not None:
            self._publishers[name].publish(to_message(value))


def qos_profile(qos: Qos, *, volatile: bool = False) -> QoSProfile:
    """Return the profile of rclpy; volatile: without what late subscribers would get."""
    latched = qos.latched and not volatile
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def _is_volatile(topic: OutputTopic, config: NodeConfig) -> bool:
    name = topic.durability_setting
    return bool(name) and value_of(config, name) == 'volatile'


def _is_missing(type_name: str) -> bool:
    return importlib.util.find_spec(type_name.partition('/')[0]) is None


def _require_autoware_messages() -> None:
    if _is_missing(Float64Stamped.TYPE):
        raise ConfigError(
            'output.debug_stamped = true, but autoware_internal_debug_msgs is not installed: '
            'install ros-DISTRO-autoware-internal-debug-msgs or set it to false'
        )
