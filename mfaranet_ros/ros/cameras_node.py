# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A managed node with one network and one or more cameras.

The node keeps what only a node can do: lifecycle, parameters, rounds, publishing; the way of a
frame is in pipeline/processor.py, and what belongs to one camera in camera_unit.py. The executor's
thread only leaves the newest image of each camera for the worker, whose thread processes what
waits in rounds and publishes it. So parameters, services, lifecycle and diagnostics answer while
frames are on the device.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from mfaranet_ros.adaptive.adaptive_pipeline import BUILT_FROM, AdaptivePipeline
from mfaranet_ros.adaptive.operating_points import check_change
from mfaranet_ros.core.config import PipelineConfig, value_of
from mfaranet_ros.core.errors import MfaranetError, StaleFrame
from mfaranet_ros.core.frame import Output, Result
from mfaranet_ros.core.memory import return_freed_memory
from mfaranet_ros.core.rounds import RoundWorker
from mfaranet_ros.core.stopwatch import stopwatch
from mfaranet_ros.monitoring.monitor import NOBODY, Condition, Level
from mfaranet_ros.monitoring.status import OperatingPointsState, Status
from mfaranet_ros.pipeline.build import Facts, build_processor
from mfaranet_ros.pipeline.processor import FrameProcessor, process_together
from mfaranet_ros.pipeline.style import Style, parse_remap
from mfaranet_ros.ros.camera_settings import CameraSettings
from mfaranet_ros.ros.camera_unit import CameraUnit, configured
from mfaranet_ros.ros.clock_watch import ClockWatch
from mfaranet_ros.ros.diagnostics import DiagnosticsPublisher
from mfaranet_ros.ros.failures import REFUSALS, explain
from mfaranet_ros.ros.logs import forward_logs
from mfaranet_ros.ros.parameters import NodeConfig, Parameters, refuse_misspelled

logger = logging.getLogger(__name__)

WATCH_PERIOD_S = 0.1
FRAME_IN_HAND_S = 5.0
BUILD_IN_HAND_S = 5.0

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class Consumer(Protocol):
    """What else uses the results of a node's cameras, such as the grid of a rig."""

    def configure(self, config: PipelineConfig) -> None:
        """Create its publishers; raises ConfigError for settings that do not go together."""
        ...

    def wanted(self) -> frozenset[Output]:
        """Return what it needs of every camera now."""
        ...

    def take(self, camera: CameraUnit, result: Result, config: PipelineConfig) -> None:
        """Use a result of a camera and the settings it was computed with."""
        ...

    def end_round(self) -> None:
        """Publish, after the results of a round were taken."""
        ...

    def watch(self) -> None:
        """Let nothing old stand."""
        ...

    def clear(self) -> None:
        """Forget everything, as the node is deactivated or the clock has jumped."""
        ...

    def statuses(self) -> Iterable[Status]:
        """Return its diagnostics."""
        ...

    def close(self) -> None:
        """Free what `configure` made."""
        ...


