# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One camera of a node: its subscriptions, its outputs, its ground, its counts and its health.

A camera knows nothing of the other cameras of its node, so that whatever happens to one changes
nothing for the others. What they share, the network and the worker, is in cameras_node.py.
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from rclpy.node import Node

from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import DecodeError, InferenceError, StaleFrame
from mfaranet_ros.core.frame import Drivable, Frame, Output, Result, stamp_of
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.stopwatch import Laps
from mfaranet_ros.geometry.attitude_source import AttitudeSource
from mfaranet_ros.geometry.ground_source import GroundSource
from mfaranet_ros.monitoring import status
from mfaranet_ros.monitoring.health import look_at
from mfaranet_ros.monitoring.monitor import Condition, Level, Monitor, ProcessedFrame
from mfaranet_ros.monitoring.status import OperatingPointsState, Status
from mfaranet_ros.pipeline.build import Facts, memory_facts
from mfaranet_ros.pipeline.ego_mask import EgoMask, load_ego_mask
from mfaranet_ros.pipeline.processor import FrameProcessor, Job
from mfaranet_ros.pipeline.style import Style
from mfaranet_ros.ros.calibration import make_ground_source
from mfaranet_ros.ros.camera_input import CameraInput
from mfaranet_ros.ros.camera_settings import CameraSettings
from mfaranet_ros.ros.compatibility import lost_images_advice
from mfaranet_ros.ros.motion_input import MotionInput
from mfaranet_ros.ros.outputs import Outputs
from mfaranet_ros.ros.parameters import NodeConfig

logger = logging.getLogger(__name__)

THROTTLE_S = 5.0

T = TypeVar('T')


