# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Outputs of a network file -> labels and confidence, as its specification says; NumPy only.

Scores are interpolated where the pixels of the mask lie, then decided: the largest wins, of equal
ones the first; a single channel is a yes above its threshold. Ids become labels by the table of
the head, and later heads overrule earlier ones unless they keep what those say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet_ros.core.errors import InferenceError
from mfaranet_ros.core.frame import UNLABELED, Geometry
from mfaranet_ros.core.specification import (
    KEEP,
    FileOutputs,
    Head,
    Specification,
    id_count,
    label_table,
)
from mfaranet_ros.pipeline.sampling import axes, sample_bands

Labels = NDArray[np.uint8]
Confidence = NDArray[np.float32]
"""Probabilities, 0 to 1."""


class FilePostprocess:
    """Turns what a network file gave into labels; see pipeline/stages.py.

    specification: of the file. Confidence is the probability of the label: of ids that share a
    label the sum, of several heads the product of those that decided.
    """

    def __init__(self, specification: Specification) -> None:
        self._heads = specification.outputs
        self._names = specification.output_names
        self._has_confidence = specification.has_confidence
        self._classes = len(specification.label_set)

    def __call__(
        self, logits: FileOutputs, geometry: Geometry, *, resolution: str, with_confidence: bool
    ) -> tuple[Labels, Labels | None]:
        """Return the labels uint8 (H, W) and, if wanted, the confidence times 255.

        logits: the outputs of a batch of one. Raises InferenceError for outputs of another shape
        than the specification says, and where the network has no confidence but it is wanted.
        """
        if with_confidence and not self._has_confidence:
            raise InferenceError(
                'confidence: this network gives labels only, so nothing says how likely they are'
            )
        size = geometry.mask_size(resolution)
        labels = np.full(size, UNLABELED, np.uint8)
        confidence = np.ones(size, np.float32) if with_confidence else None
        for head in self._heads:
            array = logits.arrays[self._names.index(head.name)]
            planes = planes_of(head, array)
            if head.kind == 'labels':
                _look_up(label_table(head, self._classes), planes[0], geometry, labels)
            else:
                _decide(head, planes, geometry, labels, confidence)
        if confidence is None:
            return labels, None
        return labels, np.rint(255 * confidence).astype(np.uint8)


def planes_of(head: Head, array: NDArray[Any]) -> NDArray[Any]:
    """Return what a head looks at, (C, h, w), of the array of a batch of one.

    A layout without N is that of one image within the batch.
    Raises InferenceError where the array has not the axes of the layout, or not the channel.
    """
    layout = head.layout.removeprefix('N')
    if array.ndim != len(layout) + 1 or len(array) != 1:
        raise InferenceError(
            f'output {head.name!r} has shape {array.shape}, but outputs.layout is {head.layout}'
        )
    array = array[0]
    if 'C' not in layout:
        return array[None]
    planes = array if layout == 'CHW' else array.transpose(2, 0, 1)
    if head.channel is None:
        return planes
    if head.channel >= len(planes):
        raise InferenceError(
            f'output {head.name!r} has {len(planes)} channels, but outputs.channel is '
            f'{head.channel}'
        )
    return planes[head.channel : head.channel + 1]


def _look_up(
    table: NDArray[np.int16], ids: NDArray[Any], geometry: Geometry, labels: Labels
) -> None:
    """Put the labels of a head that gives ids (h, w) over those that are there.

    table: the label of each id; an id beyond it is unlabeled.
    """
    rows, columns = axes(geometry, _size(labels), ids.shape, 'nearest')
    chosen = ids[rows.nearest()[:, None], columns.nearest()[None]].astype(np.int64)
    known = (chosen >= 0) & (chosen < len(table))
    _overrule(labels, None, np.where(known, table[np.where(known, chosen, 0)], UNLABELED), None)


