# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""What makes a frame worth labelling, without ground truth.

Every score is larger for a frame that is worth more; None where it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.config import DiagnosticsConfig
from mfaranet_ros.core.errors import ConfigError, SourceError
from mfaranet_ros.core.frame import Drivable, Output, Result, Timings
from mfaranet_ros.curation.features import FeatureExtractor, Floats
from mfaranet_ros.data.recordings import RecordedFrame, is_bag, open_recording
from mfaranet_ros.evaluation.report.frame_images import overlay
from mfaranet_ros.monitoring.health import FrameHealth, look_at
from mfaranet_ros.pipeline.processor import FrameProcessor
from mfaranet_ros.pipeline.style import Style

PRESENT_SHARE = 0.001
"""A class is in a frame if it has at least this share of the pixels."""


@dataclass(frozen=True)
class FrameValues:
    """What speaks for labelling one frame.

    uncertainty: mean of 1 - confidence, 0 to 1. disagreement: share of pixels that the second
    network labels differently. flicker: share of pixels whose label differs from the frame
    before, of bags and videos. distance: to the nearest known image, 0 to 2 (1 - cosine).
    rarity: sum over the classes in the frame of the share of frames without the class.
    """

    uncertainty: float | None = None
    disagreement: float | None = None
    flicker: float | None = None
    distance: float | None = None
    rarity: float | None = None


VALUES = tuple(field.name for field in fields(FrameValues))


@dataclass(frozen=True, eq=False)
class Candidate:
    """One frame that could be labelled.

    path: of the recording; name, number, stamp_ns: of the frame in it. features: float32 (D,),
    of length 1. shares: float64 (C,), of each class in the labels. problem: why the image is not
    worth a label, empty if it may be chosen.
    """

    path: Path
    number: int
    name: str
    stamp_ns: int | None
    values: FrameValues
    features: Floats
    shares: NDArray[np.float64]
    problem: str = ''


@dataclass(frozen=True, eq=False)
class Scored:
    """All frames that were read, and what could not be, a line each."""

    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...]
    features: str


def score_recordings(
    paths: Sequence[Path],
    processor: FrameProcessor,
    *,
    second: FrameProcessor | None = None,
    known: Path | None = None,
    image_topic: str = '',
    step: int = 1,
    on_frame: Callable[[], object] = lambda: None,
) -> Scored:
    """Run a network over bags, folders and videos and return the values of every step-th frame.

    second: another network or operating point with the same label set. known: a folder of the
    images that the network was trained on.
    Raises SourceError for a recording that cannot be read or is given twice, ConfigError for
    networks of different label sets.
    """
    _check(paths, processor, second)
    extract = FeatureExtractor(processor.network)
    references = _known_features(known, extract, processor) if known else None
    candidates: list[Candidate] = []
    notes: list[str] = []
    for path in paths:
        with open_recording(path, image_topic=topic_for(path, image_topic)) as frames:
            scorer = _RecordingScorer(path, processor, second, extract, references)
            for frame in frames:
                if frame.number % step == 0:
                    candidates.append(scorer.score(frame))
                    on_frame()
            notes += [f'{path}: {note}' for note in frames.notes]
    if not candidates:
        raise SourceError('no image could be read: give bags, videos or folders of images')
    return Scored(with_rarity(candidates), tuple(notes), extract.kind)


def topic_for(path: Path, image_topic: str) -> str:
    """Return the topic of the camera where a path is a bag; nothing else has topics."""
    return image_topic if is_bag(path) else ''


def _check(
    paths: Sequence[Path], processor: FrameProcessor, second: FrameProcessor | None
) -> None:
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise SourceError(f'{path} is given twice: give each recording once')
        seen.add(path.resolve())
    if second is not None and second.label_set.names != processor.label_set.names:
        raise ConfigError(
            f'the networks know {processor.label_set.name} and {second.label_set.name}: only '
            'networks of one label set can disagree, give other weights'
        )


def _known_features(
    folder: Path, extract: FeatureExtractor, processor: FrameProcessor
) -> NDArray[np.float32]:
    with open_recording(folder) as frames:
        rows = [extract(to_rgb(frame, processor)) for frame in frames]
    if not rows:
        raise SourceError(f'{folder}: none of its images can be read; give the training images')
    return np.array(rows)


