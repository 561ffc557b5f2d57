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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from mfaranet_ros.adaptive.controller import Controller
from mfaranet_ros.adaptive.operating_points import (
    OperatingPoint,
    operating_points_of,
)
from mfaranet_ros.adaptive.prepared_points import BuildProcessor, PreparedPoints, prepare_points
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.core.rounds import RoundWorker
from mfaranet_ros.monitoring.status import OperatingPointsState
from mfaranet_ros.pipeline.build import Facts, build_processor, check_confidence
from mfaranet_ros.pipeline.processor import FrameProcessor

logger = logging.getLogger(__name__)

BUILT_FROM = ('model.scales', 'latency.adapt', 'latency.operating_points')
"""The live settings for which other operating points are built."""

NEWEST = 'newest'
"""The only source of the builder's rounds: the settings that were changed last."""


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
        self._builder: RoundWorker[str, PipelineConfig] = RoundWorker(self._replace, _log, 'build')
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

    def check(self, config: PipelineConfig) -> None:
        """Raise ConfigError for settings that the networks in use cannot serve."""
        for point in self._prepared.points:
            check_confidence(point.processor.network, config)

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
        self._builder.put(NEWEST, config)

    def close(self, timeout_s: float) -> None:
        """Free the device; operating points that are being built are closed when they are done."""
        with self._lock:
            self._closed = True
            in_hand = self._in_use is self._prepared
        self._builder.stop(timeout_s)
        if not in_hand:  # else it is closed when the frame is done
            self._prepared.close()

    # -- in the builder's thread -----------------------------------------------------------------

    def _replace(self, configs: Mapping[str, PipelineConfig]) -> None:
        config = configs[NEWEST]
        try:
            self._try(config)
        except Exception as error:
            if not isinstance(error, MfaranetError):
                _log(configs, error)
            with self._lock:
                if self._closed or self._requested is not config:
                    return  # nobody waits for it any more
                self._requested, self._refused = self._config, True
                self._problem = (
                    f'the change of {" or ".join(BUILT_FROM)} failed; '
                    f'the previous settings stay in force: {error}'
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


def _log(_: object, error: Exception) -> None:
    logger.error('unexpected error while operating points were built', exc_info=error)


def _key(config: PipelineConfig) -> tuple[bool, tuple[OperatingPoint, ...]]:
    """Return what operating points are built from; for equal keys nothing is built."""
    return config.latency.adapt, operating_points_of(config)
