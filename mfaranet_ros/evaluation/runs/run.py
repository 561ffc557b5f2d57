# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Runs a network over images with ground truth and counts what it gets right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.files import printable
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import Pair, Pairs, read_frame
from mfaranet_ros.data.labels import GroundTruthReader
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix

Labels = NDArray[np.uint8]
"""uint8 (H, W) class ids."""


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image; nan where its ground truth has nothing to compare with."""

    name: str
    mean_iou: float
    pixel_accuracy: float
    drivable_iou: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of all images together, and of each that has a ground truth."""

    label_set: LabelSet
    matrix: ConfusionMatrix
    images: tuple[ImageScore, ...]


def evaluate(
    find_labels: Callable[[Frame], Labels],
    pairs: Pairs,
    read_ground_truth: GroundTruthReader,
    label_set: LabelSet,
    on_labels: Callable[[Pair, Labels], object] = lambda pair, labels: None,
) -> Evaluation:
    """Label every image and compare it with its ground truth.

    find_labels: of a frame, at camera size. on_labels: is told of each image when it is done.
    Raises InferenceError, which names the image, if the network fails; SourceError if a file
    cannot be read any more.
    """
    total = ConfusionMatrix(len(label_set))
    scores = []
    for pair in pairs.pairs:
        frame = read_frame(pair.image)
        try:
            labels = find_labels(frame)
        except InferenceError as error:
            raise InferenceError(f'{pair.image}: {error}') from error
        if pair.ground_truth is not None:
            matrix = ConfusionMatrix(len(label_set))
            matrix.update(labels, read_ground_truth(pair.ground_truth, frame.size))
            total.merge(matrix)
            scores.append(score_image(printable(pair.name), matrix, label_set))
        on_labels(pair, labels)
    return Evaluation(label_set, total, tuple(scores))


def score_image(name: str, matrix: ConfusionMatrix, label_set: LabelSet) -> ImageScore:
    """Return the scores of the image that was counted in a matrix."""
    return ImageScore(
        name, matrix.mean_iou(), matrix.pixel_accuracy(), matrix.drivable(label_set).iou
    )
