# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Arguments for ground truth of another label set than the network: --merge, --table, --labels."""

from __future__ import annotations

import argparse
from pathlib import Path

from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.labels import LabelSet
from mfaranet_ros.evaluation.runs.comparison import LabelComparison


def add_comparison_arguments(parser: argparse.ArgumentParser) -> None:
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


def read_comparison(
    args: argparse.Namespace, network: LabelSet, *, has_ground_truth: bool
) -> LabelComparison:
    """Return how the labels of a network and ground truth are compared; raises ConfigError."""
    if is_comparison_given(args) and not has_ground_truth:
        raise ConfigError('--merge, --table and --labels need ground truth: give --ground-truth')
    return LabelComparison.read(network, args.labels, args.merge, args.table)


def is_comparison_given(args: argparse.Namespace) -> bool:
    """Return whether any of the arguments is given."""
    return bool(args.merge or args.table or args.labels)
