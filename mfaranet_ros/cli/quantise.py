# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""Quantise a network to INT8, and write it only where it does no harm and is faster.

Accuracy and speed are measured before anything is written. Where INT8 costs too much, the layers
at fault are left in float32; where that does not help, nothing is written.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mfaranet_ros.cli.setting_arguments import MODEL_ARGUMENTS
from mfaranet_ros.core.config import ModelConfig, PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError
from mfaranet_ros.core.files import write_json
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.settings import parse_settings
from mfaranet_ros.core.versions import versions
from mfaranet_ros.evaluation.report.tables import table
from mfaranet_ros.quantisation.measure import MIN_PIXELS, CheckSet, Measurement
from mfaranet_ros.quantisation.run import (
    QuantisationRefusedError,
    Quantised,
    Request,
    quantise,
    save,
)

_MODEL = ('model', 'weights', 'scales')

_SHOWN_LAYERS = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the network, the images it is calibrated and measured on, and the file."""
    for flag in _MODEL:
        setting, metavar, text = MODEL_ARGUMENTS[flag]
        parser.add_argument(f'--{flag}', metavar=metavar, help=f'{text} [{setting}]')
    parser.add_argument(
        '--calibration', type=Path, action='append', required=True, metavar='PATH',
        help='folder of images, video or bag that activations are measured on; may be repeated',
    )  # fmt: skip
    parser.add_argument(
        '--count', type=int, default=64, metavar='N', help='calibration images, default: 64'
    )
    parser.add_argument(
        '--images', type=Path, action='append', default=[], metavar='PATH',
        help='what the result is measured on; may be repeated; default: the calibration images',
    )  # fmt: skip
    parser.add_argument(
        '--ground-truth', type=Path, action='append', default=[], metavar='DIR',
        help='label images of the --images at the same place; without any, agreement with '
        'float32 decides',
    )  # fmt: skip
    parser.add_argument(
        '--table', action='append', default=[], metavar='FILE',
        help='which classes the ids of that ground truth may be; - for none',
    )  # fmt: skip
    parser.add_argument(
        '--limit', type=int, default=0, metavar='N',
        help='most images of each set to measure on; default: all',
    )  # fmt: skip
    parser.add_argument(
        '--threads', type=int, default=0, metavar='N', help='CPU threads of the network'
    )
    parser.add_argument('--out', type=Path, required=True, metavar='FILE', help='ends in .onnx')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')


def main(args: argparse.Namespace) -> int:
    """Quantise, measure, write, and print the table; return 0, or 2 where it is refused."""
    if args.out.suffix != '.onnx':
        raise ConfigError(f'--out {args.out}: the name must end in .onnx')
    if args.count < 1 or args.limit < 0:
        raise ConfigError('--count must be 1 or more and --limit 0 or more')
    request = Request(
        _model(args), tuple(args.calibration), args.count, _check_sets(args), args.limit,
        args.threads,
    )  # fmt: skip
    with Progress(0, 'step') as progress:
        try:
            made = quantise(request, progress.describe)
        except QuantisationRefusedError as error:
            progress.close()
            print(describe(error.measured))
            if args.json:
                write_json(args.json, _refusal(error))
            raise
    files = save(made, args.out.expanduser())
    print(describe(made.measured))
    print(_layers(made))
    for path in files:
        print(f'{path}: {path.stat().st_size / 1e6:.1f} MB')
    if made.tensorrt is None:
        print('no variant for TensorRT: with signed activations it loses too much')
    if args.json:
        write_json(args.json, _figures(made, files))
    return 0


def _model(args: argparse.Namespace) -> ModelConfig:
    named = [
        f'{MODEL_ARGUMENTS[flag][0]}={getattr(args, flag)}'
        for flag in _MODEL
        if getattr(args, flag) is not None
    ]
    return replace(PipelineConfig(), parse_settings(named, PipelineConfig)).model


def _check_sets(args: argparse.Namespace) -> tuple[CheckSet, ...]:
    images, truths, tables = args.images, args.ground_truth, args.table
    if len(truths) not in (0, len(images)) or len(tables) not in (0, len(truths)):
        raise ConfigError(
            f'{len(images)} --images, {len(truths)} --ground-truth, {len(tables)} --table: give '
            'one --ground-truth for each --images, or none; and one --table for each of them '
            '(- for none), or none'
        )
    return tuple(
        CheckSet(
            each,
            truths[place] if truths else None,
            Path(tables[place]) if tables and tables[place] != '-' else None,
        )
        for place, each in enumerate(images)
    )


def describe(measured: Measurement) -> str:
    """Return the comparison of float32 and INT8 as text."""
    rows = [('images', 'frames', 'float32', 'INT8', 'loss', 'equal labels')]
    rows += [
        (each.name, str(each.frames), _share(each.plain), _share(each.int8),
         f'{each.loss:+.4f}' if each.plain is not None else '-', f'{each.agreement:.2%}')
        for each in measured.sets
    ]  # fmt: skip
    classes = [('class', 'pixels', 'float32', 'INT8', 'loss', '')]
    classes += [
        (each.name, str(each.pixels), _share(each.plain), _share(each.int8), f'{each.loss:+.4f}',
         _mark(each.critical, each.pixels))
        for each in measured.classes
    ]  # fmt: skip
    worst = ', '.join(f'{one.name} {one.agreement:.2%}' for one in measured.worst)
    return '\n'.join(
        (
            table(rows, '<>>>>>'),
            '',
            table(classes, '<>>>><'),
            '',
            f'worst frames, equal labels: {worst}',
            f'network alone, median: {measured.plain_ms:.1f} ms without INT8, '
            f'{measured.int8_ms:.1f} ms with it: {measured.speedup:.2f} times as fast',
        )
    )


def _share(value: float | None) -> str:
    return '-' if value is None else f'{value:.4f}'


def _mark(critical: bool, pixels: int) -> str:
    if not critical:
        return ''
    return 'judged' if pixels >= MIN_PIXELS else 'too few pixels to judge'


def _layers(made: Quantised) -> str:
    noisy = ', '.join(f'{one.name} {one.noise:.2g}' for one in made.noise[:_SHOWN_LAYERS])
    kept = f'{len(made.kept)} in float32: {", ".join(made.kept)}' if made.kept else 'all in INT8'
    return f'layers: {kept}; most noise: {noisy}'


def _figures(made: Quantised, files: tuple[Path, ...]) -> dict[str, Any]:
    return {
        'files': [str(path) for path in files],
        'measured': asdict(made.measured),
        'layers_in_float32': list(made.kept),
        'noise': [asdict(layer) for layer in made.noise],
        'about': versions(),
    }


def _refusal(error: QuantisationRefusedError) -> dict[str, Any]:
    return {
        'refused': list(error.measured.problems()),
        'measured': asdict(error.measured),
        'layers_in_float32': list(error.kept),
        'noise': [asdict(layer) for layer in error.noise],
        'about': versions(),
    }
