# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""A network of one label set against ground truth of another: merged, partial, and refused."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError, InferenceError, SourceError
from mfaranet_ros.core.frame import Drivable, Frame, Result, Timings
from mfaranet_ros.core.labels import CAMVID, CITYSCAPES
from mfaranet_ros.data.images import find_pairs
from mfaranet_ros.data.label_table import parse_table
from mfaranet_ros.evaluation.metrics.measures import reliability
from mfaranet_ros.evaluation.runs.comparison import LabelComparison
from mfaranet_ros.evaluation.runs.run import score_labels
from mfaranet_ros.evaluation.runs.score import Scorer
from mfaranet_ros.evaluation.runs.sources import Sample

TO_CAMVID = [3, 4, 1, 1, 7, 2, 6, 6, 5, 5, 0, 9, 10, 8, 8, 8, 8, 10, 10]
"""The class of camvid that each class of cityscapes becomes."""

MERGE = [f'{number} : {entry}' for number, entry in enumerate(TO_CAMVID)]
COARSE = ['0 : road', '1 : sidewalk, terrain', '2 : 13,14,15', '3 :']
"""What four ids of other ground truth may be in cityscapes."""


def table(lines, label_set):
    return parse_table(lines, label_set, 'x.txt')


@pytest.fixture
def make_pairs(tmp_path):
    """Return what writes images of one gray, their number, and their ground truth."""

    def make(*ground_truths):
        for number, ids in enumerate(ground_truths):
            pixels = np.array(ids, np.uint8)
            for folder, image in (
                ('images', np.full((*pixels.shape, 3), number, np.uint8)),
                ('labels', pixels),
            ):
                (tmp_path / folder).mkdir(exist_ok=True)
                cv2.imwrite(str(tmp_path / folder / f'{number}.png'), image)
        return find_pairs(tmp_path / 'images', tmp_path / 'labels')

    return make


def predicting(*labels):
    """Return a network that says this of the images by their gray."""

    def predict(frame):
        return np.array(labels[int(frame.pixels[0, 0, 0])], np.uint8)

    return predict


def test_predictions_are_merged_into_the_classes_of_the_ground_truth(make_pairs):
    labels = LabelComparison.between(CITYSCAPES, CAMVID, merge=table(MERGE, CAMVID))
    pairs = make_pairs([[3, 8, 8, 1]], [[11, 255, 10, 9]])
    scores = score_labels(predicting([[0, 14, 13, 3]], [[0, 5, 17, 12]]), pairs, labels)
    iou = scores.matrix.iou()
    assert iou[[3, 8, 1]].tolist() == [1.0, 1.0, 1.0]
    assert iou[9] == 0.0
    assert iou[10] == pytest.approx(1 / 2)
    assert scores.matrix.pixels == 6  # 11 is camvid's own void
    assert [image.name for image in scores.images] == ['0', '1']


def test_it_is_said_what_was_merged():
    labels = LabelComparison.between(CITYSCAPES, CAMVID, merge=table(MERGE, CAMVID))
    assert 'building, wall merged into Building' in labels.notes
    assert 'car, truck, bus, train merged into Car' in labels.notes
    assert len(labels.notes) == 5


def test_ground_truth_may_be_one_of_several(make_pairs):
    labels = LabelComparison.between(CITYSCAPES, CITYSCAPES, table=table(COARSE, CITYSCAPES))
    pairs = make_pairs([[0, 0, 1, 1, 1, 2, 3, 255]])
    scores = score_labels(predicting([[0, 1, 1, 9, 0, 14, 0, 0]]), pairs, labels)
    assert scores.matrix.pixels == 6
    assert scores.matrix.pixel_accuracy() == pytest.approx(4 / 6)
    road = scores.matrix.binary(np.arange(19) == 0)
    assert (road.iou, road.precision, road.recall) == (1 / 3, 1 / 2, 1 / 2)
    assert 'id 1 may be sidewalk or terrain' in labels.notes


def test_both_tables_together(make_pairs):
    """A network of cityscapes on coarse ground truth, compared in camvid."""
    coarse = table(['0 : Road', '1 : Pavement, Tree'], CAMVID)
    labels = LabelComparison.between(CITYSCAPES, CAMVID, merge=table(MERGE, CAMVID), table=coarse)
    pairs = make_pairs([[0, 1, 1, 1]])
    scores = score_labels(predicting([[0, 1, 8, 0]]), pairs, labels)
    assert scores.matrix.pixel_accuracy() == pytest.approx(3 / 4)


def test_classes_merged_into_nothing_are_never_right(make_pairs):
    merge = [*MERGE[:18], '18 :']
    labels = LabelComparison.between(CITYSCAPES, CAMVID, merge=table(merge, CAMVID))
    scores = score_labels(predicting([[18, 17]]), make_pairs([[10, 10]]), labels)
    assert scores.matrix.pixel_accuracy() == pytest.approx(1 / 2)
    assert scores.matrix.unlabeled[10] == 1


def test_confidence_is_compared_on_certain_pixels_alone():
    comparison = LabelComparison.between(CITYSCAPES, CITYSCAPES, table=table(COARSE, CITYSCAPES))
    frame = Frame(np.zeros((1, 4, 3), np.uint8), 'rgb8', 0, 'camera')
    labels, confidence = np.array([[0, 1, 1, 9]], np.uint8), np.full((1, 4), 204, np.uint8)
    result = Result(frame, labels, confidence, Drivable(), Timings())
    truth = comparison.reader().ids_of('x', np.array([[0, 0, 1, 1]], np.uint8), (1, 4))
    sample = Sample(frame, truth)
    counts = Scorer(lambda sample: result, comparison).count(sample, result, None)
    calibration = reliability(counts.calibration.sum(axis=0))
    assert (calibration.pixels, calibration.ece) == (2, pytest.approx(0.8 - 0.5))


