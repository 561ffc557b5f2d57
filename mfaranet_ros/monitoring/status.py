# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Words the monitor's snapshot: the statuses that the node publishes as diagnostics.

Keys follow what existing watchdogs read: Autoware's processing-time keys in `latency`,
greenwave_monitor's in `output` and in one status for each output topic. A figure that was not
measured yet reads `n/a`, never 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mfaranet_ros.core.config import DiagnosticsConfig, LatencyConfig
from mfaranet_ros.monitoring.monitor import (
    FUTURE_TOLERANCE_MS,
    NOBODY,
    PROCESSING,
    RECENT_NS,
    Condition,
    Level,
    Snapshot,
    Spread,
    TopicState,
)

NOT_MEASURED = 'n/a'

DROPPED = ('replaced', 'stale', 'inference', 'internal', 'deactivated', NOBODY)
"""Why a frame was dropped; a frame that cannot be decoded is counted as `decode_REASON`."""

WARNED = (
    'stamp_zero', 'stamp_jumped_back', 'stamp_repeated', 'stamp_in_future', 'clock_jumped_back',
)  # fmt: skip
"""What else is counted."""


@dataclass(frozen=True)
class Status:
    """The field values of one diagnostic_msgs/DiagnosticStatus.

    name: a subcomponent of the node, such as `latency`, or the full name of a topic.
    """

    name: str
    level: Level
    message: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class OperatingPointsState:
    """Which operating points are ready and which one is in force.

    operating_points: their labels, the most costly first. measured_ms: time of one frame on each,
    measured when it was built; None where it was not. number: the one in force, from 0.
    adapt: whether it follows the latency. changes: how often it has changed.
    """

    operating_points: tuple[str, ...]
    measured_ms: tuple[float | None, ...]
    number: int
    adapt: bool
    changes: int

    @property
    def operating_point(self) -> str:
        """The label of the operating point in force."""
        return self.operating_points[self.number]


@dataclass(frozen=True)
class OfferedTopic:
    """An output topic of the node: its full name, and whether it has a subscriber."""

    name: str
    is_wanted: bool


def statuses(
    snapshot: Snapshot,
    latency: LatencyConfig,
    diagnostics: DiagnosticsConfig,
    model_facts: tuple[tuple[str, str], ...],
    operating_points: OperatingPointsState | None = None,
    topics: tuple[OfferedTopic, ...] = (),
) -> tuple[Status, ...]:
    """Return the statuses `latency`, `input`, `output` and `model`, then one for each topic.

    operating_points: None while nothing is built. topics: the node's output topics.
    """
    published = {state.topic: state for state in snapshot.topics}
    return (
        _status(
            snapshot, 'latency', _bad_latency(snapshot, latency, operating_points),
            (*_latency_values(snapshot, latency), *_operating_points_values(operating_points)),
        ),
        _status(snapshot, 'input', _bad_input(snapshot, diagnostics), _input_values(snapshot)),
        _status(
            snapshot, 'output', _bad_output(snapshot, diagnostics),
            _output_values(snapshot, diagnostics),
        ),
        _status(snapshot, 'model', iter(()), model_facts),
        *(
            _topic_status(topic, published.get(topic.name), snapshot, diagnostics)
            for topic in topics
        ),
    )  # fmt: skip


def _status(
    snapshot: Snapshot,
    name: str,
    found: Iterator[Condition],
    values: tuple[tuple[str, str], ...],
) -> Status:
    conditions = list(snapshot.conditions.get(name, ()))
    if snapshot.state == 'active':
        conditions += found
    if not conditions:
        text = 'ok' if snapshot.state == 'active' else snapshot.state
        return Status(name, Level.OK, text, values)
    conditions.sort(key=lambda condition: -condition.level)
    text = '; '.join(condition.text for condition in conditions)
    return Status(name, conditions[0].level, text, values)


def _ms(value: float | None) -> str:
    return NOT_MEASURED if value is None else f'{value:.3f}'