def to_rgb(frame: RecordedFrame, processor: FrameProcessor) -> NDArray[np.uint8]:
    """Return the image of a frame in any encoding, uint8 (H, W, 3) in RGB."""
    labels = np.zeros(frame.frame.size, np.uint8)
    bare = Style(processor.label_set, None, 'classes', 0.0)
    return overlay(Result(frame.frame, labels, None, Drivable(), Timings()), bare)


class _RecordingScorer:
    """Scores the frames of one recording in order; it remembers the one before."""

    def __init__(
        self,
        path: Path,
        processor: FrameProcessor,
        second: FrameProcessor | None,
        extract: FeatureExtractor,
        known: NDArray[np.float32] | None,
    ) -> None:
        self._path, self._processor, self._second = path, processor, second
        self._extract, self._known = extract, known
        self._labels: NDArray[np.uint8] | None = None
        self._fingerprint: int | None = None

    def score(self, recorded: RecordedFrame) -> Candidate:
        """Run the networks on a frame and return what speaks for it."""
        frame = recorded.frame
        wanted = {Output.MASK, Output.CONFIDENCE}
        result = self._processor(frame, wanted)
        labels, uncertainty, disagreement, flicker = result.labels, None, None, None
        if result.confidence is not None:
            uncertainty = 1 - float(result.confidence.mean()) / 255
        if self._second is not None:
            disagreement = _differing(labels, self._second(frame).labels)
        if self._labels is not None and self._labels.shape == labels.shape:
            flicker = _differing(labels, self._labels)
        if recorded.stamp_ns is not None:  # the images of a folder need not follow each other
            self._labels = labels
        features, distance = self._extract(to_rgb(recorded, self._processor)), None
        if self._known is not None:
            distance = max(0.0, 1 - float((self._known @ features).max()))
        health = look_at(frame)
        problem = _problem(health, self._fingerprint, self._processor.config.diagnostics)
        self._fingerprint = health.fingerprint
        counts = np.bincount(labels.ravel(), minlength=256)[: len(self._processor.label_set)]
        values = FrameValues(uncertainty, disagreement, flicker, distance)
        return Candidate(
            self._path, recorded.number, recorded.name, recorded.stamp_ns, values, features,
            counts / labels.size, problem,
        )  # fmt: skip


def _differing(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float((first != second).mean())


def _problem(health: FrameHealth, before: int | None, limits: DiagnosticsConfig) -> str:
    if health.fingerprint == before:
        return 'identical to the frame before'
    if health.brightness < limits.dark_level:
        return f'black: mean brightness {health.brightness:.1f}'
    if health.saturated_share > limits.saturated_share:
        return f'saturated: {health.saturated_share:.0%} of the pixels are white'
    return ''


def with_rarity(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Return the candidates with their rarity, which depends on all of them."""
    every = tuple(candidates)
    present = np.array([each.shares for each in every]) >= PRESENT_SHARE
    rarities = present @ (1 - present.mean(axis=0))
    return tuple(
        replace(each, values=replace(each.values, rarity=float(rarity)))
        for each, rarity in zip(every, rarities, strict=True)
    )


def worth(candidates: Sequence[Candidate], by: Sequence[str] = VALUES) -> NDArray[np.float64]:
    """Return how much each frame is worth, float64 (N,), 0 to 1: the mean of its ranks.

    A value that is not known for a frame does not count for it. Raises ConfigError for a value
    that does not exist, or is not known for any frame.
    """
    unknown = [name for name in by if name not in VALUES]
    if unknown:
        raise ConfigError(f'--by {unknown[0]}: choose from {", ".join(VALUES)}')
    ranks = []
    for name in by:
        column = [getattr(each.values, name) for each in candidates]
        ranks.append(_rank(np.array([math.nan if each is None else each for each in column])))
    table = np.array(ranks)
    known = ~np.isnan(table)
    if not known.any():
        raise ConfigError(f'--by {",".join(by)}: not known for any frame, leave --by out')
    sums = np.nansum(table, axis=0)
    return np.asarray(sums / np.maximum(1, known.sum(axis=0)))


def _rank(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the known values that are smaller, equal ones counted half."""
    ranks = np.full(len(values), np.nan)
    known = ~np.isnan(values)
    ordered = np.sort(values[known])
    low = np.searchsorted(ordered, values[known], 'left')
    high = np.searchsorted(ordered, values[known], 'right')
    ranks[known] = (low + high) / (2 * max(1, len(ordered)))
    return ranks
