# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What is counted of one frame, in integers only.

Counts are added, never averaged, so that the total is the same to the last bit whatever the order
of the frames and however many processes counted them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.metric import BANDS_M, MetricCounts

Ints = NDArray[np.int64]
Sets = tuple[tuple[int, ...], ...]
Labels = NDArray[np.uint8]

NOWHERE = len(BANDS_M)
"""The band of a pixel that sees no ground, or whose distance is not known."""

CONFIDENCES = 256
"""The values a confidence can have."""


@dataclass(frozen=True, eq=False)
class Counts:
    """The counts of one frame, or with `+` those of several.

    pixels: int64 (K + 1, C + P + 1, C + 1) by band of distance, ground truth and label. The last
        band is NOWHERE, the last label unlabeled, the last ground truth void (or not known).
        Before it come the P partial labels.
    calibration: int64 (K + 1, 256, 2), pixels with ground truth by band and confidence: all of
        them, and those that are correct.
    flicker: int64 (K + 1, 2, 2), by band, pixels compared with the frame before, and those of
        another label; first where both frames have the same true class, then all.
    metric: what was counted in metres.
    sets: the classes that each partial label may be.
    """

    pixels: Ints
    calibration: Ints
    flicker: Ints
    metric: MetricCounts
    sets: Sets = ()

    @classmethod
    def none(cls, classes: int, sets: Sets = ()) -> Counts:
        """Return the counts of no frame; sets: the partial labels."""
        return cls(
            np.zeros((NOWHERE + 1, classes + len(sets) + 1, classes + 1), np.int64),
            np.zeros((NOWHERE + 1, CONFIDENCES, 2), np.int64),
            np.zeros((NOWHERE + 1, 2, 2), np.int64),
            MetricCounts(),
            sets,
        )

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.pixels + other.pixels,
            self.calibration + other.calibration,
            self.flicker + other.flicker,
            self.metric + other.metric,
            self.sets,
        )

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.pixels.shape[2]) - 1

    def matrix(self, band: int | None = None) -> ConfusionMatrix:
        """Return the confusion matrix of one band of distance, or of all pixels."""
        pixels = self.pixels.sum(axis=0) if band is None else self.pixels[band]
        matrix = ConfusionMatrix(self.classes, self.sets)
        certain, partial = pixels[: self.classes], pixels[self.classes : -1]
        matrix.counts += certain[:, :-1]
        matrix.unlabeled += certain[:, -1]
        matrix.partial += partial[:, :-1]
        matrix.partial_unlabeled += partial[:, -1]
        return matrix

    @property
    def found(self) -> Ints:
        """Number of pixels per predicted label, int64 (C + 1,), with or without ground truth."""
        found: Ints = self.pixels.sum(axis=(0, 1))
        return found


