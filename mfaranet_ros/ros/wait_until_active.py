# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `wait_until_active`: ends with exit code 0 once another node is active.

Launch files use it to delay what must not start too early, such as a bag. It polls the state,
since a transition event of a node that is not discovered yet would be missed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lifecycle_msgs.msg import State
from lifecycle_msgs.srv import GetState
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mfaranet_ros.core.config import setting
from mfaranet_ros.ros.parameters import Parameters, refuse_misspelled

ASK_PERIOD_S = 0.2


@dataclass(frozen=True)
class WaitConfig:
    """The settings of the node `wait_until_active`."""

    node: str = setting('segmentation', 'name of the node to wait for, with its namespace')


class WaitUntilActive(Node):
    """Asks a lifecycle node for its state until that is `active`."""

    def __init__(self, finish: Callable[[int], None], **node_arguments: Any) -> None:
        super().__init__('wait_until_active', **node_arguments)
        self._finish = finish
        name = Parameters(self, WaitConfig()).config.node
        refuse_misspelled(self)
        self._client = self.create_client(GetState, f'{name}/get_state')
        self._pending: Any = None

    def start(self) -> None:
        """Start polling."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(ASK_PERIOD_S, self._ask, clock=clock)

    def _ask(self) -> None:
        if self._pending is None and self._client.service_is_ready():
            self._pending = self._client.call_async(GetState.Request())
            self._pending.add_done_callback(self._take_answer)

    def _take_answer(self, future: Any) -> None:
        self._pending = None
        if future.result().current_state.id == State.PRIMARY_STATE_ACTIVE:
            self._finish(0)

    def close(self) -> None:
        """Nothing to free."""