def _rate(value: float | None) -> str:
    return NOT_MEASURED if value is None else f'{value:.2f}'


def _spread_values(name: str, spread: Spread | None) -> Iterator[tuple[str, str]]:
    for part in ('p50', 'p95', 'p99', 'max'):
        yield f'{name}_ms_{part}', _ms(getattr(spread, part, None))


# -- latency ----------------------------------------------------------------------------------


def _bad_latency(
    snapshot: Snapshot, latency: LatencyConfig, operating_points: OperatingPointsState | None
) -> Iterator[Condition]:
    advice = 'keep fewer scales or give the network a smaller input'
    if operating_points is not None and operating_points.adapt:
        last = operating_points.number == len(operating_points.operating_points) - 1
        advice = (
            'add a cheaper operating point to latency.operating_points'
            if last
            else 'a cheaper operating point is due'
        )
        if operating_points.number:
            order = f'{operating_points.number + 1} of {len(operating_points.operating_points)}'
            yield Condition(
                Level.OK,
                f'operating point {order} keeps the budget: {operating_points.operating_point}',
            )
    yield from _slow(snapshot, latency, advice)


def _slow(snapshot: Snapshot, latency: LatencyConfig, advice: str) -> Iterator[Condition]:
    spread = snapshot.spreads.get(PROCESSING)
    if spread is None or spread.last <= latency.budget_ms:
        return
    if snapshot.consecutive_delay_ms > latency.max_consecutive_delay_ms:
        seconds = snapshot.consecutive_delay_ms / 1000
        yield Condition(
            Level.ERROR,
            f'every frame of the last {seconds:.1f} s took longer than the budget of '
            f'{latency.budget_ms:g} ms (now {spread.last:.0f} ms): {advice}',
        )
    else:
        yield Condition(
            Level.WARN,
            f'a frame took {spread.last:.0f} ms, over the budget of {latency.budget_ms:g} ms',
        )


def _latency_values(snapshot: Snapshot, latency: LatencyConfig) -> tuple[tuple[str, str], ...]:
    spread = snapshot.spreads.get(PROCESSING)
    late_ms = snapshot.consecutive_delay_ms
    measured = spread is not None
    in_range = spread is not None and spread.last <= latency.budget_ms
    values = [
        ('processing_time_ms', _ms(spread.last if spread else None)),
        ('is_processing_time_ms_in_expected_range', str(in_range) if measured else NOT_MEASURED),
        ('consecutive_processing_delay_ms', _ms(late_ms if measured else None)),
        (
            'is_consecutive_processing_delay_in_range',
            str(late_ms <= latency.max_consecutive_delay_ms) if measured else NOT_MEASURED,
        ),
        ('budget_ms', f'{latency.budget_ms:g}'),
        *_spread_values('processing_time', spread),
        *_spread_values('capture_to_publish', snapshot.capture_to_publish),
    ]
    for stage in ('decode', 'preprocess', 'inference', 'postprocess', 'drivable', 'publish'):
        values += _spread_values(stage, snapshot.spreads.get(stage))
    return tuple(values)


def _operating_points_values(
    operating_points: OperatingPointsState | None,
) -> Iterator[tuple[str, str]]:
    if operating_points is None:
        yield from (
            (key, NOT_MEASURED)
            for key in ('operating_point', 'operating_points_ms', 'operating_point_changes')
        )
        return
    yield 'operating_point', operating_points.operating_point
    pairs = zip(operating_points.operating_points, operating_points.measured_ms, strict=True)
    yield (
        'operating_points_ms',
        '; '.join(f'{operating_point} {_ms(measured)}' for operating_point, measured in pairs),
    )
    yield 'operating_point_changes', str(operating_points.changes)


# -- input ------------------------------------------------------------------------------------


