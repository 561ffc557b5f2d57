# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Write a network as an ONNX file, for the backend onnx, TensorRT and other runtimes.

The file is compared with the network before it is written; FILE.json beside it describes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mfaranet_ros.backends.export import export_network, figures, in_words, trtexec_lines
from mfaranet_ros.backends.network import load_network
from mfaranet_ros.backends.onnx_graph import OUTPUTS, PRECISIONS
from mfaranet_ros.cli.setting_arguments import MODEL_ARGUMENTS, parse_size
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.settings import parse_settings
from mfaranet_ros.core.specification_file import specification_path
from mfaranet_ros.core.versions import versions

STEPS = 3

OF_THE_MODEL = {
    **{flag: MODEL_ARGUMENTS[flag] for flag in ('model', 'weights', 'scales')},
    'labels': ('model.labels', 'NAME', 'label set of weights that do not name theirs'),
}
"""By the flag's name: the setting it stands for, what to write, and what it says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the network, the form of the file, and where it goes."""
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='ends in .onnx')
    for flag, (setting, metavar, text) in OF_THE_MODEL.items():
        parser.add_argument(f'--{flag}', metavar=metavar, help=f'{text} [{setting}]')
    parser.add_argument(
        '--size',
        metavar='HxW',
        help='of the input, in px; with --dynamic: the usual one',
    )
    parser.add_argument('--dynamic', action='store_true', help='for inputs of any size')
    parser.add_argument(
        '--precision', choices=PRECISIONS, default='float32',
        help='of input, weights and logits; sampling is always float32; default: float32',
    )  # fmt: skip
    parser.add_argument(
        '--outputs', choices=OUTPUTS, default='logits',
        help='logits at a quarter of the size, which the node takes (default), or uint8 labels',
    )  # fmt: skip
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Export, print how it compares and the commands that build a TensorRT engine."""
    if args.size is None and not args.dynamic:
        raise ConfigError('no size: give --size HxW for one, --dynamic for any, or both')
    given = parse_size(args.size, '--size') if args.size else None
    size = None if args.dynamic else given
    network = load_network(_config(args).model)
    with Progress(STEPS, 'step') as progress:

        def on_step(name: str) -> None:
            progress.describe(name)
            progress.update()

        specification, facts, compared = export_network(
            network,
            args.out,
            precision=args.precision,
            outputs=args.outputs,
            size=size,
            versions=versions(),
            on_step=on_step,
        )
    lines = trtexec_lines(args.out, size, given)
    megabytes = args.out.expanduser().stat().st_size / 1e6
    where = f'{size[0]}x{size[1]}' if size else 'any size'
    print(
        f'{args.out}: {specification.name}, scales {",".join(map(str, facts.scales))}, '
        f'{specification.label_set.name}, {where}, {facts.precision}, {facts.outputs}, '
        f'{megabytes:.1f} MB'
    )
    print(f'{specification_path(args.out)}: its description')
    print(f'compared with plain float32 on the stored frame: {in_words(compared)}')
    for name, line in lines.items():
        print(f'{name}: {line}')
    if args.json:
        write_json(args.json, figures(specification, compared, lines))
    return 0


def _config(args: argparse.Namespace) -> PipelineConfig:
    named = [
        f'{setting}={getattr(args, flag)}'
        for flag, (setting, _, _) in OF_THE_MODEL.items()
        if getattr(args, flag) is not None
    ]
    return replace(PipelineConfig(), parse_settings(named, PipelineConfig))
