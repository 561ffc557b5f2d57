"""Puts other rungs in the place of those that run, between two frames and without losing one.

What takes its time (loading, self-test, warming up, measuring) is done in a thread of its own
beside the frames; then one reference is replaced. The frame in hand keeps the ladder that it
began with, and once it is done the old ladder is closed. What cannot be built changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from mfaranet_ros.errors import ConfigError, MfaranetError
from mfaranet_ros.pipeline.built_ladder import BuiltLadder
from mfaranet_ros.pipeline.config import PipelineConfig
from mfaranet_ros.pipeline.ladder import Rung, rungs_of
from mfaranet_ros.pipeline.worker import Worker

logger = logging.getLogger(__name__)


class Changeover:
    """Holds the ladder that frames run on and replaces it when the settings ask for another.

    ladder: built for config. build: makes the next one, in the builder's thread.
    begun(config): called when there is another ladder to build.
    done(ladder), failed(error): called in the builder's thread when the change is made, or could
        not be; not for a change that another one overtook. None of the three may call back.
    """

    def __init__(
        self,
        ladder: BuiltLadder,
        config: PipelineConfig,
        build: Callable[[PipelineConfig], BuiltLadder],
        *,
        begun: Callable[[PipelineConfig], None],
        done: Callable[[BuiltLadder], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self._lock = threading.Lock()
        self._ladder = ladder
        self._config = self._newest = self._requested = config
        self._build = build
        self._begun = begun
        self._done = done
        self._failed = failed
        self._in_use: BuiltLadder | None = None
        self._closed = False
        self._builder: Worker[PipelineConfig] = Worker(self._replace, _log, 'build')
        self._builder.start()

    @contextmanager
    def frame(self) -> Iterator[BuiltLadder]:
        """Hold the ladder in force for one frame; only one frame at a time."""
        with self._lock:
            ladder = self._in_use = self._ladder
        try:
            yield ladder
        finally:
            with self._lock:
                self._in_use = None
                left = ladder is not self._ladder or self._closed
            if left:
                ladder.close()

    @property
    def ladder(self) -> BuiltLadder:
        """The ladder in force."""
        return self._ladder

    @property
    def config(self) -> PipelineConfig:
        """The config that the ladder in force was built for."""
        return self._config

    @property
    def building(self) -> bool:
        """Whether another ladder is on its way."""
        return _key(self._requested) != _key(self._config)

    def configure(self, config: PipelineConfig) -> None:
        """Take over changed settings from the next frame on, or begin to build what they need."""
        with self._lock:
            self._newest = config
            self._ladder.configure(config)
            if _key(config) == _key(self._requested):
                return
            self._requested = config
            self._begun(config)
        self._builder.put(config)

    def close(self, timeout_s: float) -> None:
        """Free the device; a ladder that is just being built is closed when it is done."""
        with self._lock:
            self._closed = True
            in_use = self._in_use
        self._builder.stop(timeout_s)
        if in_use is not self._ladder:
            self._ladder.close()

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
        ladder = self._build(config)
        with self._lock:
            wanted = self._requested is config and not self._closed
            problem = self._problem(ladder)
            old = self._ladder
            if wanted and not problem:
                ladder.configure(self._newest)
                self._ladder, self._config = ladder, config
            unused = old if self._ladder is ladder else ladder
            in_hand = unused is self._in_use
        if not in_hand:  # else it is closed when the frame is done
            unused.close()
        if wanted and problem:
            raise ConfigError(problem)
        self._tell_done(config)

    def _tell_done(self, config: PipelineConfig) -> None:
        with self._lock:
            if self._requested is config and not self._closed:
                self._done(self._ladder)

    def _problem(self, ladder: BuiltLadder) -> str:
        """Say why masks would mean something else all of a sudden, '' if they do not."""
        old, new = (one.pipeline.label_set.name for one in (self._ladder, ladder))
        if old == new:
            return ''
        return (
            f'the label set would change from {old} to {new} while masks are published: '
            'clean the node up and configure it anew'
        )


def _log(error: Exception) -> None:
    logger.error('unexpected error while rungs were built', exc_info=error)


def _key(config: PipelineConfig) -> tuple[bool, tuple[Rung, ...]]:
    """Return what a ladder is built from; for equal keys none need be built."""
    return config.latency.adapt, rungs_of(config)