def _bad_input(snapshot: Snapshot, diagnostics: DiagnosticsConfig) -> Iterator[Condition]:
    yield from _missing_images(snapshot, diagnostics)
    if snapshot.input_age_ms is None:
        return
    yield from _bad_stamps(snapshot)
    yield from _bad_images(snapshot, diagnostics)
    yield from _lost_frames(snapshot)


def _lost_frames(snapshot: Snapshot) -> Iterator[Condition]:
    """Report recent drops: an error while nothing gets through, else a warning."""
    age_ms = snapshot.output_age_ms
    flowing = age_ms is not None and age_ms * 1e6 < RECENT_NS
    level = Level.WARN if flowing else Level.ERROR
    refused = sum(n for reason, n in snapshot.dropped.items() if reason.startswith('decode_'))
    if any(reason.startswith('decode_') for reason in snapshot.recent):
        yield Condition(
            level,
            f'{refused} of {snapshot.received} images refused, the last one: '
            f'{snapshot.last_refusal}',
        )
    if 'stale' in snapshot.recent:
        yield Condition(
            level,
            f'{snapshot.dropped["stale"]} of {snapshot.received} images were older than '
            'latency.max_age_ms when they were due: is the network too slow, use_sim_time wrong '
            'for this source, or a clock out of step?',
        )
    if 'lost' in snapshot.recent:
        yield Condition(
            Level.WARN,
            f'{snapshot.lost} images lost between publisher and node: {snapshot.lost_advice}',
        )


def _missing_images(snapshot: Snapshot, diagnostics: DiagnosticsConfig) -> Iterator[Condition]:
    age_ms = snapshot.input_age_ms
    silent_ms = snapshot.active_ms if age_ms is None else age_ms
    if silent_ms > diagnostics.input_timeout_ms:
        since = 'since activation' if age_ms is None else 'since the last one'
        yield Condition(Level.ERROR, f'no image for {silent_ms / 1000:.1f} s {since}')


def _bad_stamps(snapshot: Snapshot) -> Iterator[Condition]:
    if 'stamp_jumped_back' in snapshot.recent:
        count = snapshot.warned.get('stamp_jumped_back', 0)
        yield Condition(Level.WARN, f'stamps went back in time {count} times')
    if 'stamp_zero' in snapshot.recent:
        yield Condition(
            Level.ERROR, 'stamps are zero: the camera driver must set header.stamp of its images'
        )
    if snapshot.future_ms > FUTURE_TOLERANCE_MS:
        yield Condition(
            Level.WARN,
            f'stamps lie {snapshot.future_ms:.0f} ms in the future, so the age of a frame is not '
            "known: camera and node clock are not in step (or use_sim_time waits for '/clock')",
        )


def _bad_images(snapshot: Snapshot, diagnostics: DiagnosticsConfig) -> Iterator[Condition]:
    health = snapshot.health
    if health is None:
        return
    if snapshot.identical_frames >= diagnostics.frozen_frames:
        yield Condition(
            Level.ERROR, f'camera frozen: {snapshot.identical_frames} identical frames'
        )
    if health.brightness < diagnostics.dark_level:
        yield Condition(Level.WARN, f'black frames: mean brightness {health.brightness:.1f}')
    if health.saturated_share > diagnostics.saturated_share:
        share = 100 * health.saturated_share
        yield Condition(Level.WARN, f'saturated frames: {share:.0f} % of the pixels are white')


