# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Confidence calibration: one temperature that all logits of a network are divided by.

After Guo et al., On Calibration of Modern Neural Networks (ICML 2017), but where theirs minimises
the negative log likelihood on one data set, ours minimises the mean of the expected calibration
errors of several held-out data sets, whatever their sizes. Labels do not change. Pixels with a
partial label are left out: which class they are is not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.evaluation.metrics.counts import CONFIDENCES, Ints
from mfaranet_ros.evaluation.metrics.measures import reliability
from mfaranet_ros.models import SegmentationModel, Weights, save_weights
from mfaranet_ros.models.weights_file import TEMPERATURE
from mfaranet_ros.training.datasets import Dataset, Part
from mfaranet_ros.training.feed import Feed

STEP_PX = 8
"""Step between the rows and columns that are used: neighbouring pixels add little."""

TEMPERATURES = tuple(float(value) for value in np.geomspace(0.25, 4.0, 97).round(3))
"""The temperatures that are tried."""


@dataclass(frozen=True, eq=False)
class Scores:
    """What a network says of some pixels of a data set whose class is certain.

    logits: float32 (M, C). labels: int64 (M,), the true classes.
    """

    name: str
    logits: torch.Tensor
    labels: torch.Tensor


@dataclass(frozen=True)
class Calibration:
    """A temperature, and by data set the expected calibration error without and with it."""

    temperature: float
    before: Mapping[str, float]
    after: Mapping[str, float]
    pixels: Mapping[str, int]


@torch.inference_mode()
def collect_scores(model: SegmentationModel, dataset: Dataset, feed: Feed) -> tuple[Scores, ...]:
    """Return the logits at some pixels of each part of a dataset; raises SourceError.

    model: in evaluation mode, on the device of the feed.
    """
    classes = len(dataset.label_set)
    return tuple(_collect(model, part, feed, classes) for part in dataset.parts)


def _collect(model: SegmentationModel, part: Part, feed: Feed, classes: int) -> Scores:
    logits, labels = [], []
    for index in range(len(part.pairs)):
        sample = part.read(index)
        ids = torch.from_numpy(sample.labels[::STEP_PX, ::STEP_PX].astype(np.int64))
        with feed.autocast():
            scores = model(feed.normalise(torch.from_numpy(sample.image[None])))
        chosen = scores[0, :, ::STEP_PX, ::STEP_PX].float().cpu()  # (C, h, w)
        certain = ids < classes
        logits.append(chosen.permute(1, 2, 0)[certain])
        labels.append(ids[certain])
    return Scores(part.name, torch.cat(logits), torch.cat(labels))


def calibration(scores: Scores, temperature: float) -> Ints:
    """Count pixels by confidence, int64 (256, 2): all, and those labeled right; see Counts."""
    probabilities, predicted = torch.softmax(scores.logits / temperature, 1).max(1)
    confidence = (255 * probabilities).round().long().numpy()
    right = (predicted == scores.labels).numpy()
    counts: NDArray[np.int64] = np.stack(
        [
            np.bincount(confidence, minlength=CONFIDENCES),
            np.bincount(confidence[right], minlength=CONFIDENCES),
        ],
        axis=1,
    )
    return counts


def fit_temperature(data_sets: tuple[Scores, ...]) -> Calibration:
    """Return the temperature with the smallest mean error; without any pixel it is 1."""
    known = [scores for scores in data_sets if len(scores.labels)]

    def errors(temperature: float) -> dict[str, float]:
        return {s.name: reliability(calibration(s, temperature)).ece for s in known}

    tried = {value: errors(value) for value in TEMPERATURES} if known else {1.0: {}}
    best = min(tried, key=lambda value: sum(tried[value].values()))
    pixels = {scores.name: len(scores.labels) for scores in known}
    return Calibration(best, errors(1.0), tried[best], pixels)


def save_calibrated(
    model: SegmentationModel,
    weights: Weights,
    calibration: Calibration,
    path: Path,
    label_set: LabelSet,
) -> Path:
    """Rewrite a network's weights with its temperature in the metadata; return the path.

    Raises as `save_weights`.
    """
    said: dict[str, Any] = {
        'data_sets': {
            name: {
                'pixels': calibration.pixels[name],
                'ece_before': round(calibration.before[name], 4),
                'ece': round(calibration.after[name], 4),
            }
            for name in calibration.after
        },
        'step_px': STEP_PX,
    }
    facts = {TEMPERATURE: f'{calibration.temperature:g}', 'calibration': json.dumps(said)}
    if weights.training is not None:
        facts['training'] = weights.training
    return save_weights(model, path, label_set=label_set, facts=facts)
