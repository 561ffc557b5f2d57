# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The shipped network, trained on real streets alone, sees the road of the scene."""

import pytest

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.pipeline.build import build_processor
from mfaranet_ros.scenes.options import SceneOptions
from mfaranet_ros.scenes.synthetic_scene import SyntheticScene

FRAMES = ((0, 20), (1, 110))
"""Seed and index; `docs/scenes.md` has the figures of many more."""


@pytest.fixture(scope='module')
def iou():
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch'}
    pipeline = build_processor(replace(PipelineConfig(), config))
    label_set = pipeline.label_set
    options = SceneOptions(labels=label_set.name)
    matrix = ConfusionMatrix(len(label_set))
    try:
        for seed, index in FRAMES:
            drawn = SyntheticScene(seed, options).frame(index)
            labels = pipeline(Frame(drawn.rgb, 'rgb8', drawn.stamp_ns, 'camera')).labels
            matrix.update(labels, drawn.labels)
    finally:
        pipeline.close()
    return dict(zip(label_set.names, matrix.iou(), strict=True))


def test_it_sees_the_road(iou):
    assert iou['road'] > 0.93


@pytest.mark.parametrize(('name', 'least'), [('sky', 0.8), ('building', 0.5), ('vegetation', 0.5)])
def test_it_sees_what_is_large(iou, name, least):
    assert iou[name] > least