def _input_values(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    health = snapshot.health
    values = [
        ('frames_received', str(snapshot.received)),
        ('frames_processed', str(snapshot.processed)),
        ('frames_pending', str(snapshot.pending)),
        ('frames_lost', str(snapshot.lost)),
    ]
    reasons = [*DROPPED, *sorted(set(snapshot.dropped) - set(DROPPED))]
    values += [(f'dropped_{reason}', str(snapshot.dropped.get(reason, 0))) for reason in reasons]
    for reason in WARNED:
        values.append((reason, str(snapshot.warned.get(reason, 0))))
    return (
        *values,
        ('input_rate_hz', _rate(snapshot.input_rate_hz)),
        ('input_age_ms', _ms(snapshot.input_age_ms)),
        ('brightness', _rate(health.brightness if health else None)),
        ('saturated_share', _rate(health.saturated_share if health else None)),
        ('identical_frames', str(snapshot.identical_frames) if health else NOT_MEASURED),
    )


# -- output -----------------------------------------------------------------------------------


def _bad_output(snapshot: Snapshot, diagnostics: DiagnosticsConfig) -> Iterator[Condition]:
    rate_hz, expected_hz = snapshot.output_rate_hz, diagnostics.expected_rate_hz
    if snapshot.idle:
        yield Condition(Level.OK, 'no output has a subscriber: frames are not processed')
    elif snapshot.output_age_ms is None:
        if snapshot.active_ms > diagnostics.input_timeout_ms:
            yield Condition(Level.ERROR, 'nothing published yet')
    elif rate_hz is not None and rate_hz < expected_hz * (1 - diagnostics.rate_tolerance):
        yield Condition(Level.WARN, f'{rate_hz:.1f} results a second, {expected_hz:g} expected')


def _output_values(
    snapshot: Snapshot, diagnostics: DiagnosticsConfig
) -> tuple[tuple[str, str], ...]:
    latest = snapshot.capture_to_publish
    return (
        *_rate_values(
            snapshot.output_rate_hz,
            snapshot.output_rate_msg_hz,
            latest.last if latest else None,
            diagnostics,
        ),
        ('total_dropped_frames', str(snapshot.dropped_in_all)),
        *((f'count_{stage}', str(n)) for stage, n in sorted(snapshot.stage_counts.items())),
    )


def _rate_values(
    rate_hz: float | None,
    rate_msg_hz: float | None,
    delay_ms: float | None,
    diagnostics: DiagnosticsConfig,
) -> tuple[tuple[str, str], ...]:
    """Return greenwave_monitor's keys; the tolerance is in percent."""
    return (
        ('frame_rate_node', _rate(rate_hz)),
        ('frame_rate_msg', _rate(rate_msg_hz)),
        ('current_delay_from_realtime_ms', _ms(delay_ms)),
        ('expected_frequency', f'{diagnostics.expected_rate_hz:g}'),
        ('tolerance', f'{100 * diagnostics.rate_tolerance:g}'),
    )


# -- output topics ----------------------------------------------------------------------------


def _topic_status(
    topic: OfferedTopic,
    state: TopicState | None,
    snapshot: Snapshot,
    diagnostics: DiagnosticsConfig,
) -> Status:
    """Return the status of one topic, as greenwave_monitor shows it under the topic's name."""
    rate_hz = state.rate_hz if state else None
    values = (
        *_rate_values(
            rate_hz,
            state.rate_msg_hz if state else None,
            state.delay_ms if state else None,
            diagnostics,
        ),
        ('total_dropped_frames', str(snapshot.dropped_in_all)),
    )
    level, text = _judge_topic(topic, state, snapshot, diagnostics)
    return Status(topic.name, level, text, values)


def _judge_topic(
    topic: OfferedTopic,
    state: TopicState | None,
    snapshot: Snapshot,
    diagnostics: DiagnosticsConfig,
) -> tuple[Level, str]:
    if snapshot.state != 'active':
        return Level.OK, snapshot.state
    if not topic.is_wanted:
        return Level.OK, 'no subscriber'
    silent_ms = snapshot.active_ms if state is None else state.age_ms
    if silent_ms is not None and silent_ms > diagnostics.input_timeout_ms:
        return Level.WARN, f'nothing published for {silent_ms / 1000:.1f} s'
    rate_hz, expected_hz = state.rate_hz if state else None, diagnostics.expected_rate_hz
    if rate_hz is not None and rate_hz < expected_hz * (1 - diagnostics.rate_tolerance):
        return Level.WARN, f'{rate_hz:.1f} messages a second, {expected_hz:g} expected'
    return Level.OK, 'ok'
