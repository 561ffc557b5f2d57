"""The ladder of a running node: it follows the parameters, and the diagnostics tell of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.parameter import Parameter

from mfaranet_ros.labels import LabelSet
from mfaranet_ros.pipeline.built_ladder import BuiltLadder, build_ladder
from mfaranet_ros.pipeline.changeover import Changeover
from mfaranet_ros.pipeline.config import PipelineConfig, value_of
from mfaranet_ros.pipeline.ladder import LadderState, rungs_of
from mfaranet_ros.pipeline.monitor import Condition, Level, Monitor
from mfaranet_ros.pipeline.provenance import Facts
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline
from mfaranet_ros.pipeline.stopwatch import Stopwatch

BUILT_FROM = ('model.scales', 'latency.adapt', 'latency.ladder')
"""The live parameters for which another ladder must be built."""

RESTORE_PERIOD_S = 0.1
BUILD_IN_HAND_S = 5.0


class LiveLadder:
    """Builds the ladder of a config, and at run time the next one beside it.

    monitor: is told what is being built, what could not be, and what was left out.
    Raises ConfigError, WeightsError or InferenceError if the first one cannot be built.
    """

    def __init__(
        self,
        node: Node,
        monitor: Monitor,
        config: PipelineConfig,
        build_pipeline: Callable[[PipelineConfig], SegmentationPipeline],
    ) -> None:
        self._node = node
        self._monitor = monitor
        self._build_pipeline = build_pipeline
        self._newest = config
        self.camera: tuple[int, int] | None = None
        """Height and width of the camera's pictures, once there was one."""
        self._refused = threading.Event()
        ladder = self._build(config)
        self._changeover = Changeover(
            ladder, config, self._build, begun=self._begin, done=self._done, failed=self._fail
        )
        self._tell_left_out(ladder)
        # Parameters are the executor's; a steady clock also runs while simulated time stands.
        self._timer = node.create_timer(
            RESTORE_PERIOD_S, self._restore, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    @property
    def facts(self) -> Facts:
        """What is running now."""
        return self._changeover.ladder.in_force.facts

    @property
    def label_set(self) -> LabelSet:
        """What the masks mean; no change at run time changes it."""
        return self._changeover.ladder.pipeline.label_set

    def state(self) -> LadderState:
        """Say what stands ready and what is in force."""
        return self._changeover.ladder.state()

    @contextmanager
    def frame(self, watch: Stopwatch) -> Iterator[SegmentationPipeline]:
        """Give the pipeline in force for one frame, whose times may then call for another rung.

        watch: of this frame. The times count unless the frame fails; that its result comes too
        late to be published is a reason the more.
        """
        with self._changeover.frame() as ladder:
            yield ladder.pipeline
        latency = self._newest.latency
        if 'inference' in watch.ms and ladder.account(watch.ms, latency, time.monotonic()):
            rung, budget_ms = ladder.in_force.rung, latency.budget_ms
            self._node.get_logger().info(f'rung {rung} is in force for {budget_ms:g} ms')

    def configure(self, config: PipelineConfig) -> None:
        """Take over changed parameters; what must be built for them is built beside the frames."""
        self._newest = config
        self._changeover.configure(config)

    def close(self) -> None:
        self._node.destroy_timer(self._timer)
        self._changeover.close(BUILD_IN_HAND_S)
        for name in ('changeover', 'left out'):
            self._monitor.set_condition('model', name, None)

    def _build(self, config: PipelineConfig) -> BuiltLadder:
        return build_ladder(config, self._build_pipeline, camera=self.camera)

    def _tell(self, name: str, level: Level, text: str) -> None:
        self._monitor.set_condition('model', name, Condition(level, text))

    def _tell_left_out(self, ladder: BuiltLadder) -> None:
        self._monitor.set_condition('model', 'left out', None)
        if ladder.left_out:
            text = '; '.join(ladder.left_out)
            self._tell('left out', Level.WARN, f'left out of the ladder: {text}')

    # -- told by the changeover, from whichever thread --------------------------------------

    def _begin(self, config: PipelineConfig) -> None:
        rungs = ', '.join(str(rung) for rung in rungs_of(config))
        self._tell('changeover', Level.OK, f'{rungs} is being built beside what runs')

    def _done(self, ladder: BuiltLadder) -> None:
        self._monitor.set_condition('model', 'changeover', None)
        self._tell_left_out(ladder)
        facts = ', '.join(f'{name} {value}' for name, value in ladder.in_force.facts)
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