class CameraUnit:
    """One camera of a node.

    name: '' for the only camera of a node, whose topics then have no prefix.
    settings: those in which cameras of one node may differ.
    """

    def __init__(
        self, node: Node, name: str, settings: CameraSettings, config: PipelineConfig
    ) -> None:
        self.name = name
        self.enabled = True
        self.settings = settings
        config = settings.applied_to(config)
        self.monitor = Monitor(config.latency, config.diagnostics, lost_images_advice())
        self.ground: GroundSource | None = None
        self.outputs: Outputs | None = None
        self.attitude: AttitudeSource | None = None
        self._motion: MotionInput | None = None
        self._ego_mask: EgoMask | None = None
        self._range: Facts = ()
        self._node = node
        self._prefix = f'{name}/' if name else ''
        self._input: CameraInput | None = None
        self._misfits: dict[str, list[str]] = {}

    # -- lifecycle ---------------------------------------------------------------------------

    def configure(self, config: PipelineConfig, node_config: NodeConfig) -> None:
        """Create the publishers and the lookup of the ground; raises ConfigError."""
        self._ego_mask = load_ego_mask(self.settings.applied_to(config).input)
        self.ground = make_ground_source(self._node, config.ground.extrinsics, self._prefix)
        self.outputs = Outputs(self._node, node_config, self._prefix)
        if config.ground.attitude != 'none':
            self.attitude = AttitudeSource()
            self.attitude.configure(config.ground)
            self._motion = MotionInput(self._node, self.attitude, config.ground)

    def publish_labels(self, label_set: LabelSet, style: Style) -> None:
        """Publish what the values of the mask mean."""
        configured(self.outputs).publish_labels(label_set, style, self._now_ns())

    def open(self, on_image: Callable[[Any], None]) -> None:
        """Subscribe, where the camera is enabled and not subscribed already."""
        if not self.enabled or self._input is not None:
            return
        self.monitor.set_state('active', self._now_ns())
        self._input = CameraInput(
            self._node,
            self.settings.transport,
            self._prefix,
            on_message=self._received,
            on_image=on_image,
            on_camera_info=configured(self.ground).take_camera_info,
            on_lost=lambda count: self.monitor.frames_lost(count, self._now_ns()),
            on_error=self.fail,
            video_device=self.settings.video_device,
        )

    def unsubscribe(self) -> None:
        """Receive no more images."""
        if self._input is not None:
            for _ in range(self._input.close()):
                self.drop('deactivated')
            self._input = None

    def enter(self, state: str) -> None:
        """Enter a state in which no image is received, and let no old grid stand."""
        if self.outputs is not None:
            self.outputs.clear_grid(self._now_ns())
        self.monitor.set_state(state, self._now_ns())

    def release(self) -> None:
        """Free what `configure` made, in mirror order."""
        for part in (self._motion, self.outputs, self.ground):
            if part is not None:
                part.close()
        self.outputs = self.ground = self.attitude = self._motion = self._ego_mask = None
        self._range = ()
        self.monitor.set_condition('input', 'mount', None)

    # -- one frame ---------------------------------------------------------------------------

    def _received(self, message: Any) -> None:
        """Count an image or a packet of a video, each of which gets a result or a reason."""
        self.monitor.frame_received(stamp_of(message), self._now_ns())

    def wanted(self) -> frozenset[Output]:
        """Return what the subscribers of this camera's topics need."""
        return configured(self.outputs).wanted()

    def job(self, processor: FrameProcessor, message: Any, wanted: frozenset[Output]) -> Job:
        """Return an image with the ground and the settings of this camera."""
        config = self.settings.applied_to(processor.config)
        processor = dataclasses.replace(
            processor,
            ground=self.ground,
            attitude=self.attitude,
            config=config,
            ego_mask=self._ego_mask,
        )
        return Job(processor, message, wanted)

    def look_at(self, frame: Frame) -> None:
        """Record what an image looks like."""
        self.monitor.frame_seen(look_at(frame))

    def publish(self, result: Result, style: Style, elapsed_ms: Callable[[], float]) -> None:
        """Publish a result and count it; elapsed_ms(): since its image was taken."""
        outputs, lap = configured(self.outputs), Laps()
        topics = outputs.publish(result, style, configured(self.ground).camera_info)
        publish_ms = lap()
        frame = ProcessedFrame(result.stamp_ns, result.timings, elapsed_ms(), publish_ms, topics)
        now_ns, problem = self._now_ns(), result.drivable.problem
        condition = Condition(Level.WARN, problem) if problem else None
        self.monitor.frame_processed(frame, now_ns, time.monotonic_ns())
        self.monitor.set_condition('model', 'inference', None)
        self.monitor.set_condition('input', 'calibration', condition)
        self._report_range(result.drivable)
        outputs.publish_times(frame, (now_ns - frame.stamp_ns) / 1e6)

    def _report_range(self, drivable: Drivable) -> None:
        """Keep how far metres are good now, and warn of a camera that sits otherwise than said.

        Without a ground under the frame neither is known, and what was said before ends.
        """
        self._range = ()
        if drivable.metric_range_m is not None:
            self._range = (
                ('metric_range_m', f'{drivable.metric_range_m:.1f}'),
                ('metric_range_reason', drivable.range_reason),
            )
        problem = drivable.mount_problem
        condition = Condition(Level.WARN, problem) if problem else None
        self.monitor.set_condition('input', 'mount', condition)

    def drop(self, reason: str, text: str = '') -> None:
        """Count an image without a result."""
        self.monitor.frame_dropped(reason, self._now_ns(), text)

    def fail(self, error: Exception) -> None:
        """Count an image that failed; the next one may succeed."""
        ros_logger, text = self._node.get_logger(), str(error)
        of_camera = f'{self.name}: ' if self.name else ''
        if isinstance(error, StaleFrame):
            self.look_at(error.frame)
            self.drop('stale')
            return
        if isinstance(error, DecodeError):
            self.drop(f'decode_{error.reason}', text)
            ros_logger.warning(
                f'{of_camera}image refused: {text}', throttle_duration_sec=THROTTLE_S
            )
            return
        expected = isinstance(error, InferenceError)
        self.drop('inference' if expected else 'internal', text)
        self.monitor.set_condition('model', 'inference', Condition(Level.ERROR, text))
        ros_logger.error(f'{of_camera}frame dropped: {text}', throttle_duration_sec=THROTTLE_S)
        if not expected:
            logger.error('unexpected error', exc_info=error)

    # -- around the frames -------------------------------------------------------------------

    def watch(self, input_timeout_ms: float) -> None:
        """Clear a grid that has become too old, and look for a calibration sent before."""
        if self.outputs is not None:
            self.outputs.clear_old_grid(self._now_ns(), input_timeout_ms)
        if self._input is not None and configured(self.ground).camera_info is None:
            self._input.take_latched_camera_info()

    def clock_jumped(self, now_ns: int, is_back: bool) -> None:
        """Forget times that cannot be compared with the present one."""
        self.monitor.clock_jumped(now_ns, is_back)
        if self.ground is not None:
            self.ground.clear()
        if self.attitude is not None:
            self.attitude.clear()

    def statuses(
        self, config: PipelineConfig, facts: Facts, points: OperatingPointsState | None
    ) -> Iterable[Status]:
        """Return the statuses of this camera, named after it where it has a name.

        facts: what runs. points: the operating points; None while nothing is built.
        """
        config = self.settings.applied_to(config)
        if self._input is not None:
            missing = self._input.missing_publisher()
            condition = Condition(Level.ERROR, missing) if missing else None
            self.monitor.set_condition('input', 'publishers', condition)
            self._report_misfits('input', Level.ERROR, self._input.unusable())
            uncounted = self._input.uncounted()
            note = Condition(Level.OK, uncounted) if uncounted else None
            self.monitor.set_condition('input', 'uncounted', note)
        topics: tuple[status.OfferedTopic, ...] = ()
        if self.outputs is not None:
            self._report_misfits('output', Level.WARN, self.outputs.unserved())
            topics = self.outputs.offered()
        if self.ground is not None:
            facts = (*facts, ('extrinsics', self.ground.poses.name), *self._range, *memory_facts())
        snapshot = self.monitor.snapshot(self._now_ns())
        found = status.statuses(
            snapshot, config.latency, config.diagnostics, facts, points, topics
        )
        return map(self._named, found) if self.name else found

    def _named(self, found: Status) -> Status:
        if found.name.startswith('/'):
            return found
        node = self._node.get_fully_qualified_name()
        return dataclasses.replace(found, name=f'{node}/{self.name}: {found.name}')

    def _report_misfits(self, name: str, level: Level, problems: list[str]) -> None:
        """Complain about peers that do not fit, for as long as there are any."""
        for problem in problems:
            if problem not in self._misfits.get(name, ()):
                self._node.get_logger().warning(problem)
        self._misfits[name] = problems
        condition = Condition(level, '; '.join(problems)) if problems else None
        self.monitor.set_condition(name, 'misfits', condition)

    def _now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)


def configured(part: T | None) -> T:
    """Return a part that exists from configure to cleanup."""
    if part is None:
        raise RuntimeError('the node is not configured')
    return part
