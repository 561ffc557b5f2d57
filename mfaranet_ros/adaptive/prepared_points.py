# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The operating points as it stands ready: for each operating point a pipeline, built, tested,
warm and measured.

All operating points are built at once, so that changing from one to another between two frames
costs nothing. Which one is in force is the controller's choice.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import torch

from mfaranet_ros.adaptive.controller import Controller
from mfaranet_ros.adaptive.operating_points import (
    OperatingPoint,
    OperatingPointsState,
    check_order,
    operating_points_of,
)
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import LatencyConfig, PipelineConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.frame import Frame, Output, Timings
from mfaranet_ros.pipeline.build import Facts, build_processor, prepare
from mfaranet_ros.pipeline.processor import FrameProcessor

logger = logging.getLogger(__name__)

BuildPipeline = Callable[[PipelineConfig], FrameProcessor]

RUNS = 5
"""How often each operating point is measured; the quickest run counts, since in the others the
machine was busy with something else."""

USUAL_CAMERA = (720, 1280)
"""Height and width of the image that is measured with before the camera has sent one."""

LEAST_MS = 0.001
"""No operating point counts as quicker, so that the ratio of two is always a number."""


@dataclass(frozen=True)
class PreparedPoint:
    """An operating point that can take a frame at any time. measured_ms: from the camera's bytes
    to labels, None where it was not measured."""

    operating_point: OperatingPoint
    pipeline: FrameProcessor
    facts: Facts
    measured_ms: float | None = None


class PreparedPoints:
    """Operating points that stand ready, one of which is in force.

    operating points: at least one; all of them measured where there is more than one.
    adapt: whether the operating point in force follows the latency.
    left_out: why operating points of the config are not there, in words.
    """

    def __init__(
        self,
        operating_points: Sequence[PreparedPoint],
        *,
        adapt: bool = False,
        left_out: Sequence[str] = (),
    ) -> None:
        self.operating_points = tuple(operating_points)
        self.left_out = tuple(left_out)
        self.changes = 0
        costs_ms = [
            operating_point.measured_ms
            for operating_point in operating_points
            if operating_point.measured_ms is not None
        ]
        self._controller = Controller(costs_ms) if adapt else None

    @property
    def number(self) -> int:
        """The number of the operating point in force, from 0."""
        return self._controller.operating_point if self._controller else 0

    @property
    def in_force(self) -> PreparedPoint:
        """The operating point for the next frame."""
        return self.operating_points[self.number]

    @property
    def pipeline(self) -> FrameProcessor:
        """The pipeline for the next frame."""
        return self.in_force.pipeline

    def configure(self, config: PipelineConfig) -> None:
        """Use changed settings from the next frame on, but what the operating points are stays."""
        self.operating_points = tuple(
            replace(
                built,
                pipeline=built.pipeline.with_config(built.operating_point.applied_to(config)),
            )
            for built in self.operating_points
        )

    def account(
        self, timings: Timings, processing_ms: float, latency: LatencyConfig, now_s: float
    ) -> bool:
        """Take the times of a frame on the operating point in force; return whether that changed
        the operating point.

        processing_ms: all of the frame's time. now_s: on a clock that only goes forward.
        """
        if self._controller is None:
            return False
        before = self._controller.operating_point
        operating_point_ms = sum(
            stage_ms or 0.0
            for stage_ms in (timings.preprocess_ms, timings.inference_ms, timings.postprocess_ms)
        )
        number = self._controller.take(
            now_s,
            operating_point_ms,
            max(0.0, processing_ms - operating_point_ms),
            budget_ms=latency.budget_ms,
            period_s=latency.adapt_period_s,
        )
        self.changes += number != before
        return number != before

    def state(self) -> OperatingPointsState:
        """Say what stands ready and what is in force."""
        return OperatingPointsState(
            operating_points=tuple(str(built.operating_point) for built in self.operating_points),
            measured_ms=tuple(built.measured_ms for built in self.operating_points),
            number=self.number,
            adapt=self._controller is not None,
            changes=self.changes,
        )

    def close(self) -> None:
        """Free the device."""
        for built in self.operating_points:
            built.pipeline.close()


