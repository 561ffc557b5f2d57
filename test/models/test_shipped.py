# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The weights that come with the package: what they are, and what they see on held-out images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfaranet_ros.backends.device import cpu_flags
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.data.images import Pairs, find_pairs
from mfaranet_ros.data.label_table import read_table
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.run import score_labels
from mfaranet_ros.models import find_weights, read_weights
from mfaranet_ros.models.weights import SHIPPED_FOLDER
from mfaranet_ros.pipeline.build import build_processor

SHIPPED = sorted(SHIPPED_FOLDER.glob('*.safetensors'))
SHARED = Path(__file__).resolve().parents[3] / 'shared'
ROADS = SHARED / 'roads'
NETWORKS = ('mfaranet_resnet18', 'eseg_lite_s')
MEGABYTES = {'mfaranet_resnet18': 30, 'eseg_lite_s': 15}


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_they_say_what_they_are_and_are_not_too_large(path):
    weights = read_weights(path)
    assert path.name == f'{weights.model}_roads.safetensors'
    assert path.stat().st_size <= MEGABYTES[weights.model] * 1e6
    assert weights.label_set == 'cityscapes'
    assert weights.temperature is not None
    assert not any(name.startswith('boundary') for name in weights.state)
    training = json.loads(weights.training)
    assert {'camvid', 'cityscapes', 'india', 'streets'} <= {
        one['name'] for one in training['data']
    }
    assert str(SHARED) not in weights.training


@pytest.mark.parametrize('model', NETWORKS)
def test_a_model_named_alone_runs_them(model):
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch', 'model.name': model}
    pipeline = build_processor(replace(PipelineConfig(), config))
    try:
        assert pipeline.network.weights.path == find_weights(model)
        assert pipeline.label_set is CITYSCAPES
    finally:
        pipeline.close()


def test_the_default_network_is_one_of_them():
    assert find_weights(PipelineConfig().model.name) in SHIPPED


def score(model, images, labels, every, *, scales=(1, 2, 3, 4)):
    """Run a network over every n-th image from a place on, as the node does, in float32."""
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch', 'runtime.precision': 'float32'}
    config |= {'model.name': model, 'model.scales': scales}
    pipeline = build_processor(replace(PipelineConfig(), config))

    found = find_pairs(images.parent / 'images', images.parent / 'labels')
    pairs = Pairs(found.pairs[every], found.layout)
    try:
        return score_labels(lambda frame: pipeline(frame).labels, pairs, labels)
    finally:
        pipeline.close()


HELD_OUT = {
    'camvid': (SHARED / 'camvid' / 'val', slice(None, None, 10)),
    'cityscapes': (ROADS / 'cityscapes_256', slice(-275, None, 25)),
    'india': (ROADS / 'idd_lite', slice(-150, None, 15)),
}
"""By the name: the folder, and which of its images are scored; nobody trained on them."""


LEAST = {
    ('camvid', 'mfaranet_resnet18'): (0.94, 0.90),
    ('camvid', 'eseg_lite_s'): (0.91, 0.89),
    ('cityscapes', 'mfaranet_resnet18'): (0.88, 0.84),
    ('cityscapes', 'eseg_lite_s'): (0.89, 0.86),
    ('india', 'mfaranet_resnet18'): (0.86, 0.86),
    ('india', 'eseg_lite_s'): (0.86, 0.87),
}
"""The least road IoU and pixel accuracy on these few images; the card has the figures of more."""


def labels_of(name):
    if name == 'camvid':
        merge = read_table(ROADS / 'cityscapes_256' / 'to_camvid11.txt', CAMVID)
        return LabelComparison.between(CITYSCAPES, CAMVID, merge=merge)
    if name == 'india':
        table = read_table(ROADS / 'idd_lite' / 'to_cityscapes19.txt', CITYSCAPES)
        return LabelComparison.between(CITYSCAPES, CITYSCAPES, table=table)
    return LabelComparison.between(CITYSCAPES, CITYSCAPES)


@pytest.mark.slow
@pytest.mark.skipif(not ROADS.is_dir(), reason=f'the images of {ROADS} are not here')
@pytest.mark.parametrize('name', HELD_OUT)
@pytest.mark.parametrize('model', NETWORKS)
def test_they_see_held_out_roads_as_their_card_says(model, name):
    root, every = HELD_OUT[name]
    scores = score(model, root / 'images', labels_of(name), every)
    least_road, least_accuracy = LEAST[name, model]
    assert scores.matrix.drivable(scores.label_set).iou > least_road
    assert scores.matrix.pixel_accuracy() > least_accuracy


BFLOAT16 = not {'avx512_bf16', 'amx_bf16'}.isdisjoint(cpu_flags())


@pytest.mark.skipif(not BFLOAT16, reason='this CPU does not multiply in bfloat16')
@pytest.mark.parametrize('model', NETWORKS)
@pytest.mark.parametrize('size', [(240, 320), (288, 384), (512, 1024), (1088, 2048)], ids=str)
def test_bfloat16_passes_the_self_test_at_every_size(model, size):
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch'}
    config |= {'runtime.precision': 'bfloat16', 'model.name': model}
    config |= {'input.height': size[0], 'input.width': size[1]}
    build_processor(replace(PipelineConfig(), config)).close()
