# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""`mfaranet evaluate` against ground truth of another label set: --merge and --table."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.frame import Frame, Output
from mfaranet_ros.core.labels import get_label_set
from mfaranet_ros.core.versions import versions
from mfaranet_ros.data.images import Pairs
from mfaranet_ros.data.label_table import read_table
from mfaranet_ros.evaluation.metrics.confusion import Scores
from mfaranet_ros.evaluation.report.figures import figures
from mfaranet_ros.evaluation.report.text import describe
from mfaranet_ros.evaluation.runs.cross_labels import (
    CrossLabels,
    CrossScores,
    Labels,
    bring_together,
    score_across,
)
from mfaranet_ros.pipeline.processor import FrameProcessor

WANTED = frozenset({Output.MASK, Output.CONFIDENCE})

NOT_WITH = {
    'bag': '--bag',
    'out': '--out',
    'submission': '--submission',
    'calibration': '--calibration',
    'metric': '--metric',
    'ignore': '--ignore',
    'frames': '--frames',
    'window': '--window',
    'test_time_scales': '--test-time-scales',
    'flip': '--flip',
}
"""By the attribute: what does not go together with another label set."""


def add_cross_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the tables and the label set that is compared."""
    group = parser.add_argument_group('ground truth of another label set than the network')
    group.add_argument(
        '--merge', type=Path, metavar='FILE',
        help='table with the class of --labels for each class of the network',
    )  # fmt: skip
    group.add_argument(
        '--table', type=Path, metavar='FILE',
        help='table with the classes of --labels that each id of the ground truth may be; '
        'a prediction of any of several is right',
    )  # fmt: skip
    group.add_argument(
        '--labels', default='', metavar='NAME',
        help='label set that is compared; default: that of the network',
    )  # fmt: skip


def is_cross(args: argparse.Namespace) -> bool:
    """Return whether tables are given; raises ConfigError for what does not go with them."""
    if not (args.merge or args.table or args.labels):
        return False
    given = [flag for name, flag in NOT_WITH.items() if getattr(args, name)]
    if given:
        raise ConfigError(
            f'--merge, --table and --labels score images as a whole: leave out {", ".join(given)}'
        )
    if args.ground_truth is None:
        raise ConfigError('--merge, --table and --labels need --ground-truth DIR')
    return True


def run_cross(args: argparse.Namespace, pipeline: FrameProcessor, pairs: Pairs) -> int:
    """Score the images, print the scores and which classes were merged, and return 0."""
    network = pipeline.label_set
    target = get_label_set(args.labels) if args.labels else network
    labels = bring_together(
        network,
        target,
        merge=read_table(args.merge, target) if args.merge else None,
        table=read_table(args.table, target) if args.table else None,
        layout=pairs.layout,
    )

    def predict(frame: Frame) -> tuple[Labels, Labels | None]:
        result = pipeline(frame, WANTED)
        return result.labels, result.confidence

    with tqdm(total=len(pairs), unit='image', leave=False, disable=None) as bar:
        scores = score_across(predict, pairs, labels, lambda: bar.update())
    print(describe_across(scores))
    if args.json:
        write_json(args.json, {**figures_across(scores), 'about': versions()})
    return 0


def describe_across(scores: CrossScores) -> str:
    """Return the scores as a table, and what was merged."""
    lines = [f'{scores.images} images, compared in {scores.labels.codes.label_set.name}', '']
    lines.append(describe(_evaluation(scores)))
    if scores.matrix.partial.any():
        lines.append('a prediction inside a partial label counts as right for the pixel accuracy')
    if scores.reliability.pixels:
        lines.append(f'confidence: expected calibration error {scores.reliability.ece:.4f}')
    return '\n'.join([*lines, '', *scores.labels.notes])


def figures_across(scores: CrossScores) -> dict[str, Any]:
    """Return the scores as plain values."""
    confidence = scores.reliability
    return {
        'images': scores.images,
        'label_set': scores.labels.codes.label_set.name,
        'scores': figures(_evaluation(scores)),
        'partial_labels': _partial(scores.labels, scores),
        'ece': confidence.ece if confidence.pixels else None,
        'bins': [asdict(each) for each in confidence.bins if each.pixels],
        'notes': list(scores.labels.notes),
    }


def _partial(labels: CrossLabels, scores: CrossScores) -> list[dict[str, Any]]:
    matrix, first = scores.matrix, len(labels.codes.label_set)
    return [
        {
            'classes': labels.codes.describe(first + row),
            'pixels': int(counts.sum() + matrix.partial_unlabeled[row]),
            'inside': int(counts[matrix.members[row]].sum()),
        }
        for row, counts in enumerate(matrix.partial)
    ]


def _evaluation(scores: CrossScores) -> Scores:
    return Scores(scores.labels.codes.label_set, scores.matrix, ())
