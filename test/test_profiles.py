# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The parameter files for single targets: each is one of the node, and says what was measured."""

import itertools
from pathlib import Path

import pytest
import yaml

from mfaranet_ros.adaptive.operating_points import operating_points_of
from mfaranet_ros.core.config import PipelineConfig, replace

CONFIG = Path(__file__).resolve().parents[1] / 'config'
OTHERS = {'segmentation', 'rig', 'nav2_semantic_layer'}
"""Files that are no profile of a target."""

PROFILES = sorted(path for path in CONFIG.glob('*.yaml') if path.stem not in OTHERS)


def settings(path):
    """Return the settings of a parameter file by their full names."""
    values = yaml.safe_load(path.read_text())['/**']['ros__parameters']
    return {f'{group}.{name}': value for group, names in values.items()
            for name, value in names.items()}  # fmt: skip


def test_every_target_has_one():
    names = {path.stem for path in PROFILES}
    assert names >= {
        'cpu',
        'desktop_gpu',
        'jetson_agx_orin',
        'jetson_orin_nano',
        'jetson_thor',
        'small_device',
    }


@pytest.mark.parametrize('path', PROFILES, ids=lambda path: path.stem)
def test_it_holds_settings_of_the_node_and_a_sound_operating_points(path):
    config = replace(PipelineConfig(), settings(path))
    operating_points = operating_points_of(config)
    assert len(operating_points) > 1 or not config.latency.adapt
    sizes = [operating_point.size for operating_point in operating_points]
    assert sizes[0] == (config.input.height, config.input.width)
    assert all(a[0] * a[1] >= b[0] * b[1] for a, b in itertools.pairwise(sizes))


@pytest.mark.parametrize('path', PROFILES, ids=lambda path: path.stem)
def test_it_differs_from_the_defaults_in_all_it_says(path):
    given = settings(path)
    assert replace(PipelineConfig(), given) != PipelineConfig()
    assert not {name for name in given if name.startswith('ground.')}  # of the vehicle


@pytest.mark.parametrize('path', PROFILES, ids=lambda path: path.stem)
def test_it_says_what_was_measured(path):
    comment = ' '.join(line.lstrip('# ') for line in path.read_text().splitlines()
                       if line.startswith('#'))  # fmt: skip
    assert 'Nothing here was measured. Estimate' in comment or 'Measured (' in comment
