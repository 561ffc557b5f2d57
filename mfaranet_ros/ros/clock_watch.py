# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Jumps of the node's clock, which happen where it follows /clock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.clock import Clock, ClockType, JumpThreshold
from rclpy.duration import Duration
from rclpy.node import Node

REMIND_S = 10.0


class ClockWatch:
    """Reports the first /clock and each one that goes back, and warns while there is none.

    on_jump(now_ns, is_back): the clock went back to now_ns, or stood at zero until now. It is
    called from the executor's thread.
    """

    def __init__(self, node: Node, on_jump: Callable[[int, bool], None]) -> None:
        self._node = node
        self._clock = node.get_clock()
        self._on_jump = on_jump
        threshold = JumpThreshold(
            min_forward=Duration(nanoseconds=1),
            min_backward=Duration(nanoseconds=-1),
            on_clock_change=False,
        )
        self._handle = self._clock.create_jump_callback(threshold, post_callback=self._tell)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = node.create_timer(REMIND_S, self._remind, clock=steady)

    def _tell(self, jump: Any) -> None:
        now_ns, by_ns = self._clock.now().nanoseconds, jump.delta.nanoseconds
        if by_ns < 0:
            self._node.get_logger().info(
                f'the clock went back by {-by_ns / 1e9:.3f} s: a replay was restarted'
            )
        if by_ns < 0 or by_ns == now_ns:
            self._on_jump(now_ns, by_ns < 0)

    def _remind(self) -> None:
        if self._clock.ros_time_is_active and not self._clock.now().nanoseconds:
            self._node.get_logger().warning(
                'use_sim_time is true, but /clock has not been published yet: ages are unknown '
                'and diagnostics are not published'
            )

    def close(self) -> None:
        """Stop watching."""
        self._handle.unregister()
        self._node.destroy_timer(self._timer)
