# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A small Ray cluster on this machine: the same figures, and a killed worker costs nothing."""

import json

import pytest

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.evaluation.runs.ray_cluster import RayCluster, explain

ray = pytest.importorskip('ray', reason='Ray is not installed')

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings('ignore'),  # those of Ray itself
]

GROUND_TRUTH = (
    '--ground-truth-topic', '/truth/labels', '--set', 'runtime.backend=mock', '--set',
    'runtime.precision=float32',
)  # fmt: skip
TIMES = ('ms', 'latency', 'seconds', 'run')


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(each) for each in value] if isinstance(value, list) else value


def test_bags_on_ray_with_a_worker_that_is_killed(street, evaluate, tmp_path, monkeypatch):
    bags = [street.bag(tmp_path / name) for name in 'abcd']
    _, _, alone = evaluate('--bag', *bags, *GROUND_TRUTH, json_to=tmp_path / 'a.json')
    start = RayCluster.start

    def start_and_kill(cluster, task):
        start(cluster, task)
        if task.spec.name == 'b' and task.attempt == 1:
            (actor,) = [actor for actor, running in cluster._running.values() if running is task]
            ray.kill(actor)  # by SIGKILL

    monkeypatch.setattr(RayCluster, 'start', start_and_kill)
    code, printed, found = evaluate(
        '--bag', *bags, *GROUND_TRUTH, '--ray', 'auto', '--workers', '1',
        json_to=tmp_path / 'b.json',
    )  # fmt: skip
    assert code == 0, printed.err
    for name in ('scores', 'measures', 'frames', 'parts'):
        assert json.dumps(without_times(found[name])) == json.dumps(without_times(alone[name]))


@pytest.mark.parametrize(
    ('address', 'text'),
    [
        ('127.0.0.1:1', r'no Ray cluster can be used there .*Connection refused'),
        ('ray://127.0.0.1:1', r'no Ray cluster can be used there .*Connection refused'),
        ('somewhere', 'must be HOST:PORT, ray://HOST:PORT or auto'),
    ],
)
def test_a_cluster_that_is_not_there(address, text):
    with pytest.raises(ConfigError, match=text):
        RayCluster(address, None)


def test_a_cluster_of_another_version():
    error = RuntimeError('Version mismatch: The cluster was started with: Ray: 2.9.0')
    assert 'has another version of Ray or Python' in explain('HOST:6379', error)
