# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Counts, rates, ages and stage times of all frames, for the diagnostics.

The monitor records; status.py words its snapshot. Every frame that arrives is counted once as
received and later once as processed or as dropped for one reason, so that

    received == processed + sum(dropped) + pending

holds at any moment. Ages and rates are on the node's clock, which may be simulated; processing
times are on the steady clock. The two are never mixed.
"""

from __future__ import annotations

import enum
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from mfaranet_ros.core.config import DiagnosticsConfig, LatencyConfig
from mfaranet_ros.core.frame import Timings
from mfaranet_ros.monitoring.health import FrameHealth

FUTURE_TOLERANCE_MS = 50.0
"""How far a stamp may be ahead of the node's clock before the clocks count as not synchronised."""

PROCESSING = 'processing_time'
"""The stage that spans all others: from taking an image to its last published message."""

RECENT_NS = 10 * 10**9
"""How long a single event is reported; its count stays."""

OUTAGE_NS, OUTAGE_INTERVALS = 10**9, 5
"""A silence longer than both, the second in mean intervals, starts a new rate."""

NOBODY = 'no_subscriber'
"""The drop reason of frames for which no output topic has a subscriber."""


class Level(enum.IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Condition:
    """Something worth reporting for as long as it holds, such as a missing calibration."""

    level: Level
    text: str


@dataclass(frozen=True)
class PublishedTopic:
    """One message of a result: the full name of its topic, and the stage that published it."""

    topic: str
    stage: str
    elapsed_ms: float


@dataclass(frozen=True)
class ProcessedFrame:
    """A frame whose results were published.

    processing_ms: from taking the image to its last message. publish_ms: its last part.
    """

    stamp_ns: int
    timings: Timings
    processing_ms: float
    publish_ms: float
    topics: tuple[PublishedTopic, ...] = ()

    def stages(self) -> Iterator[tuple[str, float]]:
        """Yield name and milliseconds of each stage that ran."""
        yield PROCESSING, self.processing_ms
        yield from self.timings.items()
        yield 'publish', self.publish_ms
        yield from ((topic.stage, topic.elapsed_ms) for topic in self.topics)


@dataclass(frozen=True)
class TopicState:
    """What went out on one topic: rates by the node's clock and by stamps, age of the last."""

    topic: str
    rate_hz: float | None
    rate_msg_hz: float | None
    delay_ms: float
    age_ms: float | None


@dataclass(frozen=True)
class Spread:
    """Percentiles of one time over the window, in milliseconds."""

    last: float
    p50: float
    p95: float
    p99: float
    max: float


@dataclass(frozen=True)
class Snapshot:
    """What the monitor has recorded by one moment; ages and rates on the node's clock.

    lost_advice: what helps against lost frames.
    dropped, warned: counts by reason. spreads, stage_counts: by stage.
    recent: the events of the last RECENT_NS: drop reasons, `lost` and those of the stamps.
    """

    state: str
    received: int
    processed: int
    pending: int
    lost: int
    lost_advice: str
    dropped: Mapping[str, int]
    warned: Mapping[str, int]
    conditions: Mapping[str, tuple[Condition, ...]]
    spreads: Mapping[str, Spread]
    stage_counts: Mapping[str, int]
    capture_to_publish: Spread | None
    consecutive_delay_ms: float
    input_rate_hz: float | None
    output_rate_hz: float | None
    output_rate_msg_hz: float | None
    input_age_ms: float | None
    output_age_ms: float | None
    active_ms: float
    idle: bool
    last_refusal: str
    recent: frozenset[str]
    health: FrameHealth | None
    identical_frames: int
    future_ms: float
    topics: tuple[TopicState, ...]

    @property
    def dropped_in_all(self) -> int:
        """Frames that were dropped for any reason, or lost on the way here."""
        return sum(self.dropped.values()) + self.lost


class Window:
    """The last values of a quantity."""

    def __init__(self, size: int) -> None:
        self.values: deque[float] = deque(maxlen=size)

    def spread(self) -> Spread | None:
        """Return the percentiles of the values; None without any."""
        if not self.values:
            return None
        values = np.fromiter(self.values, float)
        p50, p95, p99 = (float(p) for p in np.percentile(values, (50, 95, 99)))
        return Spread(float(values[-1]), p50, p95, p99, float(values.max()))


class RateEstimator:
    """The rate of something that happens again and again, over its last `size` moments.

    An outage, or a jump of the clock, begins a new rate: what was before it does not count.
    """

    def __init__(self, size: int) -> None:
        self._moments_ns: deque[int] = deque(maxlen=size)
        self._counted_from_ns: int | None = None

    def tick(self, now_ns: int) -> None:
        """Count one more at this moment."""
        moments = self._moments_ns
        if moments and (now_ns < moments[-1] or self._is_outage(now_ns)):
            moments.clear()
        elif len(moments) == 2 and _is_outage(moments[1] - moments[0], now_ns - moments[1]):
            moments.popleft()
        moments.append(now_ns)

    def _is_outage(self, now_ns: int) -> bool:
        """Whether the time since the last moment is too long for the rate so far."""
        intervals = len(self._moments_ns) - 1
        if intervals == 0:
            return False  # there is no rate yet
        first, last = self._moments_ns[0], self._moments_ns[-1]
        return _is_outage(now_ns - last, (last - first) / intervals)

    def restart(self, now_ns: int) -> None:
        """Forget the rate; the age of the last one counts from now."""
        if self._moments_ns:
            self._counted_from_ns = now_ns
        self._moments_ns.clear()

    def rate_hz(self, now_ns: int) -> float | None:
        """Return the rate over the window up to now, which falls when nothing comes any more.

        None before the second moment.
        """
        if len(self._moments_ns) < 2:
            return None
        first, last = self._moments_ns[0], self._moments_ns[-1]
        intervals = len(self._moments_ns) - 1
        mean_ns = (last - first) / intervals
        span_ns = max(last - first, now_ns - mean_ns - first)
        return intervals * 1e9 / span_ns if span_ns > 0 else None

    def age_ms(self, now_ns: int) -> float | None:
        """Return the time since the last one; None if there was none."""
        last_ns = self._moments_ns[-1] if self._moments_ns else self._counted_from_ns
        return None if last_ns is None else (now_ns - last_ns) / 1e6


def _is_outage(silence_ns: float, interval_ns: float) -> bool:
    return silence_ns > max(OUTAGE_NS, OUTAGE_INTERVALS * interval_ns)


class _Topic:
    """What went out on one topic."""

    def __init__(self, size: int) -> None:
        self.times = RateEstimator(size)
        self.stamps = RateEstimator(size)
        self.delay_ms = 0.0

    def state(self, topic: str, now_ns: int) -> TopicState:
        return TopicState(
            topic,
            self.times.rate_hz(now_ns),
            self.stamps.rate_hz(0),
            self.delay_ms,
            self.times.age_ms(now_ns),
        )


class Monitor:
    """Records what happens to frames; safe to use from several threads.

    lost_advice: what helps where images are lost between publisher and node.
    """

    def __init__(
        self, latency: LatencyConfig, diagnostics: DiagnosticsConfig, lost_advice: str = ''
    ) -> None:
        self._lock = threading.Lock()
        self._lost_advice = lost_advice
        self._latency = latency
        self._size = diagnostics.window
        self._state = 'unconfigured'
        self._conditions: dict[str, dict[str, Condition]] = {}
        self._clear(active_since_ns=0)

    def _clear(self, active_since_ns: int) -> None:
        self._received = self._processed = self._lost = 0
        self._dropped: Counter[str] = Counter()
        self._warned: Counter[str] = Counter()
        self._stage_counts: Counter[str] = Counter()
        self._times: dict[str, Window] = {}
        self._capture_to_publish = Window(self._size)
        self._input = RateEstimator(self._size)
        self._output = RateEstimator(self._size)
        self._output_stamps = RateEstimator(self._size)
        self._topics: dict[str, _Topic] = {}
        self._over_budget_ms = 0.0
        self._over_since_ns: int | None = None
        self._idle = False
        self._last_refusal = ''
        self._last_stamp_ns: int | None = None
        self._last_at_ns: dict[str, int] = {}
        self._future_ms = 0.0
        self._health: FrameHealth | None = None
        self._identical_frames = 1
        self._active_since_ns = active_since_ns

    # -- events, from the node -------------------------------------------------------------

    def configure(self, latency: LatencyConfig) -> None:
        """Use another budget from now on."""
        with self._lock:
            self._latency = latency

    def set_state(self, state: str, now_ns: int) -> None:
        """Enter a lifecycle state; counts start from zero when it is `active`.

        Conditions of `input` and `output` end: they are about subscriptions and publishers of the
        state before.
        """
        with self._lock:
            self._state = state
            for status in ('input', 'output'):
                self._conditions.pop(status, None)
            if state == 'active':
                self._clear(now_ns)

    def set_condition(self, status: str, name: str, condition: Condition | None) -> None:
        """Set or end (None) a named condition of one status, such as `input` or `model`."""
        with self._lock:
            conditions = self._conditions.setdefault(status, {})
            if condition is None:
                conditions.pop(name, None)
            else:
                conditions[name] = condition

    def clock_jumped(self, now_ns: int, is_back: bool) -> None:
        """Restart ages and rates: times before the clock's jump cannot be compared with now.

        Counts of frames stay. is_back: it went back; else it was published for the first time.
        """
        with self._lock:
            self._warned['clock_jumped_back'] += is_back
            for rate in (self._input, self._output, self._output_stamps):
                rate.restart(now_ns)
            self._topics.clear()
            self._capture_to_publish.values.clear()
            self._last_at_ns.clear()
            self._last_stamp_ns = None
            self._future_ms = 0.0
            self._active_since_ns = now_ns

    def frame_received(self, stamp_ns: int, now_ns: int) -> None:
        """Count an image message and check its stamp."""
        with self._lock:
            self._received += 1
            self._input.tick(now_ns)
            if stamp_ns == 0:
                self._warned['stamp_zero'] += 1
                self._last_at_ns['stamp_zero'] = now_ns
            elif self._last_stamp_ns is not None and stamp_ns < self._last_stamp_ns:
                self._warned['stamp_jumped_back'] += 1
                self._last_at_ns['stamp_jumped_back'] = now_ns
            elif stamp_ns == self._last_stamp_ns:
                self._warned['stamp_repeated'] += 1
            self._last_stamp_ns = stamp_ns
            self._future_ms = max(0.0, (stamp_ns - now_ns) / 1e6)
            if self._future_ms > FUTURE_TOLERANCE_MS:
                self._warned['stamp_in_future'] += 1

    def frames_lost(self, count: int, now_ns: int) -> None:
        """Count frames that were sent but never reached this process."""
        with self._lock:
            self._lost += count
            self._last_at_ns['lost'] = now_ns

    def frame_dropped(self, reason: str, now_ns: int, text: str = '') -> None:
        """Count a received frame without a result; the text is kept for the diagnostics."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_at_ns[reason] = now_ns
            self._idle = reason == NOBODY
            if text:
                self._last_refusal = text

    def frame_seen(self, health: FrameHealth) -> None:
        """Record what a decoded frame looks like."""
        with self._lock:
            same = self._health is not None and health.fingerprint == self._health.fingerprint
            self._identical_frames = self._identical_frames + 1 if same else 1
            self._health = health

    def frame_processed(self, frame: ProcessedFrame, now_ns: int, steady_ns: int) -> None:
        """Count a frame whose results were published.

        steady_ns: the steady clock, by which the time over the budget is measured.
        """
        with self._lock:
            self._processed += 1
            self._idle = False
            for stage, elapsed_ms in frame.stages():
                self._stage_counts[stage] += 1
                self._times.setdefault(stage, Window(self._size)).values.append(elapsed_ms)
            age_ms = (now_ns - frame.stamp_ns) / 1e6
            if age_ms >= -FUTURE_TOLERANCE_MS:  # else it is not known
                self._capture_to_publish.values.append(age_ms)
            self._output.tick(now_ns)
            self._output_stamps.tick(frame.stamp_ns)
            for published in frame.topics:
                topic = self._topics.setdefault(published.topic, _Topic(self._size))
                topic.times.tick(now_ns)
                topic.stamps.tick(frame.stamp_ns)
                topic.delay_ms = age_ms
            self._check_budget(frame.processing_ms, steady_ns)

    def _check_budget(self, processing_ms: float, steady_ns: int) -> None:
        if processing_ms <= self._latency.budget_ms:
            self._over_since_ns, self._over_budget_ms = None, 0.0
            return
        if self._over_since_ns is None:
            self._over_since_ns = steady_ns - int(processing_ms * 1e6)
        self._over_budget_ms = (steady_ns - self._over_since_ns) / 1e6

    # -- reports ----------------------------------------------------------------------

    @property
    def identical_frames(self) -> int:
        """How many frames in a row, the last one included, looked the same."""
        with self._lock:
            return self._identical_frames

    def output_age_ms(self, now_ns: int) -> float | None:
        """Return the time since the last result was published; None if there was none."""
        with self._lock:
            return self._output.age_ms(now_ns)

    def snapshot(self, now_ns: int) -> Snapshot:
        """Return everything recorded so far; now_ns: the node's clock."""
        with self._lock:
            spreads = {stage: window.spread() for stage, window in self._times.items()}
            return Snapshot(
                state=self._state,
                received=self._received,
                processed=self._processed,
                pending=self._received - self._processed - self._dropped.total(),
                lost=self._lost,
                lost_advice=self._lost_advice,
                dropped=dict(self._dropped),
                warned=dict(self._warned),
                conditions={name: tuple(c.values()) for name, c in self._conditions.items()},
                spreads={stage: spread for stage, spread in spreads.items() if spread},
                stage_counts=dict(self._stage_counts),
                capture_to_publish=self._capture_to_publish.spread(),
                consecutive_delay_ms=self._over_budget_ms,
                input_rate_hz=self._input.rate_hz(now_ns),
                output_rate_hz=self._output.rate_hz(now_ns),
                output_rate_msg_hz=self._output_stamps.rate_hz(0),
                input_age_ms=self._input.age_ms(now_ns),
                output_age_ms=self._output.age_ms(now_ns),
                active_ms=(now_ns - self._active_since_ns) / 1e6,
                idle=self._idle,
                last_refusal=self._last_refusal,
                health=self._health,
                identical_frames=self._identical_frames,
                recent=frozenset(
                    name
                    for name, at_ns in self._last_at_ns.items()
                    if abs(now_ns - at_ns) < RECENT_NS
                ),
                future_ms=self._future_ms,
                topics=tuple(t.state(name, now_ns) for name, t in self._topics.items()),
            )
