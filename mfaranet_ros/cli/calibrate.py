# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Calibrate a network's confidence on held-out images, so that 0.9 means right nine times in ten.

One temperature is chosen for all data sets that the mixture holds out and validates on. The
weights are rewritten with it in their metadata and without training heads; labels stay the
same.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from mfaranet_ros.backends.device import resolve_device
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.models import create_model, get_model_entry, read_weights
from mfaranet_ros.training.calibrate import (
    Calibration,
    collect_scores,
    fit_temperature,
    save_calibrated,
)
from mfaranet_ros.training.feed import Feed
from mfaranet_ros.training.mixture import open_mixture, read_mixture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the weights, the mixture whose held-out images are used, and the new file."""
    parser.add_argument('--weights', type=Path, required=True, metavar='FILE', help='.safetensors')
    parser.add_argument(
        '--mixture', type=Path, required=True, metavar='FILE',
        help='the YAML of `mfaranet train --mixture`; only what it holds out is used',
    )  # fmt: skip
    parser.add_argument(
        '--out', type=Path, required=True, metavar='FILE', help='the calibrated weights'
    )
    parser.add_argument('--device', default='auto', metavar='NAME', help='cpu, cuda or auto')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Fit the temperature, write the weights, print the errors by data set, and return 0."""
    weights = read_weights(args.weights)
    _, held_out = open_mixture(read_mixture(args.mixture), threads=2)
    if weights.model is None or weights.label_set != held_out.label_set.name:
        raise ConfigError(
            f'{args.weights} holds {weights.model or "an unnamed network"} of label set '
            f'{weights.label_set}, but the mixture is labeled in {held_out.label_set.name}: give '
            'weights and tables of one label set'
        )
    device = resolve_device(args.device)
    entry = get_model_entry(weights.model)
    model = create_model(
        weights.model, classes=len(held_out.label_set), weights=args.weights
    ).eval()
    feed = Feed(device, 'float32', weights.mean or entry.mean, weights.std or entry.std)
    calibration = fit_temperature(collect_scores(model.to(device), held_out, feed))
    save_calibrated(model.cpu(), weights, calibration, args.out, held_out.label_set)
    print(summarise(calibration, args.out))
    if args.json:
        write_json(args.json, {**asdict(calibration), 'about': versions()})
    return 0


def summarise(calibration: Calibration, path: Path) -> str:
    """Return the expected calibration error of each data set before and after, as a table."""
    rows = [('data set', 'pixels', 'ECE before', 'ECE'), *(
        (name, str(calibration.pixels[name]), f'{calibration.before[name]:.4f}', f'{error:.4f}')
        for name, error in calibration.after.items()
    )]  # fmt: skip
    return f'{table(rows, "<>>>")}\ntemperature {calibration.temperature:g}: {path}'