def _decide(
    head: Head,
    planes: NDArray[Any],
    geometry: Geometry,
    labels: Labels,
    confidence: Confidence | None,
) -> None:
    """Put the decisions of a head with scores (C, h, w) over those that are there."""
    table = label_table(head, id_count(head, len(planes)))
    if len(table) != id_count(head, len(planes)):
        raise InferenceError(
            f'output {head.name!r} has {len(planes)} channels, but outputs.classes lists '
            f'{len(table)}'
        )
    rows, columns = axes(geometry, _size(labels), planes.shape[1:], head.interpolation)
    for band, scores in sample_bands(planes.astype(np.float32, copy=False), rows, columns):
        if not np.isfinite(scores.sum()):  # one that is not finite makes the sum so
            raise InferenceError(f'output {head.name!r} has values that are not finite')
        one = len(planes) == 1
        ids, probability = (_yes_or_no if one else _largest)(
            head, scores, table, confidence is not None
        )
        said = None if confidence is None else confidence[band]
        _overrule(labels[band], said, table[ids], probability)


def _yes_or_no(
    head: Head, scores: NDArray[np.float32], table: NDArray[np.int16], wanted: bool
) -> tuple[NDArray[np.uint8], Confidence | None]:
    """Return no (0) or yes (1) for one channel, and how likely it is."""
    score, limit = scores[0], head.threshold
    if head.kind == 'logits':
        limit = float(np.log(limit / (1 - limit)))
    yes = score > limit
    if not wanted:
        return yes.view(np.uint8), None
    with np.errstate(over='ignore'):
        probability = 1 / (1 + np.exp(-score)) if head.kind == 'logits' else np.clip(score, 0, 1)
    chosen = np.where(yes, probability, 1 - probability).astype(np.float32)
    return yes.view(np.uint8), np.ones_like(chosen) if table[0] == table[1] else chosen


def _largest(
    head: Head, scores: NDArray[np.float32], table: NDArray[np.int16], wanted: bool
) -> tuple[NDArray[np.unsignedinteger[Any]], Confidence | None]:
    """Return the id with the largest score, and how likely its label is; changes the scores."""
    peak = scores.max(axis=0)
    ids = _lowest_equal(scores, peak)
    if not wanted:
        return ids, None
    is_one_to_one = len(set(table.tolist())) == len(table)
    if head.kind == 'logits':
        scores -= peak
        np.exp(scores, out=scores)
        total = scores.sum(axis=0)
        if is_one_to_one:
            return ids, 1 / total
        scores /= total
    if is_one_to_one:
        return ids, np.clip(peak, 0, 1)
    chosen, together = table[ids], np.zeros(peak.shape, np.float32)
    for number, label in enumerate(table):
        np.add(together, scores[number], out=together, where=chosen == label)
    return ids, np.clip(together, 0, 1)


def _lowest_equal(
    scores: NDArray[np.float32], peak: NDArray[np.float32]
) -> NDArray[np.unsignedinteger[Any]]:
    """Return the first id whose score is the peak; several times faster than argmax."""
    count = len(scores)
    kind = np.uint8 if count <= np.iinfo(np.uint8).max else np.uint16
    hits = (scores == peak).astype(kind)
    hits *= np.arange(count, 0, -1, dtype=kind)[:, None, None]
    ids: NDArray[np.unsignedinteger[Any]] = count - hits.max(axis=0)
    return ids


def _overrule(
    labels: Labels,
    confidence: Confidence | None,
    said: NDArray[np.int16],
    probability: Confidence | None,
) -> None:
    """Let what one head said overrule what is there, but where it keeps that."""
    speaks = said != KEEP
    np.copyto(labels, said.astype(np.uint8), where=speaks)
    if confidence is not None and probability is not None:
        confidence *= probability
        np.copyto(confidence, probability, where=speaks)


def _size(labels: Labels) -> tuple[int, int]:
    return labels.shape[0], labels.shape[1]
