# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The node `player`: publishes recorded images as a camera would.

It opens the source, waits for subscribers, hands over to a show (image_show.py for images,
bag_show.py for bags), and ends the process when that is finished.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mfaranet_ros.core.errors import MfaranetError
from mfaranet_ros.data.bags.playback import BagPlayback
from mfaranet_ros.monitoring.monitor import Level
from mfaranet_ros.monitoring.status import Status
from mfaranet_ros.ros.bag_show import BagShow
from mfaranet_ros.ros.diagnostics import DiagnosticsPublisher
from mfaranet_ros.ros.image_show import ImageShow
from mfaranet_ros.ros.logs import forward_logs
from mfaranet_ros.ros.parameters import Parameters, refuse_misspelled
from mfaranet_ros.ros.player_config import PlayerConfig, open_source

WATCH_PERIOD_S = 0.05
SETTLE_S = 0.5
"""From the first subscriber to the first image; discovery must be complete on both sides."""

LINGER_S = 1.0
"""From the last image to the end, for the middleware to deliver it."""

REMIND_S = 10.0


class PlayerNode(Node):
    """Plays once there are subscribers, and ends the process by finish(0) at the end.

    Of a truncated bag it plays what there is and ends by finish(3). Raises ConfigError,
    SourceError or CalibrationError for what cannot be played.
    """

    def __init__(self, finish: Callable[[int], None], **node_arguments: Any) -> None:
        super().__init__('player', **node_arguments)
        self._finish = finish
        self.config = Parameters(self, PlayerConfig()).config
        refuse_misspelled(self)
        self._logs = forward_logs(self.get_logger())
        self._state = 'waiting'
        self._problem = ''
        self._timer: Any = None
        source = open_source(self.config)
        self.show: BagShow | ImageShow = (
            BagShow(self, source) if isinstance(source, BagPlayback) else ImageShow(self, source)
        )
        self._diagnostics = DiagnosticsPublisher(self, self._report)

    # -- from waiting to the end ------------------------------------------------------------

    def start(self) -> None:
        """Wait for subscribers."""
        self.get_logger().info(self.show.describe())
        self._waits = 0
        self.call_every(WATCH_PERIOD_S, self._watch_for_subscribers)

    def call_every(self, seconds: float, do: Callable[[], None], clock: Any = None) -> Any:
        """Call something periodically, replacing what was called so far; return the timer.

        clock: the clock that measures the seconds; a steady one by default.
        """
        if self._timer is not None:
            self.destroy_timer(self._timer)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._timer = self.create_timer(seconds, do, clock=clock or steady)
        return self._timer

    def _watch_for_subscribers(self) -> None:
        image, wanted = self.show.image, self.config.wait_for_subscribers
        found, awaited = image.get_subscription_count(), self.show.awaited
        if found >= wanted and not awaited:
            self.call_every(SETTLE_S if wanted else WATCH_PERIOD_S, self._begin)
            return
        if self._waits % round(REMIND_S / WATCH_PERIOD_S) == 0:
            subscribers = f'subscribers of {image.topic_name}: {found} of {wanted}'
            self.get_logger().info(f'waiting for {awaited or subscribers}')
        self._waits += 1

    def _begin(self) -> None:
        self._state = 'playing'
        self.show.begin()

    def end(self, exit_code: int = 0, *, linger_s: float = LINGER_S) -> None:
        """Report the end of the playback and end the process; called by the show."""
        self._state = 'finished'
        self.call_every(linger_s, lambda: self._finish(exit_code))
        self.get_logger().info(f'finished: {self.show.summary}')
        self._diagnostics.publish()

    def fail(self, error: MfaranetError) -> None:
        """Report why it cannot continue and end the process; called by the show."""
        self._state, self._problem = 'failed', str(error)
        self.get_logger().error(f'{error}')
        self._diagnostics.publish()
        self._finish(1)

    def close(self) -> None:
        """Free what the player holds; publishers end with the node."""
        self.show.close()
        self._logs.close()

    # -- diagnostics ------------------------------------------------------------------------

    def _report(self) -> Iterable[Status]:
        level, text = Level.OK, self._state
        if self._state == 'failed':
            level, text = Level.ERROR, self._problem
        elif self.show.events:
            level, text = Level.WARN, f'{text}: {self.show.events}'
        values = (('source', self.show.name), ('state', self._state), *self.show.values)
        return (Status('source', level, text, values),)