class CamerasNode(LifecycleNode):
    """The base of `segmentation` and `rig`; see docs/node.md and docs/rig.md.

    finish(exit_code): ends the process; used when the node starts by itself and cannot.
    build_pipeline: makes the pipeline of a config; tests give their own.
    Raises ConfigError for parameters that are unknown or out of range.
    """

    def __init__(
        self,
        name: str,
        finish: Callable[[int], None],
        *,
        build_pipeline: Callable[[PipelineConfig], FrameProcessor] = build_processor,
        **node_arguments: Any,
    ) -> None:
        super().__init__(name, **node_arguments)
        self._finish = finish
        self._build_pipeline = build_pipeline
        self._pipeline: AdaptivePipeline | None = None
        self._worker: RoundWorker[CameraUnit, Any] | None = None
        self._active = False
        self._node_settings = Parameters(self, NodeConfig())
        self._settings = Parameters(self, PipelineConfig(), self._take_over, self._check_change)
        self.cameras = tuple(
            CameraUnit(self, name, settings, self._settings.config)
            for name, settings in self._camera_settings()
        )
        self._consumers = tuple(self._make_consumers())
        refuse_misspelled(self)
        self._logs = forward_logs(self.get_logger())
        self._diagnostics = DiagnosticsPublisher(self, self.statuses)
        self.create_service(SetBool, '~/enable', partial(self._enable, self.cameras))
        for camera in self.cameras:
            if camera.name:
                callback = partial(self._enable, (camera,))
                self.create_service(SetBool, f'~/{camera.name}/enable', callback)
        # On a steady clock, which also runs while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)
        self._clock_watch = ClockWatch(self, self._clock_jumped)

    @abstractmethod
    def _camera_settings(self) -> Iterator[tuple[str, CameraSettings]]:
        """Yield name and settings of each camera."""
        ...

    def _make_consumers(self) -> Iterator[Consumer]:
        """Yield what else uses the results."""
        return iter(())

    # -- lifecycle --------------------------------------------------------------------------

    def start(self) -> None:
        """Walk to active, unless a lifecycle manager does that."""
        if not self._node_settings.config.autostart:
            return
        if self.trigger_configure() != SUCCESS or self.trigger_activate() != SUCCESS:
            self._finish(1)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load, build, warm up and test everything a frame will need."""
        return self._attempt('configure', self._configure, self._release)

    def _configure(self) -> None:
        config, node_config = self._settings.config, self._node_settings.config
        for camera in self.cameras:
            camera.configure(config, node_config)
        for consumer in self._consumers:
            consumer.configure(config)
        self._pipeline = AdaptivePipeline(config, self._build)
        self._style = self._make_style(config)
        self._enter('inactive')
        facts = ', '.join(f'{name} {value}' for name, value in self._pipeline.facts)
        self.get_logger().info(f'configured: {facts}')

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the cameras that ~/enable has not switched off."""
        return self._attempt('activate', self._activate, self._deactivate)

    def _activate(self) -> None:
        self._active = True
        label_set = configured(self._pipeline).label_set
        self._worker = RoundWorker(self._handle, self._fail)
        self._worker.start()
        for camera in self.cameras:
            camera.publish_labels(label_set, self._style)
            camera.open(partial(self._receive, camera))
        self.get_logger().info('active')

    def _attempt(
        self, name: str, transition: Callable[[], None], undo: Callable[[], None]
    ) -> TransitionCallbackReturn:
        """Make a transition; whatever it raises becomes a FAILURE with its reason in the log."""
        try:
            transition()
        except Exception as error:
            known = isinstance(error, (MfaranetError, *REFUSALS))
            text = explain(error) if known else f'{type(error).__name__}: {explain(error)}'
            self.get_logger().error(f'cannot {name}: {text}')
            if not known:
                logger.error('unexpected error', exc_info=error)
            undo()
            self._set_condition('transition', Condition(Level.ERROR, text))
            self._diagnostics.publish()
            return FAILURE
        self._set_condition('transition', None)
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe from the cameras; the network stays loaded."""
        self._deactivate()
        self.get_logger().info('inactive')
        return SUCCESS

    def _deactivate(self) -> None:
        self._active = False
        self._shut('inactive')

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the network and everything else that on_configure made."""
        self._release()
        self._enter('unconfigured')
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free everything."""
        self.close()
        self._enter('finalized')
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free what is left, so that the node can be configured again."""
        self.get_logger().error('a transition failed: the node is unconfigured again')
        self._active = False
        self._release()
        self._enter('unconfigured')
        return SUCCESS

    def close(self) -> None:
        """Stop and free everything, from any state."""
        self._active = False
        self._release()
        self._clock_watch.close()
        self._logs.close()

    def _shut(self, state: str) -> None:
        """Listen no more, finish the frames in hand, and let no old grid stand."""
        for camera in self.cameras:
            self._shut_camera(camera, state)
        if self._worker is not None:
            self._worker.stop(FRAME_IN_HAND_S)
            self._worker = None
        for consumer in self._consumers:
            consumer.clear()

    def _shut_camera(self, camera: CameraUnit, state: str) -> None:
        camera.unsubscribe()
        worker = self._worker
        if worker is not None and worker.withdraw(camera, FRAME_IN_HAND_S) is not None:
            camera.drop('deactivated')
        camera.enter(state)

    def _release(self) -> None:
        """Free what on_configure made, in mirror order."""
        self._shut('unconfigured')
        if self._pipeline is not None:
            self._pipeline.close(BUILD_IN_HAND_S)
        self._pipeline = None
        for consumer in self._consumers:
            consumer.close()
        for camera in self.cameras:
            camera.release()
        for name in ('change', 'left out'):
            self._set_condition(name, None)
        return_freed_memory()

    def _enter(self, state: str) -> None:
        for camera in self.cameras:
            camera.enter(state)

    def _set_condition(self, name: str, condition: Condition | None) -> None:
        """Set or end a condition of the network, which all cameras share."""
        for camera in self.cameras:
            camera.monitor.set_condition('model', name, condition)

    def _enable(
        self,
        cameras: Iterable[CameraUnit],
        request: SetBool.Request,
        response: SetBool.Response,
    ) -> SetBool.Response:
        for camera in cameras:
            camera.enabled = request.data
            if self._active and camera.enabled:
                camera.open(partial(self._receive, camera))
            elif self._active:
                self._shut_camera(camera, 'disabled by ~/enable')
        response.success = True
        response.message = 'enabled' if request.data else 'disabled: the camera is unsubscribed'
        return response

    # -- one round --------------------------------------------------------------------------

    def _receive(self, camera: CameraUnit, message: Any) -> None:
        """Take the newest image; runs in the executor's thread and does next to nothing."""
        if configured(self._worker).put(camera, message) is not None:
            camera.drop('replaced')

    def _handle(self, messages: Mapping[CameraUnit, Any]) -> None:
        """Process and publish the newest image of each camera; runs in the worker's thread."""
        elapsed_ms = stopwatch()
        for_all = frozenset().union(*(consumer.wanted() for consumer in self._consumers))
        wanted = {camera: camera.wanted() | for_all for camera in messages}
        for camera in messages:
            if not wanted[camera]:
                camera.drop(NOBODY)
        served = [camera for camera in messages if wanted[camera]]
        if not served:
            return
        pipeline = configured(self._pipeline)
        with pipeline.frame() as processor:
            jobs = [camera.job(processor, messages[camera], wanted[camera]) for camera in served]
            last: Result | StaleFrame | None = None
            for index, answer in process_together(jobs):
                self._serve(served[index], answer, jobs[index].processor.config, elapsed_ms)
                if isinstance(answer, Result | StaleFrame):
                    last = answer
            if last is not None:
                pipeline.account(last.frame, last.timings, elapsed_ms())
        for consumer in self._consumers:
            consumer.end_round()

    def _serve(
        self,
        camera: CameraUnit,
        answer: Result | Exception,
        config: PipelineConfig,
        elapsed_ms: Callable[[], float],
    ) -> None:
        """Publish the answer to one camera's image, or count its failure."""
        if isinstance(answer, Exception):
            camera.fail(answer)
            return
        try:
            camera.look_at(answer.frame)
            for consumer in self._consumers:
                consumer.take(camera, answer, config)
            camera.publish(answer, self._style, elapsed_ms)
        except Exception as error:
            camera.fail(error)

    def _fail(self, messages: Mapping[CameraUnit, Any], error: Exception) -> None:
        """Count the images of a round that failed as a whole."""
        for camera in messages:
            camera.fail(error)

    # -- around the frames ------------------------------------------------------------------

    def _check_change(self, old: PipelineConfig, new: PipelineConfig) -> None:
        """Raise ConfigError for a change that cannot be built or that the network cannot serve."""
        check_change(old, new)
        if self._pipeline is not None:
            self._pipeline.check(new)

    def _take_over(self, config: PipelineConfig) -> None:
        """Use changed settings from the next frame on."""
        for camera in self.cameras:
            camera.monitor.configure(config.latency)
        if self._pipeline is not None:
            self._pipeline.configure(config)
            self._style = self._make_style(config)

    def _build(self, config: PipelineConfig) -> FrameProcessor:
        """Build a processor that looks at this node's clock."""
        return dataclasses.replace(self._build_pipeline(config), now_ns=self._now_ns)

    def _clock_jumped(self, now_ns: int, is_back: bool) -> None:
        for camera in self.cameras:
            camera.clock_jumped(now_ns, is_back)
        for consumer in self._consumers:
            consumer.clear()

    def _make_style(self, config: PipelineConfig) -> Style:
        label_set = configured(self._pipeline).label_set
        return Style(
            label_set=label_set,
            remap=parse_remap(config.output.class_remap, label_set),
            palette=config.output.palette,
            overlay_alpha=config.output.overlay_alpha,
            base_frame=config.ground.base_frame,
        )

    def _watch(self) -> None:
        """Look after what must not stay as it is: an old grid, parameters that were refused."""
        for camera in self.cameras:
            camera.watch(self._settings.config.diagnostics.input_timeout_ms)
        for consumer in self._consumers:
            consumer.watch()
        if self._pipeline is not None and (running := self._pipeline.take_refused()):
            self._restore_parameters(running)

    def _restore_parameters(self, running: PipelineConfig) -> None:
        """Set the parameters back to what runs, after a change that cannot be built."""
        names = BUILT_FROM if running.latency.adapt else BUILT_FROM[:2]
        values = {name: value_of(running, name) for name in names}
        self.set_parameters_atomically([
            Parameter(name, value=list(value) if isinstance(value, tuple) else value)
            for name, value in values.items()
        ])  # fmt: skip

    def statuses(self) -> Iterable[Status]:
        """Return what /diagnostics shows of this node now."""
        config = self._settings.config
        facts: Facts = (('name', config.model.name),)
        state: OperatingPointsState | None = None
        if (pipeline := self._pipeline) is not None:
            state, facts = pipeline.state(), pipeline.facts
            self._report_changes(pipeline)
        found = [each for camera in self.cameras for each in camera.statuses(config, facts, state)]
        for consumer in self._consumers:
            found += consumer.statuses()
        return found

    def _report_changes(self, pipeline: AdaptivePipeline) -> None:
        """Say which operating points are being built, could not be, or were left out."""
        change = left_out = None
        if building := pipeline.building:
            text = f'{", ".join(building)} is being built while the current one runs'
            change = Condition(Level.OK, text)
        elif pipeline.problem:
            change = Condition(Level.WARN, pipeline.problem)
        if pipeline.left_out:
            text = f'left out of the operating points: {"; ".join(pipeline.left_out)}'
            left_out = Condition(Level.WARN, text)
        self._set_condition('change', change)
        self._set_condition('left out', left_out)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)
