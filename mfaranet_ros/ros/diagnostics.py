# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The statuses of the pipeline (pipeline/status.py) on /diagnostics, once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from mfaranet_ros.monitoring.status import Status

PERIOD_S = 1.0


class DiagnosticsPublisher:
    """Publishes what `report()` returns, by a timer on the node's clock, in every state."""

    def __init__(self, node: Node, report: Callable[[], Iterable[Status]]) -> None:
        self._node = node
        self._report = report
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(PERIOD_S, self.publish)

    def publish(self) -> None:
        """Publish now; also called where something changed that nobody should wait for."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.status = [self._to_message(status) for status in self._report()]
        self._publisher.publish(message)

    def _to_message(self, status: Status) -> DiagnosticStatus:
        return DiagnosticStatus(
            level=bytes([status.level]),
            name=f'{self._node.get_name()}: {status.name}',
            message=status.message,
            hardware_id=self._node.get_fully_qualified_name(),
            values=[KeyValue(key=key, value=value) for key, value in status.values],
        )
