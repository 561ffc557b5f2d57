# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The weights that come with the package: what they are, and that they see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.data.images import Pairs, find_pairs
from mfaranet_ros.data.labels import GroundTruthReader
from mfaranet_ros.evaluation.runs.run import score_labels
from mfaranet_ros.models import find_weights, read_weights
from mfaranet_ros.models.weights import SHIPPED_FOLDER
from mfaranet_ros.pipeline.build import build_processor

SHIPPED = sorted(SHIPPED_FOLDER.glob('*.safetensors'))
CAMVID = Path(__file__).resolve().parents[3] / 'shared' / 'camvid' / 'val'
EVERY = 5


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_they_say_what_they_are_and_are_not_too_large(path):
    weights = read_weights(path)
    assert path.name == f'{weights.model}_{weights.label_set}.safetensors'
    assert path.stat().st_size <= 30e6
    training = json.loads(weights.training)
    assert training['data'] == weights.label_set
    while isinstance(training['begun_with'], dict):
        training = training['begun_with']['training']
        assert training['data'] == weights.label_set
    assert training['begun_with'] == 'scratch'
    assert not training.get('backbone_begun_with')


@pytest.mark.parametrize('model', ['mfaranet_resnet18', 'eseg_lite_s'])
def test_a_model_named_alone_runs_them(model):
    config = {'runtime.device': 'cpu', 'model.name': model}
    pipeline = build_processor(replace(PipelineConfig(), config))
    try:
        assert pipeline.network.weights.path == find_weights(model)
        assert pipeline.label_set.name == 'camvid'
    finally:
        pipeline.close()


def test_the_default_network_is_one_of_them():
    assert find_weights(PipelineConfig().model.name) in SHIPPED


@pytest.mark.skipif(not CAMVID.is_dir(), reason=f'the images of {CAMVID} are not here')
@pytest.mark.parametrize(
    ('model', 'scales', 'least'),
    [
        ('mfaranet_resnet18', (1, 2, 3, 4), 0.70),  # of all images 0.755; these are one in five
        ('mfaranet_resnet18', (2,), 0.70),
        ('eseg_lite_s', (1, 2, 3, 4), 0.62),
    ],
)
def test_they_see_streets_as_their_card_says(model, scales, least):
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch'}
    config |= {'model.name': model, 'model.scales': scales}
    pipeline = build_processor(replace(PipelineConfig(), config))
    found = find_pairs(CAMVID / 'images', CAMVID / 'labels')
    pairs = Pairs(found.pairs[::EVERY], found.layout)
    read = GroundTruthReader(pipeline.label_set, pairs.layout)
    try:
        result = score_labels(
            lambda frame: pipeline(frame).labels, pairs, read, pipeline.label_set
        )
    finally:
        pipeline.close()
    iou = dict(zip(pipeline.label_set.names, result.matrix.iou(), strict=True))
    assert result.matrix.mean_iou() > least
    assert iou['Road'] > 0.96
    assert iou['Pedestrian'] > 0.45
    assert iou['SignSymbol'] > 0.35
