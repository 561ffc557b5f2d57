# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What Ray raises, and the one line that is made of it; a stand-in of Ray raises it here."""

from types import SimpleNamespace

import pytest

from mfaranet_ros.core.errors import ConfigError, ProcessError
from mfaranet_ros.evaluation.runs.fleet import Done, WorkerLost
from mfaranet_ros.evaluation.runs.ray_cluster import RayCluster


class RayError(Exception):
    pass


class RayActorError(RayError):
    pass


class RayTaskError(RayError):
    pass


class RaySystemError(RayError):
    pass


ERRORS = SimpleNamespace(
    RayActorError=RayActorError, RayTaskError=RayTaskError, RaySystemError=RaySystemError
)


class FakeRay:
    """Ray, as far as a cluster uses it; every task raises one error. gpus, cpus: there are."""

    exceptions = ERRORS

    def __init__(self, error=None, cpus=4, gpus=0):
        self._error = error
        self._resources = {'CPU': cpus, 'GPU': gpus}
        self.options = {}

    def init(self, **_):
        pass

    def shutdown(self):
        pass

    def cluster_resources(self):
        return self._resources

    def remote(self, **options):
        self.options = options
        run = SimpleNamespace(remote=lambda task: ('ref', task))
        return lambda worker: SimpleNamespace(remote=lambda plan: SimpleNamespace(run=run))

    def wait(self, refs, num_returns):
        return refs[:num_returns], []

    def get(self, ref):
        raise self._error


@pytest.fixture
def cluster(monkeypatch):
    """Return a function that makes a cluster on a stand-in of Ray."""

    def make(fake, **options):
        monkeypatch.setattr('mfaranet_ros.evaluation.runs.ray_cluster._import_ray', lambda: fake)
        return RayCluster('auto', None, **options)

    return make


def outcome_of(cluster):
    cluster.start('a bag')
    return cluster.wait()


@pytest.mark.parametrize(
    'error', [RaySystemError('the GCS is not there'), ConnectionError('head node lost')]
)
def test_a_lost_head_node_ends_the_job_and_says_how_to_continue(cluster, error):
    with pytest.raises(ProcessError, match=r'is lost .* continue with --resume') as caught:
        outcome_of(cluster(FakeRay(error)))
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('kind', [RayActorError, RayTaskError])
def test_workers_without_the_package_are_named(cluster, kind):
    error = kind("Traceback:\n  x\nModuleNotFoundError: No module named 'mfaranet_ros'")
    with pytest.raises(ConfigError, match='the workers of the cluster lack mfaranet_ros: install'):
        outcome_of(cluster(FakeRay(error)))


def test_workers_that_cannot_start_are_named(cluster):
    error = RayActorError('The actor died in its creation task\nImportError: no libGL')
    with pytest.raises(ConfigError, match='cannot start: ImportError: no libGL'):
        outcome_of(cluster(FakeRay(error)))


def test_a_worker_that_dies_is_replaced(cluster):
    made = cluster(FakeRay(RayActorError('killed by SIGKILL\nmore')), workers=1)
    task, outcome = outcome_of(made)
    assert (task, outcome) == ('a bag', WorkerLost('killed by SIGKILL'))
    assert made.free == 1


def test_an_unexpected_error_is_the_reason_of_its_bag(cluster):
    _, outcome = outcome_of(cluster(FakeRay(RayTaskError('Traceback\nKeyError: 7'))))
    assert outcome == Done(reason='unexpected error: KeyError: 7')


@pytest.mark.parametrize(
    ('gpus', 'share', 'workers'), [(2, 0.5, 4), (2, 1.0, 2), (1, 0.25, 4), (0, 0.0, 4)]
)
def test_the_number_of_workers_follows_from_the_gpus(cluster, gpus, share, workers):
    fake = FakeRay(gpus=gpus)
    assert cluster(fake, gpus_per_worker=share).workers == workers
    assert fake.options['num_gpus'] == share


@pytest.mark.parametrize(
    ('options', 'room'), [({'workers': 5}, 4), ({'gpus_per_worker': 1.0, 'workers': 1}, 0)]
)
def test_a_cluster_that_is_too_small_is_refused(cluster, options, room):
    with pytest.raises(ConfigError, match=f'the cluster has room for {room} with'):
        cluster(FakeRay(), **options)
