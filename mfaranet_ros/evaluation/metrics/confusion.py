# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Which class was taken for which: the integer matrix that every score is computed from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import LabelSet, Role

VALUES = 256
"""The values a mask can have."""


class ConfusionMatrix:
    """Counts pixels by what they are and what they were labeled.

    Ground truth of no class (`classes` or more; void, 255) is ignored. A label of no class (255,
    unlabeled) is wrong wherever the ground truth has a class: it is in no column of `counts`, but
    in `unlabeled`, and every score counts it as missed.

    sets: partial labels, the classes that ground truth of the ids from `classes` on may be. A
    label inside the set is right, but no class's hit, since nobody knows which class it is. One
    outside the set is an error of the class it names.
    """

    def __init__(self, classes: int, sets: Sequence[Sequence[int]] = ()) -> None:
        if not 1 <= classes < VALUES or classes + len(sets) >= VALUES:
            raise ConfigError(
                f'classes = {classes} and {len(sets)} partial labels: must be integers from 1, '
                f'together up to {VALUES - 1}'
            )
        self.classes = classes
        self.members: NDArray[np.bool_] = np.zeros((len(sets), classes), bool)
        """bool (K, C): which classes each partial label may be."""
        for row, entries in enumerate(sets):
            self.members[row, list(entries)] = True
        self.partial: NDArray[np.int64] = np.zeros((len(sets), classes), np.int64)
        """int64 (K, C) pixels of each partial label by what they were labeled."""
        self.partial_unlabeled: NDArray[np.int64] = np.zeros(len(sets), np.int64)
        """int64 (K,) pixels of each partial label that were given no label."""
        self.counts: NDArray[np.int64] = np.zeros((classes, classes), np.int64)
        """int64 (C, C) pixels; rows are the ground truth, columns the labels."""
        self.unlabeled: NDArray[np.int64] = np.zeros(classes, np.int64)
        """int64 (C,) pixels of each true class that were given no label."""

    def update(self, labels: NDArray[np.uint8], ground_truth: NDArray[np.uint8]) -> None:
        """Count one image: labels and ground truth are uint8 of the same shape.

        Raises ConfigError for anything else.
        """
        if (
            labels.dtype != np.uint8
            or ground_truth.dtype != np.uint8
            or labels.shape != ground_truth.shape
        ):
            raise ConfigError(
                f'labels {labels.dtype} {labels.shape}, ground truth {ground_truth.dtype} '
                f'{ground_truth.shape}: '
                'both must be uint8 and of one shape'
            )
        both = ground_truth.astype(np.uint16) << 8 | labels
        pairs = np.bincount(both.ravel(), minlength=VALUES**2).reshape(VALUES, VALUES)
        self.counts += pairs[: self.classes, : self.classes]
        self.unlabeled += pairs[: self.classes, self.classes :].sum(axis=1)
        partial = pairs[self.classes : self.classes + len(self.members)]
        self.partial += partial[:, : self.classes]
        self.partial_unlabeled += partial[:, self.classes :].sum(axis=1)

    def merge(self, other: ConfusionMatrix) -> None:
        """Add the counts of another matrix of the same classes and sets; raises ConfigError."""
        if other.classes != self.classes or not np.array_equal(other.members, self.members):
            raise ConfigError(
                f'a matrix of {other.classes} classes and {len(other.members)} partial labels '
                f'cannot be added to one of {self.classes} and {len(self.members)}'
            )
        self.counts += other.counts
        self.unlabeled += other.unlabeled
        self.partial += other.partial
        self.partial_unlabeled += other.partial_unlabeled

    @property
    def pixels(self) -> int:
        """How many pixels have a true class or a partial label; all scores are of these."""
        whole = (self.counts, self.unlabeled, self.partial, self.partial_unlabeled)
        return int(sum(counts.sum() for counts in whole))

    @property
    def outside(self) -> NDArray[np.int64]:
        """int64 (C,) pixels that were labeled so although their partial label excludes it."""
        outside: NDArray[np.int64] = np.where(self.members, 0, self.partial).sum(axis=0)
        return outside

    def iou(self) -> NDArray[np.float64]:
        """Return each class's intersection over union, float64 (C,).

        nan for a class that occurs neither in the ground truth nor among the labels.
        """
        hits = self.counts.diagonal()
        ground_truth = self.counts.sum(axis=1) + self.unlabeled
        union = ground_truth + self.counts.sum(axis=0) + self.outside - hits
        iou: NDArray[np.float64] = np.full(self.classes, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        return iou

    def mean_iou(self) -> float:
        """Return the mean over the classes that occur; nan where none does."""
        iou = self.iou()
        occurring = iou[~np.isnan(iou)]
        return float(occurring.mean()) if occurring.size else float('nan')

    def pixel_accuracy(self) -> float:
        """Return the share of pixels labeled right, or inside their set; nan without any."""
        inside = int(self.partial[self.members].sum())
        return _ratio(int(self.counts.trace()) + inside, self.pixels)

    def binary(self, positive: NDArray[np.bool_]) -> BinaryScores:
        """Return the scores of a group of classes against all others; see `area`."""
        hits, ground_truth, predicted = self.area(positive)
        return BinaryScores(
            iou=_ratio(hits, ground_truth + predicted - hits),
            precision=_ratio(hits, predicted),
            recall=_ratio(hits, ground_truth),
        )

    def area(self, positive: NDArray[np.bool_]) -> tuple[int, int, int]:
        """Return the pixels of a group of classes that are hit, true, and predicted.

        positive: bool (C,), the classes of the group. Within the group nothing is confused. A
        partial label counts where all of it lies inside or outside the group.
        """
        inside = ~(self.members & ~positive).any(axis=1)  # (K,)
        outside = ~(self.members & positive).any(axis=1)
        hits = int(
            self.counts[np.ix_(positive, positive)].sum() + self.partial[inside][:, positive].sum()
        )
        ground_truth = int(
            self.counts[positive].sum()
            + self.unlabeled[positive].sum()
            + self.partial[inside].sum()
            + self.partial_unlabeled[inside].sum()
        )
        predicted = int(
            self.counts[:, positive].sum() + self.partial[inside | outside][:, positive].sum()
        )
        return hits, ground_truth, predicted

    def drivable(self, label_set: LabelSet) -> BinaryScores:
        """Return the scores of the drivable area: the classes whose role is drivable."""
        return self.binary(label_set.roles[: self.classes] == Role.DRIVABLE)


@dataclass(frozen=True)
class BinaryScores:
    """How well one area is found; nan where there is nothing to divide by.

    precision: the share of what was found that is right (what is not is drivable by mistake).
    recall: the share of what is there that was found.
    """

    iou: float
    precision: float
    recall: float


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float('nan')


@dataclass(frozen=True)
class ImageScore:
    """The scores of one image; nan where its ground truth has nothing to compare with."""

    name: str
    mean_iou: float
    pixel_accuracy: float
    drivable_iou: float


@dataclass(frozen=True, eq=False)
class Scores:
    """The scores of all images together, and of each that has ground truth."""

    label_set: LabelSet
    matrix: ConfusionMatrix
    images: tuple[ImageScore, ...]


def score_image(name: str, matrix: ConfusionMatrix, label_set: LabelSet) -> ImageScore:
    """Return the scores of the image that was counted in a matrix."""
    return ImageScore(
        name, matrix.mean_iou(), matrix.pixel_accuracy(), matrix.drivable(label_set).iou
    )
