# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The operating points of a running node: it follows the parameters, and the diagnostics tell of
it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter

from mfaranet_ros.adaptive.operating_points import OperatingPointsState, operating_points_of
from mfaranet_ros.adaptive.prepared_points import PreparedPoints, prepare_points
from mfaranet_ros.adaptive.swapper import PipelineSwapper
from mfaranet_ros.core.config import PipelineConfig, value_of
from mfaranet_ros.core.frame import Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.monitoring.monitor import Condition, Level, Monitor
from mfaranet_ros.pipeline.build import Facts
from mfaranet_ros.pipeline.processor import FrameProcessor

BUILT_FROM = ('model.scales', 'latency.adapt', 'latency.operating_points')
"""The live parameters for which another operating points must be built."""

RESTORE_PERIOD_S = 0.1
BUILD_IN_HAND_S = 5.0


class AdaptivePipeline:
    """Builds the operating points of a config, and at run time the next one beside it.

    monitor: is told what is being built, what could not be, and what was left out.
    Raises ConfigError, WeightsError or InferenceError if the first one cannot be built.
    """

    def __init__(
        self,
        node: Node,
        monitor: Monitor,
        config: PipelineConfig,
        build_pipeline: Callable[[PipelineConfig], FrameProcessor],
    ) -> None:
        self._node = node
        self._monitor = monitor
        self._build_pipeline = build_pipeline
        self._newest = config
        self.camera: tuple[int, int] | None = None
        """Height and width of the camera's images, once there was one."""
        self._in_hand: PreparedPoints | None = None
        self._refused = threading.Event()
        operating_points = self._build(config)
        self._changeover = PipelineSwapper(
            operating_points,
            config,
            self._build,
            begun=self._begin,
            done=self._done,
            failed=self._fail,
        )
        self._tell_left_out(operating_points)
        # Parameters are the executor's; a steady clock also runs while simulated time stands.
        self._timer = node.create_timer(
            RESTORE_PERIOD_S, self._restore, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def facts(self) -> Facts:
        """What is running now."""
        return self._changeover.operating_points.in_force.facts

    @property
    def label_set(self) -> LabelSet:
        """What the masks mean; no change at run time changes it."""
        return self._changeover.operating_points.pipeline.label_set

    def state(self) -> OperatingPointsState:
        """Say what stands ready and what is in force."""
        return self._changeover.operating_points.state()

    @contextmanager
    def frame(self) -> Iterator[FrameProcessor]:
        """Give the processor in force for one frame."""
        with self._changeover.frame() as operating_points:
            self._in_hand = operating_points
            yield operating_points.pipeline

    def account(self, timings: Timings, processing_ms: float) -> None:
        """Take the times of the last frame, which may call for another operating point.

        They count unless the frame failed; that its result came too late to be published is one
        reason more to change.
        """
        operating_points, latency = self._in_hand, self._newest.latency
        if operating_points is not None and operating_points.account(
            timings, processing_ms, latency, time.monotonic()
        ):
            label = operating_points.in_force.operating_point
            self._node.get_logger().info(
                f'operating point {label} is in force for {latency.budget_ms:g} ms'
            )

    def configure(self, config: PipelineConfig) -> None:
        """Take over changed parameters; what must be built for them is built beside the frames."""
        self._newest = config
        self._changeover.configure(config)

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._changeover.close(BUILD_IN_HAND_S)
        for name in ('changeover', 'left out'):
            self._monitor.set_condition('model', name, None)

    def _build(self, config: PipelineConfig) -> PreparedPoints:
        return prepare_points(config, self._build_pipeline, camera=self.camera)

    def _tell(self, name: str, level: Level, text: str) -> None:
        self._monitor.set_condition('model', name, Condition(level, text))

    def _tell_left_out(self, operating_points: PreparedPoints) -> None:
        self._monitor.set_condition('model', 'left out', None)
        if operating_points.left_out:
            text = '; '.join(operating_points.left_out)
            self._tell('left out', Level.WARN, f'left out of the operating points: {text}')

    # -- told by the changeover, from whichever thread --------------------------------------

    def _begin(self, config: PipelineConfig) -> None:
        operating_points = ', '.join(
            str(operating_point) for operating_point in operating_points_of(config)
        )
        self._tell('changeover', Level.OK, f'{operating_points} is being built beside what runs')

    def _done(self, operating_points: PreparedPoints) -> None:
        self._monitor.set_condition('model', 'changeover', None)
        self._tell_left_out(operating_points)
        facts = ', '.join(f'{name} {value}' for name, value in operating_points.in_force.facts)
        self._node.get_logger().info(f'changed over without a break to: {facts}')

    def _fail(self, error: Exception) -> None:
        text = f'the change of {" or ".join(BUILT_FROM)} failed, what ran before goes on: {error}'
        self._tell('changeover', Level.WARN, text)
        self._node.get_logger().error(text)
        self._refused.set()

    # -- in the executor's thread -----------------------------------------------------------

    def _restore(self) -> None:
        """Set the parameters back to what runs, where what they asked for could not be built."""
        if not self._refused.is_set():
            return
        self._refused.clear()
        running = self._changeover.config
        if self._changeover.building:
            return  # they were changed again meanwhile
        names = BUILT_FROM if running.latency.adapt else BUILT_FROM[:2]
        values = {name: value_of(running, name) for name in names}
        self._node.set_parameters_atomically(
            [
                Parameter(name, value=list(value) if isinstance(value, tuple) else value)
                for name, value in values.items()
            ]
        )
