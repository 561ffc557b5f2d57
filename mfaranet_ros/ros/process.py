# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The executables: start, spin, and end within two seconds whatever the node is doing.

`ros2 run` finds `segmentation_node`, `rig_node` and `player_node` through the entry points below;
without ROS tools `python -m mfaranet_ros.ros segmentation_node --ros-args ...` does the same.

A thread waits for SIGINT and SIGTERM from the start, since Python's own handlers would have to
wait while torch is imported or a network runs. It asks the executor to stop; a node that does not
end in time, because a library call cannot be interrupted, is ended with exit code 0 anyway. More
signals change nothing, also while Python shuts down.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mfaranet_ros.core.memory import limit_memory_pools

GRACE_S = 1.2
"""Time that a node gets to end by itself; the user is promised 2 seconds."""

WRITING_GRACE_S = 50.0
"""Time that a node gets to complete a file it writes."""


class StopSignal:
    """Waits in its own thread for SIGINT, SIGTERM or the node's own request to end.

    Call `listen` from the main thread, before anything slow.
    """

    def __init__(self, grace_s: float = GRACE_S) -> None:
        self.exit_code = 0
        self._grace_s = grace_s
        self._wanted = threading.Event()
        self._ended = threading.Event()
        self._stop: Callable[[], None] | None = None
        self._reader, self._writer = os.pipe()

    def listen(self) -> None:
        """Take over SIGINT and SIGTERM."""
        os.set_blocking(self._writer, False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        """Wait for the first request, pass it on, and end the process if that has no effect."""
        os.read(self._reader, 1)
        self._wanted.set()
        if self._stop is not None:
            threading.Thread(target=self._stop, daemon=True).start()
            self._ended.wait(self._grace_s)
        if not self._ended.is_set():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(self.exit_code)

    def request(self, exit_code: int) -> None:
        """Request the end, from any thread; the first exit code other than 0 counts."""
        self.exit_code = self.exit_code or exit_code
        self._wanted.set()
        os.write(self._writer, b'.')

    def on_request(self, stop: Callable[[], None]) -> None:
        """Set how to stop what is about to run."""
        self._stop = stop

    @property
    def wanted(self) -> bool:
        """Whether the process has been asked to end."""
        return self._wanted.is_set()

    def ended(self) -> None:
        """Note that all is closed and the process need not be ended; call it in the main thread.

        From here on signals are ignored: Python would restore their default action, which ends
        the process with another exit code, before it is gone.
        """
        self._ended.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(-1)


def run(module: str, class_name: str, grace_s: float = GRACE_S) -> int:
    """Make the node, spin it until it or a signal ends it, and return the exit code.

    The class is created with one argument, `finish(exit_code)`, by which it can end the process,
    and must have `start()`, called before it spins, and `close()`. grace_s: how long it may take
    to end by itself.
    """
    limit_memory_pools()
    stop = StopSignal(grace_s)
    stop.listen()
    import rclpy

    from mfaranet_ros.core.errors import ConfigError, MfaranetError
    from mfaranet_ros.ros.failures import ROS_ERRORS, explain, init_ros

    try:
        init_ros(sys.argv)
        node_class = getattr(importlib.import_module(module), class_name)
        if not stop.wanted:
            try:
                node = node_class(finish=stop.request)
            except ROS_ERRORS as error:
                raise ConfigError(f'the node cannot start: {explain(error)}') from error
            _spin(node, stop)
    except MfaranetError as error:
        print(f'error: {error}', file=sys.stderr)
        stop.exit_code = 2
    finally:
        rclpy.try_shutdown()
        stop.ended()
    return stop.exit_code


class _SpinningOver(Exception):  # noqa: N818 (it is no error)
    """Leaves the executor, in its own thread."""


def _end_spinning() -> None:
    raise _SpinningOver


def _trigger(condition: Any) -> None:
    with suppress(RuntimeError):  # the node is gone already
        condition.trigger()


def _spin(node: Any, stop: StopSignal) -> None:
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

    # Not rclpy's experimental events executor: in the wheels it spins and calls nothing.
    executor = SingleThreadedExecutor()
    try:
        # Not by executor.shutdown: it frees what the spinning thread may be waiting with.
        over = node.create_guard_condition(_end_spinning)
        stop.on_request(lambda: _trigger(over))
        executor.add_node(node)
        node.start()
        if not stop.wanted:
            executor.spin()
    except (ExternalShutdownException, _SpinningOver):
        pass
    finally:
        node.close()
        node.destroy_node()


def segmentation_node() -> None:
    """Run the segmentation node."""
    sys.exit(run('mfaranet_ros.ros.segmentation_node', 'SegmentationNode'))


def rig_node() -> None:
    """Run the node of several cameras."""
    sys.exit(run('mfaranet_ros.ros.rig_node', 'RigNode'))


def player_node() -> None:
    """Run the player."""
    sys.exit(run('mfaranet_ros.ros.player_node', 'PlayerNode'))


def bag_recorder() -> None:
    """Run the recorder of bags."""
    module = 'mfaranet_ros.ros.bag_recorder'
    sys.exit(run(module, 'BagRecorder', grace_s=WRITING_GRACE_S))


def wait_until_active() -> None:
    """Run the node that waits for a lifecycle node."""
    sys.exit(run('mfaranet_ros.ros.wait_until_active', 'WaitUntilActive'))


EXECUTABLES = {
    'segmentation_node': segmentation_node,
    'rig_node': rig_node,
    'player_node': player_node,
    'bag_recorder': bag_recorder,
    'wait_until_active': wait_until_active,
}
"""What `python -m mfaranet_ros.ros NAME` runs; `ros2 run` knows the nodes by the same names."""
