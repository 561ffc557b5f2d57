# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""List the networks: their size, their operations, and the weights that are available."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path

from mfaranet_ros.cli.setting_arguments import parse_size
from mfaranet_ros.core.errors import ConfigError, SourceError, WeightsError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.labels import LabelSet, get_label_set, list_label_sets
from mfaranet_ros.core.progress import track
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.models import ALL_SCALES, get_model_entry, list_models, read_weights
from mfaranet_ros.models.macs import measure_model
from mfaranet_ros.models.weights import SHIPPED_FOLDER

SIZE = '1024x2048'
LABELS = 'cityscapes'
ALL = 'all'
COLUMNS = (
    'model', 'scales', 'parameters', 'GMAC', 'GMAC/2^30', 'stride', 'paper', 'weights',
)  # fmt: skip

Scales = tuple[int, ...]


@dataclass(frozen=True)
class Row:
    """One network with one set of kept scales."""

    model: str
    scales: Scales
    parameters: int
    macs: int
    stride: int
    paper: str


@dataclass(frozen=True)
class AtHand:
    """One weights file; problem says why it cannot be used, where it cannot."""

    file: str
    megabytes: float
    sha256: str = ''
    model: str = ''
    label_set: str = ''
    scales: Scales = ()
    problem: str = ''


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare for which images and classes the networks are measured."""
    parser.add_argument(
        '--size', default=SIZE, metavar='HxW', help=f'of the images, in px; default: {SIZE}'
    )
    parser.add_argument(
        '--labels', default=LABELS, metavar='NAME', help=f'label set; default: {LABELS}'
    )
    parser.add_argument(
        '--scales', nargs='?', const=ALL, metavar='LIST',
        help='with these kept scales, as 2 or 1,2; without a LIST, with every set of them',
    )  # fmt: skip
    parser.add_argument(
        '--weights', type=Path, default=SHIPPED_FOLDER, metavar='DIR',
        help='folder of .safetensors files to list; default: the shipped ones',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, metavar='FILE', help='write the figures there')


def main(args: argparse.Namespace) -> int:
    """Print the table; write the figures where that is asked for."""
    height, width = parse_size(args.size, '--size')
    label_set = get_label_set(args.labels)
    at_hand = find_at_hand(args.weights)
    wanted = list(_wanted(args.scales))
    rows = [
        measure(name, scales, label_set, (height, width))
        for name, scales in track(wanted, len(wanted), 'network')
    ]
    print(describe(rows, at_hand, label_set, (height, width)))
    if args.json:
        label_sets = {name: len(get_label_set(name)) for name in list_label_sets()}
        figures = {
            'size': {'height': height, 'width': width},
            'labels': label_set.name,
            'models': [asdict(row) for row in rows],
            'label_sets': label_sets,
            'weights': [asdict(entry) for entry in at_hand],
        }
        write_json(args.json, figures)
    return 0


def measure(name: str, scales: Scales, label_set: LabelSet, size: tuple[int, int]) -> Row:
    """Return the figures of one network."""
    entry = get_model_entry(name)
    found = measure_model(
        name, classes=len(label_set), scales=scales, height=size[0], width=size[1]
    )
    return Row(name, scales, found.parameters, found.macs, entry.stride, entry.paper)


def find_at_hand(folder: Path) -> list[AtHand]:
    """Return the weights files of a folder, those that cannot be read as well.

    Raises SourceError where there is no such folder.
    """
    if not folder.expanduser().is_dir():
        raise SourceError(f'{folder} is not a folder: give a folder of .safetensors files')
    return [_read(path) for path in sorted(folder.expanduser().glob('*.safetensors'))]


def describe(
    rows: Sequence[Row], at_hand: Sequence[AtHand], label_set: LabelSet, size: tuple[int, int]
) -> str:
    """Return the table and its legend."""
    lines = [table([COLUMNS, *(_cells(row, at_hand) for row in rows)], '<<>>>><<')]
    lines.append(
        f'\nfor one image of {size[0]}x{size[1]} px (height x width) and the '
        f'{len(label_set)} classes of {label_set.name}\n'
        'GMAC: multiply-accumulates of the convolutions, in 10^9; papers often count in 2^30'
    )
    sets = (f'{name} ({len(get_label_set(name))})' for name in list_label_sets())
    lines.append(f'label sets: {", ".join(sets)}')
    lines += (f'weights: {_in_words(entry)}' for entry in at_hand)
    return '\n'.join(lines)


def _wanted(scales: str | None) -> Iterator[tuple[str, Scales]]:
    """Yield every network with the kept scales that are asked for."""
    for name in list_models():
        if scales is None or not get_model_entry(name).has_scales:
            yield name, ALL_SCALES
        elif scales == ALL:
            for count in ALL_SCALES:
                yield from ((name, kept) for kept in combinations(ALL_SCALES, count))
        else:
            yield name, _parse_scales(scales)


def _parse_scales(text: str) -> Scales:
    try:
        return tuple(int(part) for part in text.split(','))
    except ValueError:
        raise ConfigError(f'--scales {text}: write a list as 2 or 1,2,3,4') from None


def _read(path: Path) -> AtHand:
    size = round(path.stat().st_size / 1e6, 1)
    try:
        found = read_weights(path)
    except WeightsError as error:
        return AtHand(path.name, size, problem=str(error))
    return AtHand(
        path.name,
        size,
        found.sha256,
        found.model or '',
        found.label_set or '',
        found.scales or (),
    )


def _cells(row: Row, at_hand: Sequence[AtHand]) -> list[str]:
    fitting = sorted({entry.label_set for entry in at_hand if entry.model == row.model})
    return [
        row.model,
        ','.join(map(str, row.scales)),
        f'{row.parameters:,}',
        f'{row.macs / 1e9:.2f}',
        f'{row.macs / 2**30:.2f}',
        str(row.stride),
        row.paper,
        ', '.join(fitting) or 'none',
    ]


def _in_words(entry: AtHand) -> str:
    if entry.problem:
        return entry.problem
    scales = ','.join(map(str, entry.scales)) or 'unknown'
    return (
        f'{entry.file}, {entry.megabytes:g} MB: {entry.model or "of an unnamed model"}, '
        f'{entry.label_set or "labels unknown"}, scales {scales}, sha256 {entry.sha256[:12]}'
    )
