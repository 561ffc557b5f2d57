# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The managed node `segmentation`: camera topic in, masks, drivable area and diagnostics out.

The node keeps what only a node can do: mailbox, lifecycle, parameters, publishing; the way of a
frame is in pipeline/processor.py. The executor's thread only swaps the newest image into a
mailbox, and one worker thread processes and publishes it. So parameters, services, lifecycle and
diagnostics answer while a frame is on the device.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from std_srvs.srv import SetBool

from mfaranet_ros.adaptive.adaptive_pipeline import BUILT_FROM, AdaptivePipeline
from mfaranet_ros.adaptive.operating_points import check_change
from mfaranet_ros.core.config import PipelineConfig, value_of
from mfaranet_ros.core.errors import DecodeError, InferenceError, MfaranetError, StaleFrame
from mfaranet_ros.core.frame import Result
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.core.worker import Worker
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.monitoring import status
from mfaranet_ros.monitoring.health import look_at
from mfaranet_ros.monitoring.monitor import NOBODY, Condition, Level, Monitor, ProcessedFrame
from mfaranet_ros.monitoring.status import OfferedTopic, OperatingPointsState
from mfaranet_ros.pipeline.build import Facts, build_processor, memory_facts
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style, parse_remap
from mfaranet_ros.ros.calibration import make_ground_source
from mfaranet_ros.ros.camera_input import CameraInput
from mfaranet_ros.ros.clock_watch import ClockWatch
from mfaranet_ros.ros.diagnostics import DiagnosticsPublisher
from mfaranet_ros.ros.failures import REFUSALS, explain
from mfaranet_ros.ros.logs import forward_logs
from mfaranet_ros.ros.outputs import Outputs
from mfaranet_ros.ros.parameters import NodeConfig, Parameters, refuse_misspelled

logger = logging.getLogger(__name__)

WATCH_PERIOD_S = 0.1
THROTTLE_S = 5.0
FRAME_IN_HAND_S = 5.0
BUILD_IN_HAND_S = 5.0

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


T = TypeVar('T')


