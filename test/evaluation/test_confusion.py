# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix: against a second implementation, and its edges."""

import numpy as np
import pytest

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import get_label_set, list_label_sets
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix


def masks(classes, seed, *, size=(3, 40, 50), void=0.1):
    """Return labels that are mostly the ground truth, and the ground truth with some void."""
    random = np.random.default_rng(seed)
    ground_truth = random.integers(0, classes, size, np.uint8)
    guess = random.integers(0, classes, size, np.uint8)
    labels = np.where(random.random(size) < 0.7, ground_truth, guess).astype(np.uint8)
    ground_truth[random.random(size) < void] = 255
    return labels, ground_truth


def matrix_of(labels, ground_truth, classes):
    matrix = ConfusionMatrix(classes)
    matrix.update(np.asarray(labels, np.uint8), np.asarray(ground_truth, np.uint8))
    return matrix


@pytest.mark.parametrize('classes', [2, 11, 19, 59, 255])
@pytest.mark.parametrize('seed', range(3))
def test_scores_are_those_of_torchmetrics(classes, seed):
    torch = pytest.importorskip('torch')
    classification = pytest.importorskip('torchmetrics.classification', reason='no torchmetrics')
    labels, ground_truth = masks(classes, seed)
    if classes == 11:  # a class that occurs nowhere
        labels[labels == 4], ground_truth[ground_truth == 4] = 5, 5
    matrix = ConfusionMatrix(classes)
    for one, other in zip(labels, ground_truth, strict=True):
        matrix.update(one, other)
    given = torch.from_numpy(labels).long(), torch.from_numpy(ground_truth).long()
    settings = {'num_classes': classes, 'ignore_index': 255}
    jaccard = classification.MulticlassJaccardIndex(average='macro', **settings)
    each = classification.MulticlassJaccardIndex(average='none', **settings)
    accuracy = classification.MulticlassAccuracy(average='micro', **settings)
    assert matrix.mean_iou() == pytest.approx(float(jaccard(*given)), abs=1e-6)
    assert np.nan_to_num(matrix.iou()) == pytest.approx(each(*given).numpy(), abs=1e-6)
    assert matrix.pixel_accuracy() == pytest.approx(float(accuracy(*given)), abs=1e-6)


def test_rows_are_the_ground_truth_and_columns_the_labels():
    matrix = matrix_of([0, 1, 1, 2], [0, 0, 1, 1], classes=3)
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert matrix.counts.dtype == np.int64
    assert matrix.iou().tolist() == [1 / 2, 1 / 3, 0.0]
    assert matrix.pixel_accuracy() == 1 / 2


@pytest.mark.parametrize('void', [3, 4, 254, 255])
def test_void_is_ignored_whatever_was_labeled(void):
    matrix = matrix_of([0, 1, 2, 255, 0], [void, void, void, void, 0], classes=3)
    assert matrix.pixels == 1
    assert matrix.mean_iou() == matrix.pixel_accuracy() == 1


@pytest.mark.parametrize('unlabeled', [2, 100, 255])
def test_unlabeled_pixels_are_missed(unlabeled):
    matrix = matrix_of([0, unlabeled, 1, 1], [0, 0, 1, 1], classes=2)
    assert matrix.counts.tolist() == [[1, 0], [0, 2]]
    assert matrix.unlabeled.tolist() == [1, 0]
    assert matrix.iou().tolist() == [0.5, 1.0]
    assert matrix.pixel_accuracy() == 0.75
    assert matrix.binary(np.array([True, False])).recall == 0.5


def test_a_class_that_never_occurs_is_left_out_of_the_mean():
    matrix = matrix_of([0, 0, 1], [0, 0, 1], classes=4)
    assert np.isnan(matrix.iou()[2:]).all()
    assert matrix.mean_iou() == 1


def test_a_class_that_is_only_labeled_counts_as_zero():
    matrix = matrix_of([0, 2], [0, 0], classes=4)
    assert matrix.iou()[2] == 0
    assert matrix.mean_iou() == pytest.approx(0.25)


def test_without_a_pixel_every_score_is_nan():
    matrix = matrix_of([1, 0], [255, 255], classes=2)
    scores = matrix.binary(np.array([True, False]))
    figures = [*matrix.iou(), matrix.mean_iou(), matrix.pixel_accuracy()]
    assert np.isnan([*figures, scores.iou, scores.precision, scores.recall]).all()


def test_counts_do_not_overflow_and_merge_adds():
    matrix, other = ConfusionMatrix(2), ConfusionMatrix(2)
    other.counts[:] = 2**40
    other.unlabeled[:] = 3
    matrix.merge(other)
    matrix.merge(matrix_of([0, 255], [0, 1], classes=2))
    assert matrix.counts.tolist() == [[2**40 + 1, 2**40], [2**40, 2**40]]
    assert matrix.unlabeled.tolist() == [3, 4]
    assert matrix.iou().tolist() == pytest.approx([1 / 3, 1 / 3])


