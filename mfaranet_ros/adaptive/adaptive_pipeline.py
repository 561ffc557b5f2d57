# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Hands out the processor for the next frame, and changes it while frames run.

All operating points of a configuration are built, tested, warmed up and measured before the first
frame, so that stepping from one to another between two frames costs nothing. When settings ask for
other operating points, these are built in a thread beside the frames; then one reference is
replaced. A frame in progress keeps the processor it started with, whose operating points are
closed when it is done. What cannot be built changes nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import cv2
import torch

from mfaranet_ros.adaptive.controller import Controller
from mfaranet_ros.adaptive.operating_points import (
    OperatingPoint,
    check_order,
    operating_points_of,
)
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.frame import Frame, Output, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.worker import Worker
from mfaranet_ros.monitoring.status import OperatingPointsState
from mfaranet_ros.pipeline.build import Facts, build_processor, prepare
from mfaranet_ros.pipeline.processor import FrameProcessor

logger = logging.getLogger(__name__)

BuildProcessor = Callable[[PipelineConfig], FrameProcessor]

BUILT_FROM = ('model.scales', 'latency.adapt', 'latency.operating_points')
"""The live settings for which other operating points are built."""

RUNS = 5
"""Timed runs of each operating point; the quickest counts, as others were disturbed."""

USUAL_CAMERA = (720, 1280)
"""Height and width of the image that is measured with before the camera has sent one."""

LEAST_MS = 0.001
"""Lower bound of a measured time, so that the ratio of two is always a number."""


@dataclass(frozen=True, eq=False)
class PreparedPoint:
    """An operating point that is ready for frames.

    measured_ms: from camera bytes to labels, None where it was not measured.
    """

    operating_point: OperatingPoint
    processor: FrameProcessor
    facts: Facts
    measured_ms: float | None = None


@dataclass(frozen=True, eq=False)
class PreparedPoints:
    """The operating points of a configuration, ready for frames, the most costly first.

    left_out: why operating points of the configuration are not among them.
    """

    points: tuple[PreparedPoint, ...]
    left_out: tuple[str, ...] = ()

    def processors(self, config: PipelineConfig) -> tuple[FrameProcessor, ...]:
        """Return their processors with these live settings; what the points decide stays."""
        return tuple(
            point.processor.with_config(point.operating_point.applied_to(config))
            for point in self.points
        )

    def close(self) -> None:
        """Free the device."""
        for point in self.points:
            point.processor.close()


def prepare_points(
    config: PipelineConfig,
    build: BuildProcessor = build_processor,
    *,
    camera: tuple[int, int] | None = None,
    clock_ns: Callable[[], int] = time.perf_counter_ns,
) -> PreparedPoints:
    """Build, test, warm up and measure the operating points of a configuration.

    camera: height and width of the camera's images, if known. clock_ns: measures them.

    An operating point for which the device has not enough memory is left out if there are others
    to adapt with. Raises ConfigError, with the operating point's name, for anything else that
    cannot be built, is not ordered by cost, or has another label set than the first one.
    """
    adapt = config.latency.adapt
    image = _measuring_frame(camera or USUAL_CAMERA) if adapt or camera else None
    built: list[PreparedPoint] = []
    left_out: list[str] = []
    try:
        for operating_point in operating_points_of(config):
            try:
                built.append(_prepare_point(operating_point, config, build, image))
            except _OutOfMemoryError as error:
                if not adapt:
                    raise
                left_out.append(str(error))
                logger.warning('left out of the operating points: %s', error)
        if not built:
            raise ConfigError(
                'no operating point of latency.operating_points can be built: '
                f'{"; ".join(left_out)}'
            )
        _check_label_sets(built)
        if image is not None:
            built = _measured(built, image, clock_ns)
        if adapt:
            check_order(
                [one.operating_point for one in built], [one.measured_ms or 0.0 for one in built]
            )
    except BaseException:
        PreparedPoints(tuple(built)).close()
        raise
    return PreparedPoints(tuple(built), tuple(left_out))


class _OutOfMemoryError(ConfigError):
    """The device has no memory left for an operating point."""


def _prepare_point(
    operating_point: OperatingPoint,
    config: PipelineConfig,
    build: BuildProcessor,
    image: Frame | None,
) -> PreparedPoint:
    """Build and test one operating point, and run it once on an image of the camera's size."""
    label = str(operating_point)
    processor: FrameProcessor | None = None
    try:
        processor = replace(build(operating_point.applied_to(config)), label=label)
        facts = prepare(processor)
        if image is not None:
            _run(processor, image, Output.MASK, Output.CONFIDENCE)
    except BaseException as error:
        if processor is not None:
            processor.close()
        if _is_out_of_memory(error):
            raise _OutOfMemoryError(f'operating point {label!r}: {error}') from error
        if config.latency.adapt and isinstance(error, MfaranetError):
            raise ConfigError(
                f'latency.operating_points, operating point {label!r}: {error}'
            ) from error
        raise
    return PreparedPoint(operating_point, processor, facts)


