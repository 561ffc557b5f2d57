# Copyright 2026 The mfaranet_ros maintainers
# SPDX-License-Identifier: Apache-2.0
"""How fast networks run here, camera bytes to labels, against the network as published.

Operating points, precisions and backends are measured in turn with plain float32, so that the
ratios hold on a busy machine, too.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mfaranet_ros.adaptive.operating_points import parse_operating_point
from mfaranet_ros.backends import list_backends
from mfaranet_ros.backends.network import load_network
from mfaranet_ros.backends.stored_frame import stored_frame
from mfaranet_ros.benchmark.machine import describe_machine
from mfaranet_ros.benchmark.measure import empty_stage_us
from mfaranet_ros.benchmark.operating_points_file import choose_operating_points, to_yaml
from mfaranet_ros.benchmark.report import describe, figures
from mfaranet_ros.benchmark.run import Benchmark, GroundTruth, run_benchmark
from mfaranet_ros.cli.comparison_arguments import add_comparison_arguments, read_comparison
from mfaranet_ros.cli.setting_arguments import add_model_arguments, model_config, parse_size
from mfaranet_ros.core.config import PipelineConfig, replace
from mfaranet_ros.core.errors import ConfigError, UnknownNameError
from mfaranet_ros.core.files import write_file, write_json, write_text
from mfaranet_ros.core.frame import Frame
from mfaranet_ros.core.progress import Progress
from mfaranet_ros.core.specification_file import is_network_file
from mfaranet_ros.core.versions import versions
from mfaranet_ros.data.images import check_pairs, find_pairs, read_frame

OPERATING_POINTS = '1,2,3,4 1,2 2 1'
SIZE = '512x1024'
FLAGS = ('model', 'weights', 'device')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the network, the rows, the images, how often, and what is written."""
    add_model_arguments(parser, FLAGS)
    parser.add_argument(
        '--operating-points', metavar='LIST',
        help=f'kept scales or other networks, each with @HEIGHTxWIDTH if the input differs, as in '
        f'"1,2,3,4 2@360x480 eseg_lite_s=FILE net.onnx"; default: "{OPERATING_POINTS}", of a '
        'network file the file itself',
    )  # fmt: skip
    parser.add_argument(
        '--precisions', default='auto', metavar='LIST', help='as float32,bfloat16; default: auto'
    )
    parser.add_argument(
        '--backends', metavar='LIST', help='as torch,compiled; default: all but the mock'
    )
    parser.add_argument(
        '--size', metavar='HxW', help=f'of the camera image, in px; default: {SIZE}'
    )
    parser.add_argument(
        '--images',
        type=Path,
        metavar='DIR',
        help='images to measure with; default: synthetic',
    )
    parser.add_argument(
        '--ground-truth',
        type=Path,
        metavar='DIR',
        help='their class ids, for the mean IoU of each row',
    )
    add_comparison_arguments(parser)
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='default: 5')
    parser.add_argument(
        '--turn', type=int, default=4, metavar='N', help='frames of a row in a round; default: 4'
    )
    parser.add_argument('--markdown', action='store_true', help='print the table as Markdown')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    parser.add_argument(
        '--image', type=Path, metavar='FILE', help='plot latency against mean IoU, as png'
    )
    parser.add_argument(
        '--write-config',
        type=Path,
        metavar='FILE',
        help='write the operating points for this machine',
    )


def main(args: argparse.Namespace) -> int:
    """Check everything, measure, print the table and write what is asked for."""
    if min(args.rounds, args.turn) < 1:
        raise ConfigError(f'--rounds {args.rounds}, --turn {args.turn}: both must be 1 or more')
    base = model_config(args)
    frames = _frames(args)
    configs = _configs(args, base, frames[0].size)
    ground_truth = _ground_truth(args, base)
    overhead_us = empty_stage_us()
    with Progress(0, 'row') as progress:
        benchmark = run_benchmark(
            base, configs, frames, rounds=args.rounds, turn=args.turn, ground_truth=ground_truth,
            tell=progress.describe,
        )  # fmt: skip
    machine = describe_machine(base.runtime.device, base.runtime.threads)
    print(
        _heading(base, machine, frames, overhead_us),
        describe(benchmark, markdown=args.markdown),
        sep='\n',
    )
    facts = {**versions(), **machine}
    if args.json:
        given = {'images': str(args.images or 'drawn'), 'camera': list(frames[0].size)}
        write_json(args.json, _report(benchmark, facts, given, overhead_us))
    if args.image:
        # Here, because matplotlib is slow to import.
        from mfaranet_ros.benchmark.chart import plot, to_png

        write_file(args.image, to_png(plot(benchmark)), parents=True, advice='give another FILE')
    if args.write_config:
        write_text(
            args.write_config, to_yaml(choose_operating_points(benchmark), facts, base.model.name)
        )
    return 0