def test_ignored_ids_need_no_row():
    comparison = LabelComparison.between(CITYSCAPES, CITYSCAPES, table=table(COARSE, CITYSCAPES))
    reader = comparison.reader(ignored=[77])
    assert reader.ids_of('x', np.array([[77, 0, 1]], np.uint8), (1, 3)).tolist() == [[255, 0, 19]]


SHIFTED = [f'{100 + number} : {number}' for number in range(19) if number != 3]
SHIFTED += ['103 : road, wall']
"""Ids of cityscapes and 100, but what is a wall may be road."""


@pytest.fixture
def coarse(tmp_path, street):
    """Return the street with shifted ids, and the arguments that bring them back."""
    path = tmp_path / 'coarse.txt'
    path.write_text('\n'.join(SHIFTED))
    shifted = replace(street, ground_truths=[ids + 100 for ids in street.ground_truths])
    return shifted, ('--table', path)


def test_a_table_works_for_folders_and_bags_in_any_number_of_jobs(
    coarse, evaluate, expected, tmp_path
):
    street, tables = coarse
    images, ids = street.folders(tmp_path / 'folders')
    bags = [street.bag(tmp_path / name) for name in ('one', 'two')]
    truth = ('--ground-truth-topic', '/truth/labels')
    folder = evaluate(
        '--images', images, '--ground-truth', ids, *tables, json_to=tmp_path / 'a.json'
    )[2]
    one, two = (
        evaluate('--bag', *bags, *truth, *tables, '--jobs', jobs, json_to=tmp_path / f'{jobs}')[2]
        for jobs in (1, 2)
    )
    confusion = 'rows_are_ground_truth'
    theirs = np.array(expected['scores']['confusion'][confusion])
    theirs[3] = 0  # partial now
    assert folder['scores']['confusion'][confusion] == theirs.tolist()
    assert one['scores'] == two['scores']
    assert one['parts'][0]['scores']['mean_iou'] == folder['scores']['mean_iou']
    assert folder['comparison']['notes'] == ['id 103 may be road or wall']


def test_partial_labels_reach_the_report_and_survive_a_resume(coarse, evaluate, tmp_path):
    street, tables = coarse
    bag, out = street.bag(tmp_path / 'bag'), tmp_path / 'out'
    given = ('--bag', bag, '--ground-truth-topic', '/truth/labels', *tables, '--out', out)
    code, printed, whole = evaluate(*given, json_to=tmp_path / 'a.json')
    assert code == 0
    assert 'a prediction inside a partial label counts as right' in printed.out
    (partial,) = whole['scores']['partial_labels']
    assert partial['classes'] == ['road', 'wall']
    pixels = sum(int((ids == 103).sum()) for ids in street.ground_truths)
    assert 0 < partial['inside'] < partial['pixels'] == pixels
    assert 'id 103 may be road or wall' in (out / 'report.html').read_text()
    log = out / 'frames.jsonl'
    log.write_bytes(b''.join(log.read_bytes().splitlines(keepends=True)[:3]))
    resumed = evaluate(*given, '--resume', json_to=tmp_path / 'b.json')[2]
    assert resumed['scores'] == whole['scores']
    code, printed, _ = evaluate(*given[:-4], '--out', out, '--resume', json_to=tmp_path / 'c.json')
    assert code == 2
    assert 'differs in comparison' in printed.err


def test_tables_without_ground_truth_are_refused(coarse, evaluate, tmp_path):
    street, tables = coarse
    code, printed, _ = evaluate(
        '--bag', street.bag(tmp_path / 'bag'), *tables, json_to=tmp_path / 'a.json'
    )
    assert code == 2
    assert 'need ground truth: give --ground-truth' in printed.err


BAD = {
    'no merge': ({}, 'give --merge FILE with the class of camvid'),
    'a class without a row': ({'merge': MERGE[:-1]}, 'bicycle have no row, so cityscapes cannot'),
    'a class that is several': ({'merge': ['0 : 3,4', *MERGE[1:]]}, 'road may be several classes'),
}


@pytest.mark.parametrize('case', BAD)
def test_a_label_set_that_cannot_express_the_other(case):
    tables, message = BAD[case]
    given = {name: table(lines, CAMVID) for name, lines in tables.items()}
    with pytest.raises(ConfigError, match=message) as raised:
        LabelComparison.between(CITYSCAPES, CAMVID, **given)
    assert '\n' not in str(raised.value)


@pytest.mark.parametrize('name', ['merge', 'table'])
def test_a_table_to_another_label_set(name):
    given = {'merge': table(MERGE, CAMVID), name: table(['0 : 0'], CITYSCAPES)}
    with pytest.raises(ConfigError, match='leads to cityscapes, but camvid is compared'):
        LabelComparison.between(CITYSCAPES, CAMVID, **given)


def test_an_id_without_a_row_is_named(make_pairs):
    labels = LabelComparison.between(CITYSCAPES, CITYSCAPES, table=table(COARSE, CITYSCAPES))
    with pytest.raises(SourceError, match=r'0.png holds the values 7, which have no row in table'):
        score_labels(predicting([[0]]), make_pairs([[7]]), labels)


def test_a_network_that_fails_names_the_image(make_pairs):
    def fail(frame):
        raise InferenceError('out of memory')

    labels = LabelComparison.between(CAMVID, CAMVID)
    with pytest.raises(InferenceError, match=r'images, 0: out of memory'):
        score_labels(fail, make_pairs([[0]]), labels)
