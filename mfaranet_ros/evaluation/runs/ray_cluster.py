# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The workers of a Ray cluster: actors that load the network once each."""

from __future__ import annotations

import logging
import socket
from typing import Any

from mfaranet_ros.core.errors import ConfigError, ProcessError
from mfaranet_ros.evaluation.runs.fleet import BagWorker, Done, Task, WorkerLost
from mfaranet_ros.evaluation.runs.jobs import RunConfig

AUTO = 'auto'

INSTALL = "pip install 'mfaranet_ros[ray]'"

CONNECT_S = 10
"""How long a cluster may take to answer."""

OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local cluster: the records of a bag are small, and its images stay in the worker."""


class RayCluster:
    """An actor pool on a Ray cluster. Use it by `with RayCluster(...) as cluster`.

    address: of a cluster (`ray://HOST:10001`, or `HOST:6379` from one of its machines); auto
    starts a local one. workers: how many; 0: as many as the cluster has CPUs, or GPUs where those
    are asked for. gpus_per_worker: may be a fraction.
    Raises ConfigError for a cluster that is not there, has another version, or is too small.
    """

    def __init__(
        self, address: str, plan: RunConfig, *, workers: int = 0, gpus_per_worker: float = 0.0
    ) -> None:
        self._ray = _import_ray()
        self._plan = plan
        self._gpus = gpus_per_worker
        self._connect(address, workers)
        self._actor_class = self._ray.remote(
            num_cpus=1, num_gpus=gpus_per_worker, max_restarts=0, max_task_retries=0
        )(BagWorker)
        self.workers = workers or self._capacity()
        if self._capacity() < self.workers:
            capacity = self._capacity()
            self.close()
            raise ConfigError(
                f'--workers {self.workers}: the cluster has room for {capacity} with '
                f'{gpus_per_worker:g} GPUs each; give fewer, or add machines'
            )
        self._idle = [self._actor_class.remote(plan) for _ in range(self.workers)]
        self._running: dict[Any, tuple[Any, Task]] = {}

    def _connect(self, address: str, workers: int) -> None:
        ray = self._ray
        quiet: dict[str, Any] = {'log_to_driver': False, 'logging_level': logging.ERROR}
        if address == AUTO:
            quiet |= {
                'num_cpus': workers or None,
                'include_dashboard': False,
                'object_store_memory': OBJECT_STORE_BYTES,
            }
        else:
            check_reachable(address)
            quiet['address'] = address
        try:
            ray.init(**quiet)
        except Exception as error:  # Ray raises many kinds for clusters that do not fit
            raise ConfigError(explain(address, error)) from error

    def _capacity(self) -> int:
        resources = self._ray.cluster_resources()
        room = int(resources.get('CPU', 0))
        if self._gpus:
            room = min(room, int(resources.get('GPU', 0) / self._gpus))
        return room

    def __enter__(self) -> RayCluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; a local one ends."""
        self._ray.shutdown()

    @property
    def free(self) -> int:
        """How many tasks it can take now."""
        return len(self._idle)

    def start(self, task: Task) -> None:
        """Start a task on a free worker."""
        actor = self._idle.pop()
        self._running[actor.run.remote(task)] = actor, task

    def wait(self) -> tuple[Task, Done | WorkerLost]:
        """Wait for any task that was started; a worker that died is replaced."""
        errors = self._ray.exceptions
        try:
            (ref,), _ = self._ray.wait([*self._running], num_returns=1)
            actor, task = self._running.pop(ref)
            try:
                done: Done = self._ray.get(ref)
            except errors.RayActorError as error:
                self._check_package(error)
                self._idle.append(self._actor_class.remote(self._plan))
                return task, WorkerLost(_first_line(error))
            except errors.RayTaskError as error:
                self._check_package(error)
                self._idle.append(actor)
                return task, Done(reason=f'unexpected error: {_last_line(error)}')
        except (errors.RaySystemError, ConnectionError) as error:
            raise ProcessError(
                f'the Ray cluster is lost ({_first_line(error)}): the bags that are done are '
                'kept, continue with --resume'
            ) from error
        self._idle.append(actor)
        return task, done

    def _check_package(self, error: Exception) -> None:
        if "No module named 'mfaranet_ros" in str(error):
            raise ConfigError(
                'the workers of the cluster lack mfaranet_ros: install the same version there, as '
                'docs/fleet.md says'
            ) from error
        if 'creation task' in str(error):
            raise ConfigError(
                f'the workers of the cluster cannot start: {_last_line(error)}; install the same '
                'version of mfaranet_ros there'
            ) from error


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(f'--ray needs Ray: {INSTALL}') from error
    return ray


def check_reachable(address: str) -> None:
    """Raise ConfigError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.rpartition('://')[2].rpartition(':')
    if not host or not port.isdecimal():
        raise ConfigError(
            f'--ray {address}: must be HOST:PORT, ray://HOST:PORT or {AUTO}, as `ray start` prints'
        )
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(explain(address, error)) from error


def explain(address: str, error: Exception) -> str:
    """Return why Ray cannot connect, and what to do."""
    text = _first_line(error)
    if 'ersion mismatch' in str(error):
        return (
            f'--ray {address}: the cluster has another version of Ray or Python ({text}): install '
            'the versions of the cluster here'
        )
    return (
        f'--ray {address}: no Ray cluster can be used there ({text}): start one by '
        '`ray start --head`, or give auto for a local one'
    )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:200]


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200]