def test_order_of_images_and_parts_do_not_matter():
    labels, ground_truth = masks(11, 0)
    whole, parts = matrix_of(labels, ground_truth, 11), ConfusionMatrix(11)
    for i in (2, 0, 1):
        parts.merge(matrix_of(labels[i], ground_truth[i], 11))
    assert (whole.counts == parts.counts).all()


@pytest.mark.parametrize('name', list_label_sets())
def test_drivable_scores_are_those_of_the_roles(name):
    label_set = get_label_set(name)
    labels, ground_truth = masks(len(label_set), 1)
    labels[:, :5] = np.flatnonzero(label_set.roles == 1)[0]  # more is found than is there
    scores = matrix_of(labels, ground_truth, len(label_set)).drivable(label_set)
    valid = ground_truth != 255
    found, there = label_set.roles[labels[valid]] == 1, label_set.roles[ground_truth[valid]] == 1
    hits = (found & there).sum()
    assert scores.iou == hits / (found | there).sum()
    assert scores.precision == hits / found.sum()
    assert scores.recall == hits / there.sum()
    assert scores.precision < scores.recall


def test_a_strided_view_is_counted_as_it_looks():
    labels, ground_truth = masks(5, 2)
    view, whole = matrix_of(labels[..., ::2], ground_truth[..., ::2], 5), ConfusionMatrix(5)
    whole.update(labels[..., ::2].copy(), ground_truth[..., ::2].copy())
    assert (view.counts == whole.counts).all()


@pytest.mark.parametrize(
    ('labels', 'ground_truth'),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8)),
        (np.zeros((2, 3), np.int64), np.zeros((2, 3), np.uint8)),
        (np.zeros((2, 3), np.uint8), np.zeros((2, 3), bool)),
    ],
)
def test_other_arrays_are_refused(labels, ground_truth):
    with pytest.raises(ConfigError, match='both must be uint8 and of one shape'):
        ConfusionMatrix(3).update(labels, ground_truth)


@pytest.mark.parametrize('classes', [-1, 0, 256])
def test_classes_out_of_range_are_refused(classes):
    with pytest.raises(ConfigError, match=f'classes = {classes}'):
        ConfusionMatrix(classes)


def test_matrices_of_other_classes_do_not_merge():
    with pytest.raises(ConfigError, match='3 classes'):
        ConfusionMatrix(2).merge(ConfusionMatrix(3))


# -- partial labels -------------------------------------------------------------------------------

SETS = ((0, 1), (1, 2))


def count_partial(labels, ground_truth, classes=3):
    matrix = ConfusionMatrix(classes, SETS)
    matrix.update(np.array([labels], np.uint8), np.array([ground_truth], np.uint8))
    return matrix


def test_a_label_inside_the_set_is_right_and_no_hit():
    matrix = count_partial([0, 1, 1, 2], [3, 3, 4, 4])
    assert matrix.pixel_accuracy() == 1.0
    assert matrix.pixels == 4
    assert not matrix.counts.any()
    assert np.isnan(matrix.iou()).all()


def test_a_label_outside_the_set_is_an_error_of_its_class():
    matrix = count_partial([2, 2, 2, 0], [3, 2, 2, 0])
    assert matrix.pixel_accuracy() == pytest.approx(3 / 4)
    assert matrix.iou()[2] == pytest.approx(2 / 3)
    assert matrix.iou()[0] == 1.0


def test_an_unlabeled_pixel_of_a_set_is_wrong():
    matrix = count_partial([255, 0], [3, 3])
    assert matrix.pixel_accuracy() == pytest.approx(1 / 2)
    assert matrix.pixels == 2


def test_a_group_counts_sets_that_are_wholly_inside_or_outside():
    group = np.array([True, True, False])
    ours = count_partial([0, 2, 0, 2, 255], [3, 3, 2, 4, 3]).binary(group)
    # Inside: one hit and two misses; of class 2 one found by mistake; (1, 2) is on both sides.
    assert ours.iou == pytest.approx(1 / 4)
    assert ours.precision == pytest.approx(1 / 2)
    assert ours.recall == pytest.approx(1 / 3)


def test_partial_counts_merge():
    a, b = count_partial([0, 2], [3, 3]), count_partial([2, 255], [4, 4])
    a.merge(b)
    assert a.partial.sum() + a.partial_unlabeled.sum() == 4
    with pytest.raises(ConfigError, match='cannot be added'):
        a.merge(ConfusionMatrix(3))


def test_classes_and_sets_have_255_values():
    with pytest.raises(ConfigError, match='together up to 255'):
        ConfusionMatrix(250, [(0, 1)] * 6)
