"""Runs a network over pictures with truth and counts what it gets right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.errors import InferenceError
from mfaranet_ros.evaluation.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.images import Pair, Pairs, TruthReader, read_frame
from mfaranet_ros.frame import Frame
from mfaranet_ros.labels import LabelSet

Labels = NDArray[np.uint8]
"""uint8 (H, W) class ids."""


@dataclass(frozen=True)
class PictureScore:
    """The scores of one picture; nan where its truth has nothing to compare with."""

    name: str
    mean_iou: float
    pixel_accuracy: float
    drivable_iou: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of all pictures together, and of each that has a truth."""

    label_set: LabelSet
    matrix: ConfusionMatrix
    pictures: tuple[PictureScore, ...]


def evaluate(
    find_labels: Callable[[Frame], Labels],
    pairs: Pairs,
    read_truth: TruthReader,
    label_set: LabelSet,
    on_labels: Callable[[Pair, Labels], object] = lambda pair, labels: None,
) -> Evaluation:
    """Label every picture and compare it with its truth.

    find_labels: of a frame, at camera size. on_labels: is told of each picture when it is done.
    Raises InferenceError, which names the picture, if the network fails; SourceError if a file
    cannot be read any more.
    """
    total = ConfusionMatrix(len(label_set))
    scores = []
    for pair in pairs.pairs:
        frame = read_frame(pair.picture)
        try:
            labels = find_labels(frame)
        except InferenceError as error:
            raise InferenceError(f'{pair.picture}: {error}') from error
        if pair.truth is not None:
            matrix = ConfusionMatrix(len(label_set))
            matrix.update(labels, read_truth(pair.truth, frame.size))
            total.merge(matrix)
            scores.append(score_picture(pair.name, matrix, label_set))
        on_labels(pair, labels)
    return Evaluation(label_set, total, tuple(scores))


def score_picture(name: str, matrix: ConfusionMatrix, label_set: LabelSet) -> PictureScore:
    """Return the scores of the picture that was counted in a matrix."""
    return PictureScore(
        name, matrix.mean_iou(), matrix.pixel_accuracy(), matrix.drivable(label_set).iou
    )
