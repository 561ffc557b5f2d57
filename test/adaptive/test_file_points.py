# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Operating points that name network files are prepared and take turns as our networks do."""

import numpy as np
import pytest
import yaml
from fixtures.tiny_onnx import tiny_network

from mfaranet_ros.adaptive.prepared_points import prepare_points
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.labels import Role

LABELS = [
    {'name': 'rest', 'role': 'obstacle'},
    {'name': 'road', 'role': 'drivable'},
    {'name': 'path', 'role': 'ground'},
]


def network(folder, name, labels=LABELS, **options):
    path = tiny_network(folder / f'{name}.onnx', size=None, **options)
    path.with_suffix('.yaml').write_text(yaml.safe_dump({'version': 1, 'labels': labels}))
    return path


def config_of(*points):
    return replace(
        PipelineConfig(),
        {
            'latency.adapt': True, 'latency.operating_points': list(points),
            'model.name': points[0].partition('@')[0], 'runtime.backend': 'onnx',
            'runtime.device': 'cpu', 'output.resolution': 'network',
        },
    )  # fmt: skip


class Clock:
    """Says that each frame takes less than the one before, so that the order is as listed."""

    def __init__(self):
        self.now, self.step = 0, 10**9

    def __call__(self):
        self.now += self.step
        self.step -= 10**6
        return self.now


def test_files_and_sizes_of_files_take_turns(tmp_path):
    large = network(tmp_path, 'large', opset=12)
    small = network(tmp_path, 'small', stride=4, seed=1)
    points = (f'{large}@96x128', f'{large}@48x64', f'{small.with_suffix(".yaml")}@48x64')
    prepared = prepare_points(config_of(*points), clock_ns=Clock())
    try:
        found = [dict(point.facts) for point in prepared.points]
        assert [each['name'] for each in found] == ['large', 'large', 'small']
        assert [each['input_size'] for each in found] == ['96x128', '48x64', '48x64']
        assert [each['operating_point'] for each in found] == list(points)
        frame = Frame(np.full((120, 160, 3), 90, np.uint8), 'rgb8', 0, 'camera')
        shapes = [point.processor(frame).labels.shape for point in prepared.points]
        assert shapes == [(96, 128), (48, 64), (48, 64)]
    finally:
        prepared.close()


@pytest.mark.parametrize('key', ['name', 'role'])
def test_files_of_other_classes_are_refused(tmp_path, key):
    other = [dict(each) for each in LABELS]
    other[2][key] = 'grass' if key == 'name' else Role.OBSTACLE.name.lower()
    (tmp_path / 'b').mkdir()
    first, second = network(tmp_path, 'net'), network(tmp_path / 'b', 'net', other)
    with pytest.raises(ConfigError, match=r'must have the same classes') as caught:
        prepare_points(config_of(f'{first}@96x128', f'{second}@48x64'), clock_ns=Clock())
    assert '\n' not in str(caught.value)
