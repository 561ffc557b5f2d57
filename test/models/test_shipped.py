"""The weights that come with the package: what they are, and that they see."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfaranet_ros.evaluation.images import Pairs, TruthReader, find_pairs
from mfaranet_ros.evaluation.run import evaluate
from mfaranet_ros.models import find_weights, read_weights
from mfaranet_ros.models.weights import SHIPPED_FOLDER
from mfaranet_ros.pipeline.config import PipelineConfig, replace
from mfaranet_ros.pipeline.segmentation import SegmentationPipeline

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


def test_the_default_configuration_runs_them():
    pipeline = SegmentationPipeline(replace(PipelineConfig(), {'runtime.device': 'cpu'}))
    try:
        assert pipeline.network.weights.path == find_weights('mfaranet_resnet18')
        assert pipeline.label_set.name == 'camvid'
    finally:
        pipeline.close()


@pytest.mark.skipif(not CAMVID.is_dir(), reason=f'the pictures of {CAMVID} are not here')
@pytest.mark.parametrize('scales', [(1, 2, 3, 4), (2,)], ids=str)
def test_they_see_streets_as_their_card_says(scales):
    config = {'runtime.device': 'cpu', 'runtime.backend': 'torch', 'model.scales': scales}
    pipeline = SegmentationPipeline(replace(PipelineConfig(), config))
    found = find_pairs(CAMVID / 'images', CAMVID / 'labels')
    pairs = Pairs(found.pairs[::EVERY], found.layout)
    read = TruthReader(pipeline.label_set, pairs.layout)
    try:
        result = evaluate(lambda frame: pipeline(frame).labels, pairs, read, pipeline.label_set)
    finally:
        pipeline.close()
    iou = dict(zip(pipeline.label_set.names, result.matrix.iou(), strict=True))
    assert result.matrix.mean_iou() > 0.70  # of all pictures 0.72; these are one in five
    assert iou['Road'] > 0.96
    assert iou['Pedestrian'] > 0.45
    assert iou['SignSymbol'] > 0.35
