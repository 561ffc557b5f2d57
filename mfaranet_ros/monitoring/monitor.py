# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What happened to every frame: counts, rates, ages and stage times, for truthful diagnostics.

The monitor only records; status.py puts its snapshot into words. Every frame that arrives is
counted once as received and, later, once as processed or as dropped for one reason, so that

    received == processed + sum(dropped) + pending

holds at any moment. Times of the node's clock (which may be simulated) and of the steady clock
are never mixed: the first give ages and rates, the second processing times.
"""

from __future__ import annotations

import enum
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mfaranet_ros.core.config import DiagnosticsConfig, LatencyConfig
from mfaranet_ros.monitoring.health import FrameHealth

FUTURE_TOLERANCE_MS = 50.0
"""A stamp further ahead of the node's clock than this means that two clocks are not in step."""

PROCESSING = 'processing_time'
"""The stage that spans all others: from taking a message to its last published result."""


RECENT_NS = 10 * 10**9
"""How long a single event is reported; its count stays."""

NOBODY = 'no_subscriber'
"""The reason of frames that are not processed because no output has a subscriber."""


class Level(enum.IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Condition:
    """Something that is wrong for as long as it holds, for example a missing calibration."""

    level: Level
    text: str


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
    """All that the monitor knows at one moment; ages and rates on the node's clock.

    recent: the events of the last RECENT_NS: drop reasons, `lost` and those of the stamps.
    """

    state: str
    received: int
    processed: int
    pending: int
    lost: int
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


class Window:
    """The last values of a quantity, and the rate at which they came."""

    def __init__(self, size: int) -> None:
        self.values: deque[float] = deque(maxlen=size)

    def spread(self) -> Spread | None:
        if not self.values:
            return None
        values = np.fromiter(self.values, float)
        p50, p95, p99 = (float(p) for p in np.percentile(values, (50, 95, 99)))
        return Spread(float(values[-1]), p50, p95, p99, float(values.max()))


class RateEstimator:
    """The moments at which something came, of which only the last `size` are kept."""

    def __init__(self, size: int) -> None:
        self._moments_ns: deque[int] = deque(maxlen=size)
        self._counted_from_ns: int | None = None

    def tick(self, now_ns: int) -> None:
        if self._moments_ns and now_ns < self._moments_ns[-1]:
            self._moments_ns.clear()  # the clock jumped back: a replay began anew
        self._moments_ns.append(now_ns)

    def begin_anew(self, now_ns: int) -> None:
        """Forget the rate; let the age of what came last count from now."""
        if self._moments_ns:
            self._counted_from_ns = now_ns
        self._moments_ns.clear()

    def rate_hz(self, now_ns: int) -> float | None:
        """The rate over the window up to now, so that it falls when nothing comes any more."""
        if len(self._moments_ns) < 2:
            return None
        first, last = self._moments_ns[0], self._moments_ns[-1]
        intervals = len(self._moments_ns) - 1
        mean_ns = (last - first) / intervals
        span_ns = max(last - first, now_ns - mean_ns - first)
        return intervals * 1e9 / span_ns if span_ns > 0 else None

    def age_ms(self, now_ns: int) -> float | None:
        last_ns = self._moments_ns[-1] if self._moments_ns else self._counted_from_ns
        return None if last_ns is None else (now_ns - last_ns) / 1e6


class Monitor:
    """Records what happens to frames; safe to use from several threads."""

    def __init__(self, latency: LatencyConfig, diagnostics: DiagnosticsConfig) -> None:
        self._lock = threading.Lock()
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

    # -- what the node tells it -------------------------------------------------------------

    def configure(self, latency: LatencyConfig) -> None:
        """Take over the budget in force."""
        with self._lock:
            self._latency = latency

    def set_state(self, state: str, now_ns: int) -> None:
        """Enter a lifecycle state; a newly active node starts counting from zero."""
        with self._lock:
            self._state = state
            if state == 'active':
                self._clear(now_ns)

    def set_condition(self, status: str, name: str, condition: Condition | None) -> None:
        """Say what is wrong with one status (`input`, `model` ...), or that it no longer is."""
        with self._lock:
            conditions = self._conditions.setdefault(status, {})
            if condition is None:
                conditions.pop(name, None)
            else:
                conditions[name] = condition

    def clock_jumped(self, now_ns: int, is_back: bool) -> None:
        """Count times anew: what was before the clock's jump cannot be compared with now.

        Counts of frames stay. is_back: it went back, else it was told for the first time.
        """
        with self._lock:
            self._warned['clock_jumped_back'] += is_back
            for clockwork in (self._input, self._output, self._output_stamps):
                clockwork.begin_anew(now_ns)
            self._capture_to_publish.values.clear()
            self._last_at_ns.clear()
            self._last_stamp_ns = None
            self._future_ms = 0.0
            self._active_since_ns = now_ns

    def frame_received(self, stamp_ns: int, now_ns: int) -> None:
        """Count an image message and judge its stamp."""
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
        """Count a received frame that gives no result; the text is kept for the diagnostics."""
        with self._lock:
            self._dropped[reason] += 1
            self._last_at_ns[reason] = now_ns
            self._idle = reason == NOBODY
            if text:
                self._last_refusal = text

    def frame_seen(self, health: FrameHealth) -> None:
        """Take note of what a decoded frame looks like."""
        with self._lock:
            same = self._health is not None and health.fingerprint == self._health.fingerprint
            self._identical_frames = self._identical_frames + 1 if same else 1
            self._health = health

    def frame_processed(
        self, stage_ms: Mapping[str, float], stamp_ns: int, now_ns: int, steady_ns: int
    ) -> None:
        """Count a frame whose results were published.

        stage_ms: what each stage took, PROCESSING among them; stages that did not run have no
        entry. steady_ns: the steady clock, by which the time over the budget is measured.
        """
        with self._lock:
            self._processed += 1
            self._idle = False
            for stage, elapsed_ms in stage_ms.items():
                self._stage_counts[stage] += 1
                self._times.setdefault(stage, Window(self._size)).values.append(elapsed_ms)
            age_ms = (now_ns - stamp_ns) / 1e6
            if age_ms >= -FUTURE_TOLERANCE_MS:  # else it is not known
                self._capture_to_publish.values.append(age_ms)
            self._output.tick(now_ns)
            self._output_stamps.tick(stamp_ns)
            self._judge_budget(stage_ms[PROCESSING], steady_ns)

    def _judge_budget(self, processing_ms: float, steady_ns: int) -> None:
        if processing_ms <= self._latency.budget_ms:
            self._over_since_ns, self._over_budget_ms = None, 0.0
            return
        if self._over_since_ns is None:
            self._over_since_ns = steady_ns - int(processing_ms * 1e6)
        self._over_budget_ms = (steady_ns - self._over_since_ns) / 1e6

    # -- what it tells ----------------------------------------------------------------------

    def output_age_ms(self, now_ns: int) -> float | None:
        """How long ago the last result was published; None if there was none."""
        with self._lock:
            return self._output.age_ms(now_ns)

    def snapshot(self, now_ns: int) -> Snapshot:
        """Return everything known at this moment of the node's clock."""
        with self._lock:
            spreads = {stage: window.spread() for stage, window in self._times.items()}
            return Snapshot(
                state=self._state,
                received=self._received,
                processed=self._processed,
                pending=self._received - self._processed - self._dropped.total(),
                lost=self._lost,
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
            )
