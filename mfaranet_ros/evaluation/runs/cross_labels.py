# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Scores a network of one label set against ground truth of another one.

Two tables bring them together (data/label_table.py): one merges classes of the network into those
that are compared, the other says which of these each id of the ground truth may be. Where it may
be several, a prediction of any of them is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.frame import UNLABELED, Drivable, Frame, Result, Timings
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.data.images import Layout, Pairs
from mfaranet_ros.data.label_table import LabelCodes, LabelTable, identity_table
from mfaranet_ros.data.labels import GroundTruthReader, LabelReader
from mfaranet_ros.evaluation.metrics.confusion import ConfusionMatrix
from mfaranet_ros.evaluation.metrics.counts import CONFIDENCES, Ints
from mfaranet_ros.evaluation.metrics.measures import Reliability, reliability
from mfaranet_ros.evaluation.runs.score import Outcome, Scorer, run_source
from mfaranet_ros.evaluation.runs.sources import FolderSource, Sample, Selection

Labels = NDArray[np.uint8]

Predict = Callable[[Frame], tuple[Labels, Labels | None]]
"""Returns labels and confidence of a frame, uint8 (H, W) each; None without a confidence."""


@dataclass(frozen=True, eq=False)
class CrossLabels:
    """How predictions and ground truth are brought to one label set.

    codes: what the ground truth becomes: classes of the label set, and partial labels. predicted:
    uint8 (256,), the class of each class of the network, 255 for none. reader: reads ground truth
    as codes. notes: a line for each class that several were merged into, and each partial label.
    """

    codes: LabelCodes
    predicted: Labels
    reader: LabelReader
    notes: tuple[str, ...]


def bring_together(
    network: LabelSet,
    target: LabelSet,
    *,
    merge: LabelTable | None = None,
    table: LabelTable | None = None,
    layout: Layout | None = None,
) -> CrossLabels:
    """Return how predictions of a network and ground truth are compared in a target label set.

    merge: what each class of the network becomes there; None where it is its own label set.
    table: what each id of the ground truth may be there; None where its ids are those of the
    target, in files as the layout says.
    Raises ConfigError where a table does not give what it must.
    """
    notes: list[str] = []
    if merge is None:
        if network.name != target.name:
            raise ConfigError(
                f'the network labels in {network.name}, but {target.name} is to be compared: give '
                f'--merge FILE with the class of {target.name} for each class of {network.name}'
            )
        predicted = LabelCodes(target).encode(identity_table(target))
    else:
        _check_merge(network, merge, target)
        predicted = LabelCodes(target).encode(merge)
        predicted[len(network) :] = UNLABELED
        notes += _merged(merge, network.names)
    if table is None:
        return CrossLabels(
            LabelCodes(target), predicted, GroundTruthReader(target, layout), tuple(notes)
        )
    _check_target(table, target)
    codes = LabelCodes.of(target, [table])
    known = codes.encode(table)
    allowed = np.zeros(256, bool)
    allowed[list(table.allowed)] = True
    refused = f'have no row in table {table.name}: add them (with no class where they are void)'
    notes += _merged(table, [f'id {number}' for number in range(256)])
    notes += [
        f'id {number} may be {codes.describe(code)}'
        for number, code in enumerate(known)
        if len(target) <= code < UNLABELED
    ]
    return CrossLabels(
        codes, predicted, LabelReader(table.name, known, allowed, refused), tuple(notes)
    )


def _check_merge(network: LabelSet, merge: LabelTable, target: LabelSet) -> None:
    _check_target(merge, target)
    missing = [entry.name for entry in network.classes if entry.id not in merge.allowed]
    several = [entry.name for entry in network.classes if len(merge.allowed.get(entry.id, ())) > 1]
    if missing or several:
        wrong = f'{", ".join(missing)} have no row' if missing else f'{", ".join(several)} may be '
        more = '' if missing else 'several classes'
        raise ConfigError(
            f'table {merge.name}: {wrong}{more}, so {network.name} cannot be expressed in '
            f'{target.name}: give each class a row with one class, or with none for void'
        )


def _check_target(table: LabelTable, target: LabelSet) -> None:
    if table.label_set.name != target.name:
        raise ConfigError(
            f'table {table.name} leads to {table.label_set.name}, but {target.name} is compared: '
            f'give a table to {target.name}'
        )


def _merged(table: LabelTable, names: Sequence[str]) -> list[str]:
    return [
        f'{", ".join(names[number] for number in ids if number < len(names))} merged into '
        f'{table.label_set.names[entry]}'
        for entry, ids in table.merged().items()
    ]


@dataclass(frozen=True, eq=False)
class CrossScores:
    """What a network gets right on images of another label set.

    matrix: with the partial labels of `labels`. calibration: int64 (256, 2), pixels of a certain
    class by confidence: all, and the right ones.
    """

    labels: CrossLabels
    images: int
    matrix: ConfusionMatrix
    calibration: Ints

    @property
    def reliability(self) -> Reliability:
        """Confidence calibration; without a pixel where there was no confidence."""
        return reliability(self.calibration)


def score_across(
    predict: Predict,
    pairs: Pairs,
    labels: CrossLabels,
    on_image: Callable[[], object] = lambda: None,
) -> CrossScores:
    """Run a network over all images and count.

    Raises InferenceError, which names the image, if the network fails, and SourceError for ground
    truth that is broken or holds ids without a row.
    """
    classes = len(labels.codes.label_set)
    matrix = ConfusionMatrix(classes, labels.codes.sets)
    calibration = np.zeros((CONFIDENCES, 2), np.int64)

    def run(sample: Sample) -> Result:
        found, confidence = predict(sample.frame)
        predicted = labels.predicted[found]
        return Result(sample.frame, predicted, confidence, Drivable(), Timings())

    def take(outcome: Outcome) -> None:
        predicted, confidence = outcome.result.labels, outcome.result.confidence
        truth = outcome.sample.ground_truth
        if truth is None:
            raise ConfigError(f'{outcome.sample.file} has no ground truth to compare with')
        matrix.update(predicted, truth)
        if confidence is not None:
            certain = truth < classes
            right = certain & (predicted == truth)
            for column, chosen in enumerate((certain, right)):
                calibration[:, column] += np.bincount(confidence[chosen], minlength=CONFIDENCES)
        on_image()

    source = FolderSource('images', pairs, labels.reader, Selection())
    for _ in run_source(source, Scorer(run, classes), on_outcome=take):
        pass
    return CrossScores(labels, len(pairs.pairs), matrix, calibration)
