# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Publishes statuses (monitoring/status.py) on /diagnostics once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mfaranet_ros.monitoring.status import Status

PERIOD_S = 1.0


class DiagnosticsPublisher:
    """Publishes what `report()` returns, by a timer on the node's clock, in every state.

    Names are unique among all nodes, since aggregators key by them: a status of the node is named
    `/full/node/name: latency`, one of a topic as the topic.
    """

    def __init__(self, node: Node, report: Callable[[], Iterable[Status]]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(PERIOD_S, self.publish)

    def publish(self) -> None:
        """Publish now, for a change that should be known at once."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._to_message(status) for status in self._report()]
        self._publisher.publish(message)

    def _to_message(self, status: Status) -> DiagnosticStatus:
        node = self._node.get_fully_qualified_name()
        return DiagnosticStatus(
            level=bytes([status.level]),
            name=status.name if status.name.startswith('/') else f'{node}: {status.name}',
            message=status.message,
            hardware_id=node,
            values=[KeyValue(key=key, value=value) for key, value in status.values],
        )
