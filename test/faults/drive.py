# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A node's monitor on a clock that a case turns, and what its statuses say."""

import numpy as np

from mfaranet_ros.core.config import DiagnosticsConfig, LatencyConfig
from mfaranet_ros.core.frame import Frame, Timings
from mfaranet_ros.monitoring.health import look_at
from mfaranet_ros.monitoring.monitor import Monitor, ProcessedFrame
from mfaranet_ros.monitoring.status import statuses

S = 10**9
PERIOD_NS = S // 10


class Drive:
    """An active node that gets ten images a second."""

    def __init__(self):
        self.latency, self.diagnostics = LatencyConfig(), DiagnosticsConfig()
        self.monitor = Monitor(self.latency, self.diagnostics)
        self.now_ns = 1000 * S
        self.monitor.set_state('active', self.now_ns)
        self._count = 0

    def wait(self, seconds):
        """Let time pass."""
        self.now_ns += round(seconds * S)

    def _receive(self, stamp_ns):
        self.now_ns += PERIOD_NS
        stamp_ns = self.now_ns if stamp_ns is None else stamp_ns
        self.monitor.frame_received(stamp_ns, self.now_ns)
        return stamp_ns

    def frame(self, pixels=None, stamp_ns=None, processing_ms=20.0):
        """Let an image come and be processed."""
        stamp_ns = self._receive(stamp_ns)
        self._count += 1
        if pixels is None:
            pixels = np.full((6, 8, 3), 50 + self._count % 100, np.uint8)
        self.monitor.frame_seen(look_at(Frame(pixels, 'rgb8', stamp_ns, 'camera')))
        done = ProcessedFrame(stamp_ns, Timings(decode_ms=1.0), processing_ms, 2.0)
        self.monitor.frame_processed(done, self.now_ns, self.now_ns)

    def drop(self, reason, text=''):
        """Let an image come and be dropped."""
        self._receive(None)
        self.monitor.frame_dropped(reason, self.now_ns, text)

    def jump(self, seconds):
        """Let the clock jump, as the node reports it where it went back."""
        self.wait(seconds)
        if seconds < 0:
            self.monitor.clock_jumped(self.now_ns, True)

    def status(self, name):
        """Return one of the statuses."""
        snapshot = self.monitor.snapshot(self.now_ns)
        found = statuses(snapshot, self.latency, self.diagnostics, ())
        return next(status for status in found if status.name == name)

    def expect(self, name, level, words):
        """Check a status."""
        status = self.status(name)
        assert status.level == level, status
        assert words in status.message, status.message
