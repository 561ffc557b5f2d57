# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Checks every output against the images that were sent, and every count against the others.

Knows nothing of ROS: it is given plain values, so that a test can show it a lie.
"""

import math
from collections import Counter, OrderedDict
from dataclasses import dataclass

from soak.image_code import UNREADABLE

REMEMBERED_IMAGES = 5000
CHANGE_DELAY_NS = 10**9
"""How long the node may take to notice a change of a parameter or of its state."""

CLOCK_DELAY_NS = 4 * 10**8
"""How much older than the last published one the node's clock may be."""

AGE_SLACK_MS = 500.0
"""Time between the last check of a frame's age and its publication, on a loaded machine."""

GRID_SLACK_NS = 2 * 10**9
MOST_PENDING = 2


@dataclass(frozen=True)
class Arrival:
    """One output message.

    published_ns, received_ns: wall times. code: the number read from its pixels, or None.
    is_known: False for a grid whose cells are all unseen.
    """

    topic: str
    stamp_ns: int
    published_ns: int
    received_ns: int
    code: int | None = None
    is_known: bool = True


@dataclass(frozen=True)
class Violation:
    """A promise that was broken: which one, and what was seen."""

    kind: str
    text: str


class Observer:
    """Reports violations by `report(violation)`; clock: the SimulatedClock of the run."""

    def __init__(self, clock, report):
        self._clock = clock
        self._report = report
        self._images = OrderedDict()
        self._outputs = Counter()
        self._max_ages_ms = [(0, 0.0)]
        self._silent_since_ns = 0
        self._grid = None
        self.arrived = Counter()
        self.sent = 0
        self._sent_before = 0
        self._counts_from_ns = 0

    # -- what the run does ------------------------------------------------------------------

    def image_sent(self, stamp_ns, code):
        """Note an image before it is published."""
        self.sent += 1
        codes, times = self._images.pop(stamp_ns, (frozenset(), 0))
        self._images[stamp_ns] = (codes | {code}, times + 1)
        while len(self._images) > REMEMBERED_IMAGES:
            stamp_ns, _ = self._images.popitem(last=False)
            for topic in [key for key in self._outputs if key[1] == stamp_ns]:
                del self._outputs[topic]

    def max_age_set(self, max_age_ms, wall_ns):
        """Note a change of latency.max_age_ms that was asked for at this wall time."""
        self._max_ages_ms = [*self._max_ages_ms[-9:], (wall_ns, max_age_ms)]

    def silenced(self, wall_ns):
        """Note that the node has confirmed at this wall time that it is no longer active."""
        self._silent_since_ns = wall_ns

    def awakened(self):
        """Note that the node is about to be asked to become active, which restarts its counts.

        They are not checked until `counts_from` is called.
        """
        self._silent_since_ns = 0
        self._sent_before = self.sent
        self._counts_from_ns = math.inf

    def counts_from(self, wall_ns):
        """Use counters published after this wall time; those before belong to another period."""
        self._counts_from_ns = wall_ns

    def unsubscribed(self, topic):
        """Note that a topic is no longer listened to."""
        if topic == 'drivable/grid':
            self._grid = None

    # -- what the node says -----------------------------------------------------------------

    def output(self, arrival):
        """Check one output message."""
        self.arrived[arrival.topic] += 1
        if arrival.topic == 'drivable/grid':
            self._keep_grid(arrival)
        if not arrival.is_known:
            return
        where = f'{arrival.topic} with stamp {arrival.stamp_ns}'
        if arrival.stamp_ns not in self._images:
            self._fail('restamped', f'{where}: no image had this stamp')
            return
        codes, times = self._images[arrival.stamp_ns]
        self._check_content(arrival, codes, where)
        self._check_age(arrival, where)
        key = (arrival.topic, arrival.stamp_ns)
        self._outputs[key] += 1
        if self._outputs[key] > times and arrival.topic != 'drivable/grid':
            self._fail('repeated', f'{where}: {self._outputs[key]} times for {times} images')
        silent_ns = self._silent_since_ns
        if silent_ns and arrival.published_ns > silent_ns + CHANGE_DELAY_NS:
            self._fail('output while inactive', where)

    def _check_content(self, arrival, codes, where):
        if arrival.code is not None and UNREADABLE not in codes and arrival.code not in codes:
            self._fail('content', f'{where} shows image {arrival.code}, sent were {sorted(codes)}')

    def _check_age(self, arrival, where):
        published_ns = arrival.published_ns
        allowed_ms = self._allowed_ms(published_ns)
        if not allowed_ms:
            return
        now_ns = self._clock.lowest_shown(published_ns - CLOCK_DELAY_NS, published_ns)
        age_ms = (now_ns - arrival.stamp_ns) / 1e6
        if age_ms > allowed_ms + AGE_SLACK_MS:
            self._fail('stale', f'{where}: {age_ms:.0f} ms old, allowed {allowed_ms:.0f} ms')

    def _allowed_ms(self, wall_ns):
        """Return the largest max_age_ms that may have been in force; 0: none was."""
        values = []
        for since_ns, value in reversed(self._max_ages_ms):
            if since_ns <= wall_ns:
                values.append(value)
                if since_ns <= wall_ns - CHANGE_DELAY_NS:
                    break
        return 0.0 if 0.0 in values else max(values, default=0.0)

    def _keep_grid(self, arrival):
        self._grid = None
        if arrival.is_known:
            published_ns = arrival.published_ns
            self._grid = _StandingGrid(self._clock.lowest_shown(published_ns, published_ns))

    def watch_grid(self, timeout_ms, wall_ns):
        """Check that the last grid with known cells does not stand longer than its timeout.

        timeout_ms: the largest diagnostics.input_timeout_ms that may be in force.
        """
        if self._grid is None:
            return
        late_ns = self._grid.late_ns(self._clock.shown(), timeout_ms * 1e6, wall_ns)
        if late_ns > GRID_SLACK_NS:
            self._fail('standing grid', f'not cleared for {late_ns / 1e9:.1f} s after its timeout')
            self._grid = None

    def counters(self, values, published_ns, *, settled=False):
        """Check the values of the status `input`; settled: no image is on its way."""
        if published_ns < self._counts_from_ns:
            return
        counts = {key: int(value) for key, value in values.items() if value.lstrip('-').isdigit()}
        received, processed = counts['frames_received'], counts['frames_processed']
        pending = counts['frames_pending']
        dropped = {key: n for key, n in counts.items() if key.startswith('dropped_')}
        text = f'received {received}, processed {processed}, pending {pending}, {dropped}'
        if received != processed + sum(dropped.values()) + pending:
            self._fail('counters', f'do not add up: {text}')
        if not 0 <= pending <= (0 if settled else MOST_PENDING):
            self._fail('counters', f'{pending} frames pending: {text}')
        if received > self.sent - self._sent_before:
            self._fail('counters', f'only {self.sent - self._sent_before} images sent: {text}')
        if counts.get('dropped_internal'):
            self._fail('internal error', text)

    def _fail(self, kind, text):
        self._report(Violation(kind, text))


class _StandingGrid:
    """The grid that consumers hold now, and for how long it has been too old."""

    def __init__(self, shown_ns):
        self._since_ns = shown_ns
        self._late_since_ns = None

    def late_ns(self, shown_ns, timeout_ns, wall_ns):
        """Return for how long in wall time the grid has been older than the timeout."""
        self._since_ns = min(self._since_ns, shown_ns)  # as the node does after a jump back
        if shown_ns - self._since_ns <= timeout_ns:
            self._late_since_ns = None
            return 0
        if self._late_since_ns is None:
            self._late_since_ns = wall_ns
        return wall_ns - self._late_since_ns
