"""What all tests share: they keep to this machine, and to a ROS domain of their own."""

import os
from pathlib import Path

import pytest

os.environ.setdefault('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST')
os.environ.setdefault('ROS_DOMAIN_ID', str(1 + os.getpid() % 100))


@pytest.fixture(scope='session')
def repository():
    """The folder of the source tree."""
    return Path(__file__).resolve().parents[1]