def _run(processor: FrameProcessor, image: Frame, *wanted: Output) -> None:
    """Run one image of no camera, whose age does not matter."""
    replace(processor, now_ns=None)(image, wanted)


def _is_out_of_memory(error: BaseException | None) -> bool:
    """Return whether an error, or one that caused it, is a lack of memory.

    A backend raises an error with its own message for torch's, so these count as well.
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
        names = first.processor.label_set.name, other.processor.label_set.name
        if names[0] != names[1]:
            raise ConfigError(
                f'latency.operating_points: operating point {str(first.operating_point)!r} has '
                f'the label set {names[0]}, operating point {str(other.operating_point)!r} '
                f'{names[1]}: all operating points must have the same one'
            )


def _measured(
    built: Sequence[PreparedPoint], image: Frame, clock_ns: Callable[[], int]
) -> list[PreparedPoint]:
    """Return the operating points with their times; they take turns on the same machine."""
    times_ms: list[list[float]] = [[] for _ in built]
    for _ in range(RUNS):
        for one, times in zip(built, times_ms, strict=True):
            start_ns = clock_ns()
            _run(one.processor, image, Output.MASK)
            times.append((clock_ns() - start_ns) / 1e6)
    pairs = zip(built, times_ms, strict=True)
    return [replace(one, measured_ms=max(min(times), LEAST_MS)) for one, times in pairs]


def _measuring_frame(size: tuple[int, int]) -> Frame:
    """Return the frame of the self-test at another height and width."""
    frame = stored_frame()
    return replace(frame, pixels=cv2.resize(frame.pixels, size[::-1]).astype('uint8'))


class AdaptivePipeline:
    """Hands out the processor in force; safe to use from several threads.

    config: the settings to start with. build: makes the processor of a configuration.
    clock_ns: measures the operating points. now_s: a clock that only goes forward, by which the
    operating point is changed.

    Raises ConfigError, WeightsError or InferenceError if the first configuration cannot be built;
    later ones that cannot are reported by `problem` and `take_refused`.
    """

    def __init__(
        self,
        config: PipelineConfig,
        build: BuildProcessor = build_processor,
        *,
        clock_ns: Callable[[], int] = time.perf_counter_ns,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._clock_ns = clock_ns
        self._now_s = now_s
        self._lock = threading.Lock()
        self._camera: tuple[int, int] | None = None
        self._newest = self._requested = config
        self._use(prepare_points(config, build, clock_ns=clock_ns), config)
        self._in_use: PreparedPoints | None = None
        self._problem = ''
        self._refused = False
        self._closed = False
        self._builder: Worker[PipelineConfig] = Worker(self._replace, _log, 'build')
        self._builder.start()

    def _use(self, prepared: PreparedPoints, config: PipelineConfig) -> None:
        self._prepared, self._config, self._changes = prepared, config, 0
        self._processors = prepared.processors(self._newest)
        costs_ms = [one.measured_ms for one in prepared.points if one.measured_ms is not None]
        self._controller = Controller(costs_ms) if config.latency.adapt else None

    # -- in the thread of the frames -------------------------------------------------------------

    @contextmanager
    def frame(self) -> Iterator[FrameProcessor]:
        """Give the processor in force for one frame; only one frame at a time."""
        with self._lock:
            prepared = self._in_use = self._prepared
            processor = self._processors[self._number]
        try:
            yield processor
        finally:
            with self._lock:
                self._in_use = None
                left = prepared is not self._prepared or self._closed
            if left:
                prepared.close()

    def account(self, frame: Frame, timings: Timings, processing_ms: float) -> None:
        """Take the times of a frame, which may call for another operating point.

        processing_ms: all of its time. A frame whose result came too late to be published counts
        like any other; one that was dropped before the network ran says nothing.
        """
        self._camera = frame.size
        if timings.inference_ms is None:
            return
        stages = timings.preprocess_ms, timings.inference_ms, timings.postprocess_ms
        network_ms = sum(stage_ms or 0.0 for stage_ms in stages)
        with self._lock:
            latency, controller = self._newest.latency, self._controller
            if controller is None or self._in_use is not self._prepared:
                return
            before = controller.operating_point
            number = controller.take(
                self._now_s(),
                network_ms,
                max(0.0, processing_ms - network_ms),
                budget_ms=latency.budget_ms,
                period_s=latency.adapt_period_s,
            )
            self._changes += number != before
            label = self._processors[number].label
        if number != before:
            logger.info('operating point %s keeps the budget of %g ms', label, latency.budget_ms)

    # -- from any thread -------------------------------------------------------------------------

    @property
    def _number(self) -> int:
        return self._controller.operating_point if self._controller else 0

    @property
    def facts(self) -> Facts:
        """What is running now."""
        with self._lock:
            return self._prepared.points[self._number].facts

    @property
    def label_set(self) -> LabelSet:
        """What the values of the masks mean; no change at run time changes it."""
        return self._prepared.points[0].processor.label_set

    @property
    def left_out(self) -> tuple[str, ...]:
        """Why operating points of the configuration are not available, one sentence each."""
        return self._prepared.left_out

    @property
    def building(self) -> tuple[str, ...]:
        """The operating points that are being built beside the frames; empty if none are."""
        with self._lock:
            if _key(self._requested) == _key(self._config):
                return ()
            return tuple(map(str, operating_points_of(self._requested)))

    @property
    def problem(self) -> str:
        """Why the last change could not be made; empty if it could."""
        return self._problem

    def state(self) -> OperatingPointsState:
        """Return which operating points are ready and which one is in force."""
        with self._lock:
            points = self._prepared.points
            return OperatingPointsState(
                operating_points=tuple(one.processor.label for one in points),
                measured_ms=tuple(one.measured_ms for one in points),
                number=self._number,
                adapt=self._controller is not None,
                changes=self._changes,
            )

    def take_refused(self) -> PipelineConfig | None:
        """Return, once, the settings that stay in force after a change could not be made."""
        with self._lock:
            refused, self._refused = self._refused, False
            superseded = _key(self._requested) != _key(self._config)
            return self._config if refused and not superseded else None

    def configure(self, config: PipelineConfig) -> None:
        """Use changed settings from the next frame on, or start to build what they need."""
        with self._lock:
            self._newest = config
            self._processors = self._prepared.processors(config)
            if _key(config) == _key(self._requested):
                return
            self._requested, self._problem = config, ''
        self._builder.put(config)

    def close(self, timeout_s: float) -> None:
        """Free the device; operating points that are being built are closed when they are done."""
        with self._lock:
            self._closed = True
            in_hand = self._in_use is self._prepared
        self._builder.stop(timeout_s)
        if not in_hand:  # else it is closed when the frame is done
            self._prepared.close()

    # -- in the builder's thread -----------------------------------------------------------------

    def _replace(self, config: PipelineConfig) -> None:
        try:
            self._try(config)
        except Exception as error:
            if not isinstance(error, MfaranetError):
                _log(error)
            with self._lock:
                if self._closed or self._requested is not config:
                    return  # nobody waits for it any more
                self._requested, self._refused = self._config, True
                self._problem = (
                    f'the change of {" or ".join(BUILT_FROM)} failed, what ran before goes on: '
                    f'{error}'
                )
            logger.error('%s', self._problem)

    def _try(self, config: PipelineConfig) -> None:
        if _key(config) == _key(self._config):  # asked for, and taken back before it was built
            return
        prepared = prepare_points(
            config, self._build, camera=self._camera, clock_ns=self._clock_ns
        )
        with self._lock:
            wanted = self._requested is config and not self._closed
            problem = self._change_of_labels(prepared)
            unused = prepared
            if wanted and not problem:
                unused = self._prepared
                self._use(prepared, config)
            in_hand = unused is self._in_use
        if not in_hand:  # else it is closed when the frame is done
            unused.close()
        if wanted and problem:
            raise ConfigError(problem)
        if wanted:
            facts = ', '.join(f'{name} {value}' for name, value in self.facts)
            logger.info('changed without losing a frame to: %s', facts)

    def _change_of_labels(self, prepared: PreparedPoints) -> str:
        """Return why masks would suddenly mean something else, '' if they do not."""
        old, new = self.label_set.name, prepared.points[0].processor.label_set.name
        if old == new:
            return ''
        return (
            f'the label set would change from {old} to {new} while masks are published: '
            'clean up the node and configure it again'
        )


def _log(error: Exception) -> None:
    logger.error('unexpected error while operating points were built', exc_info=error)


def _key(config: PipelineConfig) -> tuple[bool, tuple[OperatingPoint, ...]]:
    """Return what operating points are built from; for equal keys nothing is built."""
    return config.latency.adapt, operating_points_of(config)
