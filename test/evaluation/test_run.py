# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Labels against ground truth, image by image, and what the report says of it."""

import json

import numpy as np
import pytest

import mfaranet_ros
from mfaranet_ros.cli.main import main
from mfaranet_ros.core.errors import ConfigError, InferenceError, SourceError, UnknownNameError
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.data.images import find_pairs
from mfaranet_ros.evaluation.report.figures import figures
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.evaluation.report.text import describe
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.run import score_labels

CAMVID = get_label_set('camvid')
ROAD, CAR, VOID = 3, 8, 11
SIZE = (10, 20)


def masks(seed, value=ROAD):
    """Return an image whose first channel holds its labels, and its ground truth."""
    random = np.random.default_rng(seed)
    ground_truth = random.integers(0, 11, SIZE, np.uint8)
    labels = np.where(random.random(SIZE) < 0.8, ground_truth, value).astype(np.uint8)
    ground_truth[:2] = VOID
    return np.stack([labels] * 3, axis=-1), ground_truth


def read_labels(frame):
    """Label a frame by its own pixels."""
    return np.ascontiguousarray(frame.pixels[..., 0])


@pytest.fixture
def run(make_folders):
    """Evaluate images that hold their labels; ground truth by the same names."""

    def start(found, find_labels=read_labels):
        images = {f'{name}.png': image for name, (image, _) in found.items()}
        ground_truths = {f'{name}.png': ground_truth for name, (_, ground_truth) in found.items()}
        pairs = find_pairs(*make_folders(images, ground_truths))
        return score_labels(find_labels, pairs, LabelComparison.of(CAMVID))

    return start


def test_all_images_count_together_and_each_alone(run):
    found = {'a': masks(1), 'b': masks(2, CAR)}
    result = run(found)
    labels = np.stack([image[..., 0] for image, _ in found.values()])
    ground_truth = np.stack([ground_truth for _, ground_truth in found.values()])
    valid = ground_truth != VOID
    assert result.matrix.pixels == valid.sum() == 2 * 8 * 20
    assert result.matrix.pixel_accuracy() == (labels == ground_truth)[valid].mean()
    assert [image.name for image in result.images] == ['a', 'b']
    for i, image in enumerate(result.images):
        assert image.pixel_accuracy == (labels == ground_truth)[i][valid[i]].mean()
    cars = (labels == CAR) & valid, (ground_truth == CAR) & valid
    assert result.matrix.iou()[CAR] == (cars[0] & cars[1]).sum() / (cars[0] | cars[1]).sum()


def test_a_failing_image_is_named(run):
    def fail(frame):
        raise InferenceError('out of memory')

    with pytest.raises(InferenceError, match='images, a: out of memory'):
        run({'a': masks(1)}, fail)


def test_a_ground_truth_of_another_size_is_named(run):
    image, ground_truth = masks(1)
    with pytest.raises(SourceError, match=r'truth/a\.png is 20x9 px, its image 20x10 px'):
        run({'a': (image, ground_truth[:9])})


# -- the report ----------------------------------------------------------------------------------


def test_figures_are_plain_and_agree(run):
    result = run({'a': masks(1), 'b': masks(2)})
    found = json.loads(json.dumps(figures(result), allow_nan=False))
    iou = result.matrix.iou()
    assert [entry['name'] for entry in found['classes']] == list(CAMVID.names)
    assert [entry['iou'] for entry in found['classes']] == iou.tolist()
    assert found['mean_iou'] == pytest.approx(np.mean([e['iou'] for e in found['classes']]))
    assert found['drivable'] == {key: found['classes'][ROAD][key] for key in found['drivable']}
    assert np.sum(found['confusion']['rows_are_ground_truth']) == found['pixels'] == 320
    assert sum(entry['pixels'] for entry in found['classes']) == 320
    assert len(found['images']) == 2


def test_what_does_not_occur_is_null_and_a_dash(run):
    image, ground_truth = np.full((*SIZE, 3), ROAD, np.uint8), np.full(SIZE, ROAD, np.uint8)
    void = np.full(SIZE, VOID, np.uint8)
    result = run({'a': (image, ground_truth), 'b': (image, void)})
    found = json.loads(json.dumps(figures(result), allow_nan=False))
    assert found['classes'][CAR]['iou'] is None
    assert found['images'][1]['mean_iou'] is None
    assert found['mean_iou'] == 1
    rows = {line.split()[0]: line.split()[1:] for line in describe(result).splitlines()}
    assert rows['Car'] == ['-', '-', '-', '0.00', '%']
    assert rows['Road'] == ['1.0000', '1.0000', '1.0000', '100.00', '%']
    assert rows['mean'] == ['1.0000']


def test_nothing_but_void_is_no_score(run):
    result = run({'a': (masks(1)[0], np.full(SIZE, VOID, np.uint8))})
    assert figures(result)['mean_iou'] is None
    assert 'lowest mean IoU: -' in describe(result)


def test_the_table_names_the_worst_images(run):
    good = np.stack([masks(1)[1]] * 3, axis=-1) % VOID, masks(1)[1]
    result = run({'good': good, 'bad': masks(2), 'also': good, 'fine': good})
    last = describe(result).splitlines()[-1]
    assert last.startswith('lowest mean IoU: bad (')
    assert last.count('(') == 3


def test_columns_stand_under_each_other():
    assert table([('a', 'bcd'), ('efg', 'h')], '<>') == 'a    bcd\nefg    h'
    assert table([('a', '')], '<<') == 'a'


# -- the public function -------------------------------------------------------------------------

MOCK = {'runtime_backend': 'mock', 'model_labels': 'camvid', 'runtime_precision': 'float32'}


def test_a_folder_is_scored_as_the_command_scores_it(make_folders, tmp_path):
    found = {'a': masks(1), 'b': masks(2, CAR)}
    folders = make_folders(
        {f'{name}.png': image for name, (image, _) in found.items()},
        {f'{name}.png': ground_truth for name, (_, ground_truth) in found.items()},
    )
    result = mfaranet_ros.evaluate(images=folders[0], ground_truth=folders[1], **MOCK)
    report = tmp_path / 'report.json'
    settings = [f'--set={name.replace("_", ".")}={value}' for name, value in MOCK.items()]
    given = ['--images', str(folders[0]), '--ground-truth', str(folders[1]), *settings]
    assert main(['evaluate', *given, '--json', str(report)]) == 0
    scores = json.loads(report.read_text())['scores']
    assert result.frames == 2
    assert result.mean_iou == scores['mean_iou']
    assert result.pixel_accuracy == scores['pixel_accuracy']
    assert result.confusion.sum() == scores['pixels']
    assert result.label_set.name == 'camvid'
    assert result.processing_p50_ms > 0


@pytest.mark.parametrize(
    ('given', 'error', 'said'),
    [
        ({}, ConfigError, 'either images or bags'),
        ({'images': 'a', 'bags': ['b']}, ConfigError, 'either images or bags'),
        ({'images': 'a', 'method': 'hole'}, UnknownNameError, "did you mean 'whole'"),
        ({'images': 'nowhere', **MOCK}, SourceError, 'nowhere'),
        ({'images': 'a', 'runtime_devise': 'cpu'}, UnknownNameError, 'device'),
    ],
)
def test_what_cannot_be_evaluated_is_refused_in_one_line(given, error, said):
    with pytest.raises(error, match=said) as caught:
        mfaranet_ros.evaluate(**given)
    assert '\n' not in str(caught.value)
