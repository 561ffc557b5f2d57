# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Two reports of the same frames: by how much they differ, and whether that is more than noise.

Frames are drawn with replacement, the same ones for both reports, and scored again (the paired
bootstrap; Efron and Tibshirani, An Introduction to the Bootstrap, 1993). Frames that follow each
other resemble each other, so blocks of consecutive frames can be drawn instead of single ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import SourceError
from mfaranet_ros.evaluation.report.figures import SCHEMA, VERSION

DRAWS = 2000
CONFIDENCE = 0.95
SEED = 0

MEASURED = ('warm_up_ms', 'self_test_agreement')
"""What a report says of the model and was measured: it differs from run to run."""

_AT_A_TIME = 100
"""Number of draws that are scored at a time, to save memory."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Key = tuple[str, str, int]


@dataclass(frozen=True, eq=False)
class Scored:
    """What a report says of its frames. path: of its file.

    keys: source, name, and the how-manieth frame of that name. counts: int64 (N, C + 1, 3), pixels
    hit, true and found of every class, and last of the drivable area.
    settings: everything that may differ between two reports, by its name.
    """

    path: str
    keys: tuple[Key, ...]
    counts: Ints
    classes: tuple[str, ...]
    settings: Mapping[str, str]


@dataclass(frozen=True)
class Difference:
    """One score in both reports. low, high: the interval of the difference second - first."""

    name: str
    first: float
    second: float
    low: float
    high: float

    @property
    def change(self) -> float:
        """Difference of the second report from the first."""
        return self.second - self.first

    @property
    def is_noise(self) -> bool:
        """Whether no difference at all lies in the interval (or it is not known)."""
        return not (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Comparison:
    """The scores of two reports of the same frames.

    block: number of consecutive frames that were drawn together. settings: what differs, by name.
    """

    frames: int
    block: int
    differences: tuple[Difference, ...]
    settings: Mapping[str, tuple[str, str]]


def read_scored(path: str, content: Any) -> Scored:
    """Return what a report.json says of its frames.

    Raises SourceError where it is not a report, of another version, or without scores.
    """
    schema = content.get('schema') if isinstance(content, dict) else None
    if not isinstance(schema, dict) or schema.get('name') != SCHEMA:
        raise SourceError(f'{path} is not a report of `mfaranet evaluate`: give a report.json')
    if schema.get('version') != VERSION:
        raise SourceError(
            f'{path} is of version {schema.get("version")}, known is {VERSION}: evaluate again'
        )
    try:
        frames = [frame for frame in content['frames'] if 'classes' in frame]
        if not frames:
            raise SourceError(
                f'{path} has no frame with ground truth: only scores can be compared'
            )
        counts = [
            np.vstack((np.array(frame['classes'], np.int64).T, frame['drivable']))
            for frame in frames
        ]
        classes = tuple(entry['name'] for entry in content['scores']['classes'])
        return Scored(path, keys_of(frames), np.array(counts), classes, settings_of(content))
    except (KeyError, ValueError, TypeError) as error:
        raise SourceError(f'{path} is broken ({error!r}): evaluate again') from error


def keys_of(frames: Sequence[Mapping[str, Any]]) -> tuple[Key, ...]:
    """Return what frames are known again by.

    A bag may have the same stamp twice. What a single bag or folder is called does not matter.
    """
    several = len({frame['source'] for frame in frames}) > 1
    seen: Counter[tuple[str, str]] = Counter()
    keys = []
    for frame in frames:
        name = str(frame['source']) if several else '', str(frame['name'])
        keys.append((*name, seen[name]))
        seen[name] += 1
    return tuple(keys)


def settings_of(content: Mapping[str, Any]) -> dict[str, str]:
    """Return all settings in a report that may differ between two, by name."""
    parts = ('model', 'config', 'method', 'versions')
    return {
        f'{part}: {name}': str(value)
        for part in parts
        for name, value in content[part].items()
        if name not in MEASURED
    }


def compare(first: Scored, second: Scored, *, block: int = 1, seed: int = SEED) -> Comparison:
    """Compare two reports; block: number of consecutive frames that are drawn together.

    Raises SourceError for reports of other frames, classes or ground truth.
    """
    _check(first, second)
    order = {key: place for place, key in enumerate(second.keys)}
    other = second.counts[[order[key] for key in first.keys]]
    if not (first.counts[..., 1] == other[..., 1]).all():
        differing = int((first.counts[..., 1] != other[..., 1]).any(axis=1).sum())
        raise SourceError(
            f'{first.path} and {second.path}: the ground truth of {differing} of {len(other)} '
            f'frames '
            'differs, evaluate both with the same'
        )
    weights = draw(first.keys, block, seed)
    names = ('mean IoU', 'drivable IoU', *(f'IoU of {name}' for name in first.classes))
    whole = np.ones((1, len(other)))
    before, after = score(first.counts, whole)[0], score(other, whole)[0]
    drawn = score(other, weights) - score(first.counts, weights)
    differences = []
    for place, name in enumerate(names):
        if not math.isnan(before[place]) and not math.isnan(after[place]):
            low, high = _interval(drawn[:, place])
            differences.append(
                Difference(name, float(before[place]), float(after[place]), low, high)
            )
    settings = {
        name: (first.settings.get(name, '-'), second.settings.get(name, '-'))
        for name in sorted(first.settings.keys() | second.settings.keys())
        if first.settings.get(name) != second.settings.get(name)
    }
    return Comparison(len(other), block, tuple(differences), settings)


def _check(first: Scored, second: Scored) -> None:
    if first.classes != second.classes:
        raise SourceError(
            f'{first.path} scores {len(first.classes)} classes, {second.path} '
            f'{len(second.classes)} or others: only the same label set can be compared'
        )
    common = len(set(first.keys) & set(second.keys))
    if common < max(len(first.keys), len(second.keys)):
        raise SourceError(
            f'{first.path} scores {len(first.keys)} frames, {second.path} {len(second.keys)}, '
            f'{common} of them are common: evaluate both on the same frames'
        )


def draw(keys: Sequence[Key], block: int, seed: int) -> Floats:
    """Return how often each frame is in each draw, float64 (DRAWS, N).

    Blocks do not reach from one source into the next; a draw has as many frames as there are.
    """
    random = np.random.default_rng(seed)
    sources = [key[0] for key in keys]
    weights = np.zeros((DRAWS, len(keys)))
    rows = np.arange(DRAWS)[:, None]
    for source in dict.fromkeys(sources):
        places = np.flatnonzero([one == source for one in sources])
        length = min(block, len(places))
        starts = random.integers(0, len(places), (DRAWS, -(-len(places) // length)))
        # The end of a drive is followed by its start, so that every frame is drawn as often.
        steps = (starts[..., None] + np.arange(length)) % len(places)
        taken = places[steps.reshape(DRAWS, -1)[:, : len(places)]]
        np.add.at(weights, (np.broadcast_to(rows, taken.shape), taken), 1)
    return weights


def score(counts: Ints, weights: Floats) -> Floats:
    """Return the mean IoU, the IoU of the drivable area and of each class of every draw.

    counts: as in Scored. weights: float64 (D, N). Returns float64 (D, C + 2), nan where a class
    does not occur.
    """
    flat = counts.reshape(len(counts), -1).astype(np.float64)
    parts = []
    for start in range(0, len(weights), _AT_A_TIME):
        sums = weights[start : start + _AT_A_TIME] @ flat  # whole numbers, far below 2**53
        hits, ground_truth, predicted = np.moveaxis(sums.reshape(-1, *counts.shape[1:]), 2, 0)
        union = ground_truth + predicted - hits
        iou = np.full(union.shape, np.nan)
        np.divide(hits, union, out=iou, where=union > 0)
        classes = iou[:, :-1]
        occurring = (~np.isnan(classes)).sum(axis=1)
        mean = np.full(len(iou), np.nan)
        np.divide(np.nansum(classes, axis=1), occurring, out=mean, where=occurring > 0)
        parts.append(np.column_stack((mean, iou[:, -1], classes)))
    return np.concatenate(parts)


def _interval(values: Floats) -> tuple[float, float]:
    """Return the interval that holds CONFIDENCE of the values that are there."""
    known = values[~np.isnan(values)]
    if not known.size:
        return math.nan, math.nan
    outside = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(known, (outside, 100 - outside))
    return float(low), float(high)