class PixelCounter:
    """Counts images of a label set with this number of classes, and of partial labels."""

    def __init__(self, classes: int, partial: int = 0) -> None:
        self._classes = classes
        self._rows = classes + partial
        places = (NOWHERE + 1) * (self._rows + 1) * (classes + 1)
        self._type = np.uint16 if places < 2**16 else np.uint32

    def pixels(self, labels: Labels, ground_truth: Labels | None, bands: Labels | None) -> Ints:
        """Count pixels by band, ground truth and label, all uint8 (H, W); see Counts.

        ground_truth: ids, then partial labels, 255 for void; None where it is not known. bands:
        None where it is not known.
        """
        side, rows = self._classes + 1, self._rows + 1
        code = np.minimum(labels, self._classes).astype(self._type)
        if ground_truth is None:
            code += self._type(self._rows * side)
        else:
            # NumPy 1 would multiply in 8 bits.
            code += np.minimum(ground_truth, self._rows).astype(self._type) * self._type(side)
        if bands is None:
            code += self._type(NOWHERE * rows * side)
        else:
            code += bands.astype(self._type) * self._type(rows * side)
        counts = np.bincount(code.reshape(-1), minlength=(NOWHERE + 1) * rows * side)
        return counts.reshape(NOWHERE + 1, rows, side)

    def calibration(
        self, confidence: Labels, labels: Labels, ground_truth: Labels, bands: Labels | None
    ) -> Ints:
        """Count the pixels with a true class by band and confidence, all and the right ones."""
        known = ground_truth < self._classes
        code = confidence.astype(np.uint16) << 1
        code |= labels == ground_truth
        code += _places(bands, 2 * CONFIDENCES)
        counts = np.bincount(code[known], minlength=(NOWHERE + 1) * 2 * CONFIDENCES)
        counts = counts.reshape(NOWHERE + 1, CONFIDENCES, 2)
        return np.stack((counts.sum(axis=2), counts[..., 1]), axis=2)

    def flicker(
        self,
        now: tuple[Labels, Labels | None],
        before: tuple[Labels, Labels | None],
        bands: Labels | None,
    ) -> Ints:
        """Count what changed between two frames, each given by its labels and its ground truth."""
        (labels, ground_truth), (labels_before, ground_truth_before) = now, before
        result = np.zeros((NOWHERE + 1, 2, 2), np.int64)
        if labels.shape != labels_before.shape:
            return result
        changed = labels != labels_before
        result[:, 1, 0] = _in_bands(np.ones_like(changed), bands)
        result[:, 1, 1] = _in_bands(changed, bands)
        if ground_truth is not None and ground_truth_before is not None:
            same = (ground_truth == ground_truth_before) & (ground_truth < self._classes)
            result[:, 0, 0] = _in_bands(same, bands)
            result[:, 0, 1] = _in_bands(changed & same, bands)
        return result


def _places(bands: Labels | None, step: int) -> Any:
    """Return the band of each pixel times a step, uint16 (H, W); one number without bands."""
    return np.uint16(NOWHERE * step) if bands is None else bands * np.uint16(step)


def _in_bands(pixels: NDArray[np.bool_], bands: Labels | None) -> Ints:
    """Return how many of the pixels that are set are in each band, int64 (K + 1,)."""
    if bands is not None:
        return np.bincount(bands[pixels], minlength=NOWHERE + 1)
    counts = np.zeros(NOWHERE + 1, np.int64)
    counts[NOWHERE] = np.count_nonzero(pixels)
    return counts


def to_plain(counts: Counts) -> dict[str, Any]:
    """Return the counts as JSON holds them: of each array the places that are not 0."""
    return {name: _sparse(array) for name, array in _arrays(counts).items()}


def from_plain(plain: Mapping[str, Any], none: Counts) -> Counts:
    """Return the counts that `to_plain` wrote; none: those of no frame.

    Raises KeyError, ValueError or TypeError for anything else.
    """
    empty = _arrays(none)
    found = {name: _dense(plain[name], array.shape) for name, array in empty.items()}
    metric: dict[str, Any] = {
        field.name: found.pop(f'metric.{field.name}') for field in dataclasses.fields(MetricCounts)
    }
    metric['outside'] = int(metric['outside'])
    return Counts(**found, metric=MetricCounts(**metric), sets=none.sets)


def _arrays(counts: Counts) -> dict[str, Ints]:
    arrays = {name: getattr(counts, name) for name in ('pixels', 'calibration', 'flicker')}
    for field in dataclasses.fields(MetricCounts):
        arrays[f'metric.{field.name}'] = np.asarray(getattr(counts.metric, field.name), np.int64)
    return arrays


def _sparse(array: Ints) -> list[list[int]]:
    places = np.flatnonzero(array)
    return [places.tolist(), array.reshape(-1)[places].tolist()]


def _dense(sparse: Any, shape: tuple[int, ...]) -> Ints:
    places, values = sparse
    array = np.zeros(shape, np.int64)
    array.reshape(-1)[np.asarray(places, np.int64)] = values
    return array
