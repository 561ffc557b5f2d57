# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What all tests share: they keep to this machine, and to a ROS domain of their own."""

import os
from pathlib import Path

import pytest

pytest_plugins = ('fixtures.messages', 'fixtures.street')

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))
WORKER = int(os.environ.get('PYTEST_XDIST_WORKER', 'gw0')[2:])
WORKERS = int(os.environ.get('PYTEST_XDIST_WORKER_COUNT', '1'))
if WORKERS > 1:  # parallel workers must not share a domain
    os.environ['ROS_DOMAIN_ID'] = str(1 + (int(os.environ['ROS_DOMAIN_ID']) + WORKER) % 100)
os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')


@pytest.fixture(scope='session')
def repository():
    """The folder of the source tree."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def lively():
    """Give a network random statistics and larger flows, so that no part of it is idle."""

    def enliven(model):
        for name, value in model.state_dict().items():
            if name.endswith('running_var'):
                value.uniform_(0.5, 1.5)
            elif name.endswith(('running_mean', 'bias')):
                value.normal_(std=0.1)
            elif name.endswith('offset_map.weight'):
                value.mul_(10)
        return model.eval()

    return enliven


@pytest.fixture(autouse=True, scope='session')
def own_cache(tmp_path_factory):
    """Keep what backends make for this machine in a folder of this run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('XDG_CACHE_HOME', str(tmp_path_factory.mktemp('cache')))
        yield