def _frames(args: argparse.Namespace) -> list[Frame]:
    """Return the camera images, all of one size."""
    if args.images is None:
        if args.ground_truth is not None:
            raise ConfigError('--ground-truth is of images: give --images, too')
        frames = [stored_frame()]
    else:
        frames = [read_frame(pair.image) for pair in find_pairs(args.images, None).pairs]
    size = frames[0].size if args.images and not args.size else None
    height, width = size or parse_size(args.size or SIZE, '--size')
    return [_resized(frame, height, width) for frame in frames]


def _resized(frame: Frame, height: int, width: int) -> Frame:
    if frame.size == (height, width):
        return frame
    pixels = cv2.resize(frame.pixels, (width, height), interpolation=cv2.INTER_AREA)
    return Frame(np.asarray(pixels, np.uint8), frame.encoding, frame.stamp_ns, frame.frame_id)


def _configs(
    args: argparse.Namespace, base: PipelineConfig, camera: tuple[int, int]
) -> list[PipelineConfig]:
    """Return one config for each row: operating points, then backends, then precisions."""
    backends = args.backends.split(',') if args.backends else _all_backends()
    for backend in backends:
        if backend not in list_backends():
            raise UnknownNameError('backend', backend, list_backends())
    configs = []
    for text in _operating_points(args, base):
        operating_point = parse_operating_point(text)
        file = operating_point.model or _network_file(base)
        if operating_point.size is None and not is_network_file(file):
            operating_point = dataclasses.replace(operating_point, size=camera)
        for backend in backends:
            for precision in args.precisions.split(','):
                values = {'runtime.backend': backend, 'runtime.precision': precision}
                configs.append(operating_point.applied_to(replace(base, values)))
    return configs


def _operating_points(args: argparse.Namespace, base: PipelineConfig) -> list[str]:
    if args.operating_points:
        return list(args.operating_points.split())
    file = _network_file(base)
    return [file] if file else OPERATING_POINTS.split()


def _network_file(base: PipelineConfig) -> str:
    """Return the network file of a configuration, empty where it has none."""
    return next(filter(is_network_file, (base.model.name, base.model.weights)), '')


def _all_backends() -> list[str]:
    return [name for name in list_backends() if name != 'mock']


def _ground_truth(args: argparse.Namespace, base: PipelineConfig) -> GroundTruth | None:
    if args.ground_truth is None:
        return None
    pairs = find_pairs(args.images, args.ground_truth)
    label_set = load_network(base.model).label_set
    comparison = read_comparison(args, label_set, has_ground_truth=True)
    check_pairs(pairs, comparison.reader(pairs.layout))
    return GroundTruth(pairs, comparison)


def _heading(
    base: PipelineConfig, machine: dict[str, str], frames: Sequence[Frame], overhead_us: float
) -> str:
    height, width = frames[0].size
    lines = [f'{base.model.name}, {len(frames)} camera image(s) of {width}x{height} px']
    lines += [', '.join(f'{name} {value}' for name, value in machine.items())]
    lines += [f'an empty stage measures as {overhead_us:.2f} microseconds', '']
    return '\n'.join(lines)


def _report(
    benchmark: Benchmark, facts: dict[str, str], given: dict[str, Any], overhead_us: float
) -> dict[str, Any]:
    return {
        'machine': facts,
        'input': given,
        'empty_stage_us': overhead_us,
        **figures(benchmark),
    }
