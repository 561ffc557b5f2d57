# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""One small scene that the tests look at; nothing in it has state."""

import pytest

from mfaranet_ros.scenes.camera import SceneCamera
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

SMALL = SceneCamera(160, 120, fx=157.0)


@pytest.fixture(scope='session')
def small():
    return SMALL


@pytest.fixture(scope='session')
def scene():
    return SyntheticScene(seed=3, camera=SMALL)


@pytest.fixture(scope='session')
def frame(scene):
    return scene.frame(40)