class SegmentationNode(LifecycleNode):
    """See docs/node.md for its topics, parameters and diagnostics.

    finish(exit_code): ends the process; used when the node starts by itself and cannot.
    build_pipeline: makes the pipeline of a config; tests give their own.
    Raises ConfigError for parameters that are unknown or out of range.
    """

    def __init__(
        self,
        finish: Callable[[int], None],
        *,
        build_pipeline: Callable[[PipelineConfig], FrameProcessor] = build_processor,
        **node_arguments: Any,
    ) -> None:
        super().__init__('segmentation', **node_arguments)
        self._finish = finish
        self._build_pipeline = build_pipeline
        self._pipeline: AdaptivePipeline | None = None
        self._outputs: Outputs | None = None
        self._ground: GroundSource | None = None
        self._input: CameraInput | None = None
        self._worker: Worker[Any] | None = None
        self._enabled = True
        self._active = False
        self._misfits: dict[str, list[str]] = {}
        self._node_settings = Parameters(self, NodeConfig())
        self._settings = Parameters(self, PipelineConfig(), self._take_over, check_change)
        refuse_misspelled(self)
        config = self._settings.config
        self.monitor = Monitor(config.latency, config.diagnostics)
        self._logs = forward_logs(self.get_logger())
        self._diagnostics = DiagnosticsPublisher(self, self._report)
        self.create_service(SetBool, '~/enable', self._enable)
        # On a steady clock, which also runs while simulated time stands still.
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(WATCH_PERIOD_S, self._watch, clock=steady)
        self._clock_watch = ClockWatch(self, self._clock_jumped)

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
        self._ground = make_ground_source(self, config.ground.extrinsics)
        self._outputs = Outputs(self, node_config)
        self._pipeline = AdaptivePipeline(config, self._build)
        self._style = self._make_style(config)
        self._enter('inactive')
        facts = ', '.join(f'{name} {value}' for name, value in self._pipeline.facts)
        self.get_logger().info(f'configured: {facts}')

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe to the camera, unless ~/enable has switched the node off."""
        return self._attempt('activate', self._activate, self._deactivate)

    def _activate(self) -> None:
        self._active = True
        label_set = _configured(self._pipeline).label_set
        _configured(self._outputs).publish_labels(label_set, self._style, self._now_ns())
        self._open()
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
            self.monitor.set_condition('model', 'transition', Condition(Level.ERROR, text))
            self._diagnostics.publish()
            return FAILURE
        self.monitor.set_condition('model', 'transition', None)
        return SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe from the camera; the network stays loaded."""
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

    def _open(self) -> None:
        """Begin to listen, where the node is active and enabled."""
        if not (self._active and self._enabled) or self._input is not None:
            return
        self._enter('active')
        self._worker = Worker(self._handle, self._fail)
        self._worker.start()
        self._input = CameraInput(
            self,
            self._node_settings.config.input.transport,
            on_image=self._receive,
            on_camera_info=_configured(self._ground).take_camera_info,
            on_lost=lambda count: self.monitor.frames_lost(count, self._now_ns()),
        )

    def _shut(self, state: str) -> None:
        """Listen no more, finish the frame in hand, and let no old grid stand."""
        if self._input is not None:
            self._input.close()
            self._input = None
        if self._worker is not None:
            if self._worker.stop(FRAME_IN_HAND_S) is not None:
                self._drop('deactivated')
            self._worker = None
        if self._outputs is not None:
            self._outputs.clear_grid(self._now_ns())
        self._enter(state)

    def _release(self) -> None:
        """Free what on_configure made, in mirror order."""
        self._shut('unconfigured')
        if self._pipeline is not None:
            self._pipeline.close(BUILD_IN_HAND_S)
        for part in (self._outputs, self._ground):
            if part is not None:
                part.close()
        self._pipeline = self._outputs = self._ground = None
        for name in ('change', 'left out'):
            self.monitor.set_condition('model', name, None)

    def _enter(self, state: str) -> None:
        self.monitor.set_state(state, self._now_ns())

    def _enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self._enabled = request.data
        if self._enabled:
            self._open()
        elif self._active:
            self._shut('disabled by ~/enable')
        response.success = True
        response.message = 'enabled' if self._enabled else 'disabled: the camera is unsubscribed'
        return response

    # -- one frame --------------------------------------------------------------------------

    def _receive(self, message: Any) -> None:
        """Take the newest image; runs in the executor's thread and does next to nothing."""
        stamp = message.header.stamp
        self.monitor.frame_received(stamp.sec * 10**9 + stamp.nanosec, self._now_ns())
        if _configured(self._worker).put(message) is not None:
            self._drop('replaced')

    def _handle(self, message: Any) -> None:
        """Process and publish one image; runs in the worker's thread."""
        pipeline, outputs = _configured(self._pipeline), _configured(self._outputs)
        wanted = outputs.wanted()
        if not wanted:
            return self._drop(NOBODY)
        lap = Laps()
        with pipeline.frame() as processor:
            try:
                result = processor(message, wanted)
            except StaleFrame as stale:
                self.monitor.frame_seen(look_at(stale.frame))
                pipeline.account(stale.frame, stale.timings, lap())
                return self._drop('stale')
            publish_lap = Laps()
            camera_info = _configured(self._ground).camera_info
            topics = outputs.publish(result, self._style, camera_info)
            publish_ms, processing_ms = publish_lap(), lap()
            pipeline.account(result.frame, result.timings, processing_ms)
        frame = ProcessedFrame(result.stamp_ns, result.timings, processing_ms, publish_ms, topics)
        self._account(result, frame)
        return None

    def _account(self, result: Result, frame: ProcessedFrame) -> None:
        """Pass a frame that was published to the monitor and the debug topics."""
        now_ns, problem = self._now_ns(), result.drivable.problem
        condition = Condition(Level.WARN, problem) if problem else None
        self.monitor.frame_seen(look_at(result.frame))
        self.monitor.frame_processed(frame, now_ns, time.monotonic_ns())
        self.monitor.set_condition('model', 'inference', None)
        self.monitor.set_condition('input', 'calibration', condition)
        _configured(self._outputs).publish_times(frame, (now_ns - frame.stamp_ns) / 1e6)

    def _drop(self, reason: str, text: str = '') -> None:
        self.monitor.frame_dropped(reason, self._now_ns(), text)

    def _fail(self, error: Exception) -> None:
        """Count a frame that failed; the worker goes on with the next one."""
        ros_logger, text = self.get_logger(), str(error)
        if isinstance(error, DecodeError):
            self._drop(f'decode_{error.reason}', text)
            ros_logger.warning(f'image refused: {text}', throttle_duration_sec=THROTTLE_S)
            return
        expected = isinstance(error, InferenceError)
        self._drop('inference' if expected else 'internal', text)
        self.monitor.set_condition('model', 'inference', Condition(Level.ERROR, text))
        ros_logger.error(f'frame dropped: {text}', throttle_duration_sec=THROTTLE_S)
        if not expected:
            logger.error('unexpected error', exc_info=error)

    # -- around the frames ------------------------------------------------------------------

    def _take_over(self, config: PipelineConfig) -> None:
        """Use changed settings from the next frame on."""
        self.monitor.configure(config.latency)
        if self._pipeline is not None:
            self._pipeline.configure(config)
            self._style = self._make_style(config)

    def _build(self, config: PipelineConfig) -> FrameProcessor:
        """Build a processor that looks at this node's calibration and clock."""
        processor = self._build_pipeline(config)
        return dataclasses.replace(processor, ground=self._ground, now_ns=self._now_ns)

    def _clock_jumped(self, now_ns: int, is_back: bool) -> None:
        self.monitor.clock_jumped(now_ns, is_back)
        if self._ground is not None:
            self._ground.clear()

    def _make_style(self, config: PipelineConfig) -> Style:
        label_set = _configured(self._pipeline).label_set
        return Style(
            label_set=label_set,
            remap=parse_remap(config.output.class_remap, label_set),
            palette=config.output.palette,
            overlay_alpha=config.output.overlay_alpha,
            base_frame=config.ground.base_frame,
        )

    def _watch(self) -> None:
        """Look after what must not stay as it is: an old grid, parameters that were refused."""
        if self._outputs is not None:
            timeout_ms = self._settings.config.diagnostics.input_timeout_ms
            self._outputs.clear_old_grid(self._now_ns(), timeout_ms)
        if self._input is not None and _configured(self._ground).camera_info is None:
            self._input.take_latched_camera_info()
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

    def _report(self) -> Iterable[status.Status]:
        config = self._settings.config
        if self._input is not None:
            missing = self._input.missing_publisher()
            condition = Condition(Level.ERROR, missing) if missing else None
            self.monitor.set_condition('input', 'publishers', condition)
            self._report_misfits('input', Level.ERROR, self._input.unusable())
        state: OperatingPointsState | None = None
        topics: tuple[OfferedTopic, ...] = ()
        if self._pipeline is not None:
            state = self._pipeline.state()
            self._report_changes(self._pipeline)
        if self._outputs is not None:
            self._report_misfits('output', Level.WARN, self._outputs.unserved())
            topics = self._outputs.offered()
        snapshot = self.monitor.snapshot(self._now_ns())
        return status.statuses(
            snapshot, config.latency, config.diagnostics, self._model_facts(), state, topics
        )

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
        self.monitor.set_condition('model', 'change', change)
        self.monitor.set_condition('model', 'left out', left_out)

    def _model_facts(self) -> Facts:
        if self._pipeline is None or self._ground is None:
            return (('name', self._settings.config.model.name),)
        extrinsics = ('extrinsics', self._ground.poses.name)
        return (*self._pipeline.facts, extrinsics, *memory_facts())

    def _report_misfits(self, name: str, level: Level, problems: list[str]) -> None:
        """Complain about peers that do not fit, for as long as there are any."""
        for problem in problems:
            if problem not in self._misfits.get(name, ()):
                self.get_logger().warning(problem)
        self._misfits[name] = problems
        condition = Condition(level, '; '.join(problems)) if problems else None
        self.monitor.set_condition(name, 'misfits', condition)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)


def _configured(part: T | None) -> T:
    """Return a part that exists from configure to cleanup."""
    if part is None:
        raise RuntimeError('the node is not configured')
    return part