def prepare_points(
    config: PipelineConfig,
    build_pipeline: BuildPipeline = build_processor,
    *,
    camera: tuple[int, int] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> PreparedPoints:
    """Build, test, warm up and measure what a config asks for.

    camera: height and width of the camera's images, if they are known.
    clock_ns: measures the operating points.

    An operating point for which the device has not enough memory is left out if there are others
    to adapt with. Raises ConfigError, with the operating point's name, for all else that cannot be
    built, is not ordered by cost, or has another label set than the first operating point.
    """
    adapt = config.latency.adapt
    street = _street(camera or USUAL_CAMERA) if adapt or camera else None
    built: list[PreparedPoint] = []
    left_out: list[str] = []
    try:
        for operating_point in operating_points_of(config):
            try:
                built.append(_build(operating_point, config, build_pipeline, street))
            except _OutOfMemoryError as error:
                if not adapt:
                    raise
                left_out.append(str(error))
                logger.warning('left out of the operating points: %s', error)
        if not built:
            raise ConfigError(
                f'no operating point of latency.operating_points can be built: '
                f'{"; ".join(left_out)}'
            )
        _check_label_sets(built)
        if street is not None:
            built = _measured(built, street, clock_ns)
        if adapt:
            check_order(
                [one.operating_point for one in built], [one.measured_ms or 0.0 for one in built]
            )
    except BaseException:
        for one in built:
            one.pipeline.close()
        raise
    return PreparedPoints(built, adapt=adapt, left_out=left_out)


class _OutOfMemoryError(ConfigError):
    """The device has no room for an operating point."""


def _build(
    operating_point: OperatingPoint,
    config: PipelineConfig,
    build_pipeline: BuildPipeline,
    street: Frame | None,
) -> PreparedPoint:
    """Make an operating point's pipeline, test it, and run it once on an image of the camera's
    size."""
    pipeline: FrameProcessor | None = None
    try:
        pipeline = build_pipeline(operating_point.applied_to(config))
        pipeline = replace(pipeline, label=str(operating_point))
        facts = prepare(pipeline)
        if street is not None:
            replace(pipeline, now_ns=None)(street, (Output.MASK, Output.CONFIDENCE))
    except BaseException as error:
        if pipeline is not None:
            pipeline.close()
        if _is_out_of_memory(error):
            raise _OutOfMemoryError(
                f'operating point {str(operating_point)!r}: {error}'
            ) from error
        if config.latency.adapt and isinstance(error, MfaranetError):
            raise ConfigError(
                f'latency.operating_points, operating point {str(operating_point)!r}: {error}'
            ) from error
        raise
    return PreparedPoint(operating_point, pipeline, facts)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Say whether an error, or one that it comes from, is for want of memory.

    A backend puts torch's error into words of its own, so these count as well.
    """
    while error is not None:
        if isinstance(error, MemoryError | torch.OutOfMemoryError):
            return True
        if isinstance(error, MfaranetError) and 'out of memory' in str(error):
            return True
        error = error.__cause__
    return False


def _check_label_sets(built: Sequence[PreparedPoint]) -> None:
    first = built[0]
    for other in built[1:]:
        names = first.pipeline.label_set.name, other.pipeline.label_set.name
        if names[0] != names[1]:
            raise ConfigError(
                f'latency.operating_points: operating point {str(first.operating_point)!r} has '
                f'the label set {names[0]}, operating point '
                f'{str(other.operating_point)!r} {names[1]}: all operating points must have the '
                f'same one'
            )


def _measured(
    built: Sequence[PreparedPoint], street: Frame, clock_ns: Callable[[], int]
) -> list[PreparedPoint]:
    """Return the operating points with their times; they take turns, so that all meet the same
    machine."""
    times_ms: list[list[float]] = [[] for _ in built]
    pipelines = [replace(one.pipeline, now_ns=None) for one in built]
    for _ in range(RUNS):
        for number, times in enumerate(times_ms):
            start_ns = clock_ns()
            pipelines[number](street)
            times.append((clock_ns() - start_ns) / 1e6)
    pairs = zip(built, times_ms, strict=True)
    return [replace(one, measured_ms=max(min(times), LEAST_MS)) for one, times in pairs]


def _street(size: tuple[int, int]) -> Frame:
    """Return the frame of the self-test at another height and width."""
    frame = stored_frame()
    return replace(frame, pixels=cv2.resize(frame.pixels, size[::-1]).astype('uint8'))
