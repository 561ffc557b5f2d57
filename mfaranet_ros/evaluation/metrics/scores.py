# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""The scores of images with ground truth: of each one, and of all together."""

from __future__ import annotations

from dataclasses import dataclass

from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix


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
