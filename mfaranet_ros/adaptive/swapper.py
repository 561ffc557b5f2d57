# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Puts other operating points in the place of those that run, between two frames and without
losing one.

What takes its time (loading, self-test, warming up, measuring) is done in a thread of its own
beside the frames; then one reference is replaced. The frame in hand keeps the operating points
that it began with, and once it is done the old operating points is closed. What cannot be built
changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mfaranet_ros.adaptive.operating_points import OperatingPoint, operating_points_of
from mfaranet_ros.adaptive.prepared_points import PreparedPoints
from mfaranet_ros.core.config import PipelineConfig
from mfaranet_ros.core.errors import ConfigError, MfaranetError
from mfaranet_ros.core.worker import Worker

logger = logging.getLogger(__name__)


class PipelineSwapper:
    """Holds the operating points that frames run on and replaces it when the settings ask for
    another.

    operating points: built for config. build: makes the next one, in the builder's thread.
    begun(config): called when there is another operating points to build.
    done(operating points), failed(error): called in the builder's thread when the change is made,
        or could not be; not for a change that another one overtook. None of the three may call
        back.
    """

    def __init__(
        self,
        operating_points: PreparedPoints,
        config: PipelineConfig,
        build: Callable[[PipelineConfig], PreparedPoints],
        *,
        begun: Callable[[PipelineConfig], None],
        done: Callable[[PreparedPoints], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._lock = threading.Lock()
        self._operating_points = operating_points
        self._config = self._newest = self._requested = config
        self._build = build
        self._begun = begun
        self._done = done
        self._failed = failed
        self._in_use: PreparedPoints | None = None
        self._closed = False
        self._builder: Worker[PipelineConfig] = Worker(self._replace, _log, 'build')
        self._builder.start()

    @contextmanager
    def frame(self) -> Iterator[PreparedPoints]:
        """Hold the operating points in force for one frame; only one frame at a time."""
        with self._lock:
            operating_points = self._in_use = self._operating_points
        try:
            yield operating_points
        finally:
            with self._lock:
                self._in_use = None
                left = operating_points is not self._operating_points or self._closed
            if left:
                operating_points.close()

    @property
    def operating_points(self) -> PreparedPoints:
        """The operating points in force."""
        return self._operating_points

    @property
    def config(self) -> PipelineConfig:
        """The config that the operating points in force was built for."""
        return self._config

    @property
    def building(self) -> bool:
        """Whether another operating points is on its way."""
        return _key(self._requested) != _key(self._config)

    def configure(self, config: PipelineConfig) -> None:
        """Take over changed settings from the next frame on, or begin to build what they need."""
        with self._lock:
            self._newest = config
            self._operating_points.configure(config)
            if _key(config) == _key(self._requested):
                return
            self._requested = config
            self._begun(config)
        self._builder.put(config)

    def close(self, timeout_s: float) -> None:
        """Free the device; an operating points that is just being built is closed when it is
        done."""
        with self._lock:
            self._closed = True
            in_use = self._in_use
        self._builder.stop(timeout_s)
        if in_use is not self._operating_points:
            self._operating_points.close()

    # -- in the builder's thread ------------------------------------------------------------

    def _replace(self, config: PipelineConfig) -> None:
        try:
            self._try(config)
        except Exception as error:
            if not isinstance(error, MfaranetError):
                _log(error)
            with self._lock:
                if self._closed or self._requested is not config:
                    return  # nobody waits for it any more
                self._requested = self._config
                self._failed(error)

    def _try(self, config: PipelineConfig) -> None:
        if _key(config) == _key(self._config):  # asked for, and taken back before it was built
            self._tell_done(config)
            return
        operating_points = self._build(config)
        with self._lock:
            wanted = self._requested is config and not self._closed
            problem = self._problem(operating_points)
            old = self._operating_points
            if wanted and not problem:
                operating_points.configure(self._newest)
                self._operating_points, self._config = operating_points, config
            unused = old if self._operating_points is operating_points else operating_points
            in_hand = unused is self._in_use
        if not in_hand:  # else it is closed when the frame is done
            unused.close()
        if wanted and problem:
            raise ConfigError(problem)
        self._tell_done(config)

    def _tell_done(self, config: PipelineConfig) -> None:
        with self._lock:
            if self._requested is config and not self._closed:
                self._done(self._operating_points)

    def _problem(self, operating_points: PreparedPoints) -> str:
        """Say why masks would mean something else all of a sudden, '' if they do not."""
        old, new = (
            one.pipeline.label_set.name for one in (self._operating_points, operating_points)
        )
        if old == new:
            return ''
        return (
            f'the label set would change from {old} to {new} while masks are published: '
            'clean the node up and configure it anew'
        )


def _log(error: Exception) -> None:
    logger.error('unexpected error while operating points were built', exc_info=error)


def _key(config: PipelineConfig) -> tuple[bool, tuple[OperatingPoint, ...]]:
    """Return what an operating points is built from; for equal keys none need be built."""
    return config.latency.adapt, operating_points_of(config)
